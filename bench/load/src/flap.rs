//! Flap: sessions whose users change status again and again, sessions that look at a guild, and waiting to be told on.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::args::fail;
use crate::fleet::Fleet;
use crate::frame;
use crate::steps::TURN;

/// What a session says in turn; each is another thing to see.
const STATUSES: [&str; 4] = ["idle", "dnd", "invisible", "online"];

/// Change `rate` statuses a second, turn by turn through the sessions: each is due at its time whatever the server does.
pub(crate) fn flap(fleet: &mut Fleet, rate: f64, seconds: f64) -> io::Result<Map<String, Value>> {
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(seconds);
    let mut sent = 0_usize;
    loop {
        let now = Instant::now();
        let due = began + Duration::from_secs_f64(sent as f64 / rate);
        if now.max(due) >= until {
            break;
        }
        if due <= now {
            let next = fleet.flapped;
            let turn = next / fleet.connections.len();
            let status = STATUSES[turn % STATUSES.len()];
            let text = json!({"op": 3, "d": {
                "status": status, "activities": [], "since": null, "afk": false,
            }});
            let index = next % fleet.connections.len();
            fleet.connections[index].send(&frame::masked(1, text.to_string().as_bytes()))?;
            fleet.flapped += 1;
            sent += 1;
        } else {
            fleet.pump(TURN.min(due - now).max(Duration::from_millis(1)))?;
        }
    }
    let mut report = Map::new();
    report.insert("changes".into(), sent.into());
    Ok(report)
}

/// Have all sessions from the `first` on look at a guild and at the top of its member list, as a client that shows it.
pub(crate) fn look(
    fleet: &mut Fleet,
    guild: &str,
    channel: &str,
    first: usize,
) -> io::Result<Map<String, Value>> {
    let text = json!({"op": 14, "d": {
        "guild_id": guild, "typing": true, "activities": true, "threads": true,
        "channels": {channel: [[0, 99]]},
    }});
    let message = frame::masked(1, text.to_string().as_bytes());
    let many = fleet
        .connections
        .len()
        .checked_sub(first)
        .ok_or_else(|| fail("there are not so many sessions"))?;
    for connection in &mut fleet.connections[first..] {
        connection.send(&message)?;
    }
    let mut report = Map::new();
    report.insert("looking".into(), many.into());
    Ok(report)
}

/// Serve the network until a byte comes on standard input. Says `paused` on standard error first.
pub(crate) fn pause(fleet: &mut Fleet) -> io::Result<Map<String, Value>> {
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let reader = std::thread::spawn(move || {
        let outcome = io::stdin().read_exact(&mut [0]);
        ended.store(true, Ordering::Relaxed);
        outcome
    });
    writeln!(io::stderr(), "paused")?;
    while !over.load(Ordering::Relaxed) {
        fleet.pump(TURN)?;
    }
    match reader.join() {
        Ok(outcome) => outcome.map(|()| Map::new()),
        Err(_) => Err(fail("standard input could not be read")),
    }
}
