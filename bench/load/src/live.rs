//! Live: sessions that only beat, while another generator storms the same server.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::args::fail;
use crate::fleet::Fleet;
use crate::process::own_wait_us;
use crate::steps::TURN;

/// Heartbeats still out when the run ends may take this long.
const LAST: Duration = Duration::from_secs(20);

/// Send `rate` heartbeats a second, turn by turn through the sessions, until standard input ends. An open loop: each is
/// due at its time whatever the server does, and its latency counts from then.
///
/// Says `live` on standard error once it beats. Never spins: on a cpu of two it would take the storm's generator's.
pub(crate) fn beats(fleet: &mut Fleet, rate: f64) -> io::Result<Map<String, Value>> {
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        ended.store(true, Ordering::Relaxed);
    });
    for connection in &mut fleet.connections {
        connection.beat_at = None;
    }
    let began = Instant::now();
    let mut sent = 0_usize;
    writeln!(io::stderr(), "live")?;
    while !over.load(Ordering::Relaxed) {
        let due = began + Duration::from_secs_f64(sent as f64 / rate);
        let now = Instant::now();
        if due <= now {
            fleet.beat_due(sent % fleet.connections.len(), due)?;
            sent += 1;
        } else {
            fleet.pump(TURN.min(due - now))?;
        }
    }
    let ending = Instant::now();
    while fleet.acknowledged.len() < sent {
        if ending.elapsed() > LAST {
            let missing = sent - fleet.acknowledged.len();
            return Err(fail(format!(
                "{missing} heartbeats were never acknowledged"
            )));
        }
        fleet.pump(TURN)?;
    }
    let beats: Vec<_> = fleet
        .acknowledged
        .iter()
        .map(|each| json!([each.0, each.1]))
        .collect();
    let mut report = Map::new();
    report.insert("beats".into(), beats.into());
    report.insert("own_wait_us".into(), own_wait_us().into());
    Ok(report)
}
