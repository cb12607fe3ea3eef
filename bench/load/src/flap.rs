//! Flap: sessions whose users change status again and again, or go and come back, sessions that look at a guild, and
//! waiting to be told on.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::args::fail;
use crate::connection::State;
use crate::fleet::Fleet;
use crate::frame;
use crate::histogram::Histogram;
use crate::steps::{TURN, advance};

/// What a session says in turn; each is another thing to see.
const STATUSES: [&str; 4] = ["idle", "dnd", "invisible", "online"];

/// A prime: how far one that leaves is from the one before.
const STRIDE: usize = 7_919;

/// Change `rate` statuses a second, turn by turn through the sessions, and have `returns` a second end for good and begin
/// anew: each is due at its time whatever the server does. Waits for those that are under way.
pub(crate) fn flap(
    fleet: &mut Fleet,
    rate: f64,
    returns: f64,
    seconds: f64,
) -> io::Result<Map<String, Value>> {
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(seconds);
    let due = |sent: usize, rate: f64| {
        let after = if rate > 0.0 {
            sent as f64 / rate
        } else {
            seconds
        };
        began + Duration::from_secs_f64(after.min(seconds))
    };
    let (mut sent, mut left) = (0, 0);
    fleet.answers = Histogram::new();
    fleet.reached = 0;
    fleet.returning = true;
    loop {
        let now = Instant::now();
        let (status, leave) = (due(sent, rate), due(left, returns));
        let next = status.min(leave);
        if now.max(next) >= until {
            break;
        }
        if next > now {
            fleet.pump(TURN.min(next - now).max(Duration::from_millis(1)))?;
        } else if leave < status {
            leave_next(fleet)?;
            left += 1;
        } else {
            say_next(fleet)?;
            sent += 1;
        }
    }
    let mut progress = (0, Instant::now());
    while fleet.reached < left {
        fleet.pump(TURN)?;
        advance(&mut progress, fleet.reached)?;
    }
    fleet.returning = false;
    let mut report = Map::new();
    report.insert("changes".into(), sent.into());
    report.insert("returns".into(), left.into());
    report.insert("identify_ms".into(), fleet.answers.to_json());
    Ok(report)
}

/// The next session that is there changes status.
fn say_next(fleet: &mut Fleet) -> io::Result<()> {
    let count = fleet.connections.len();
    let index = next_ready(fleet, fleet.flapped)?;
    let status = STATUSES[fleet.flapped / count % STATUSES.len()];
    let text = json!({"op": 3, "d": {
        "status": status, "activities": [], "since": null, "afk": false,
    }});
    fleet.flapped += 1;
    fleet.connections[index].send(&frame::masked(1, text.to_string().as_bytes()))
}

/// The next session that is there ends. They go by another order than those that change status.
fn leave_next(fleet: &mut Fleet) -> io::Result<()> {
    let index = next_ready(fleet, fleet.left * STRIDE)?;
    fleet.left += 1;
    fleet.close(index)
}

fn next_ready(fleet: &Fleet, from: usize) -> io::Result<usize> {
    let count = fleet.connections.len();
    (from..from + count)
        .map(|each| each % count)
        .find(|&index| fleet.connections[index].state == State::Ready)
        .ok_or_else(|| fail("no session is there"))
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

/// A pause in which each message that comes is measured, from when the other process that posts them meant it to go out.
pub(crate) fn hear(fleet: &mut Fleet) -> io::Result<Map<String, Value>> {
    fleet.heard = Some(Histogram::new());
    let mut report = pause(fleet)?;
    if let Some(heard) = fleet.heard.take() {
        report.insert("latency_ms".into(), heard.to_json());
    }
    Ok(report)
}
