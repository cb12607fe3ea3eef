//! What relocatable streams cost beside per-connection contexts, on made-up traffic: octets and CPU per payload.
//!
//! `cargo test --release -p tocsin-compress --test relocatable_cost -- --ignored --nocapture`

#[path = "support/traffic.rs"]
mod traffic;

use tocsin_compress::{Compression, Compressor, SharedBodies, Transport};
use traffic::{Dice, Traffic};

const GUILDS: u64 = 5;

/// This thread's time on a CPU, in ns: what other processes take does not count.
fn cpu_ns() -> u64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .expect("Linux")
}

struct Cost {
    payloads: u64,
    clear: u64,
    octets: u64,
    ns: u64,
}

/// Sends events to connections that each are in some of the guilds.
fn measure(compression: Compression, connections: usize, events: usize, spread: u64) -> Cost {
    let (mut dice, mut traffic) = (Dice(4), Traffic::new(GUILDS, 4));
    let mut shared = SharedBodies::new(0);
    let mut connections: Vec<(u64, u64, Compressor)> = (0..connections)
        .map(|_| {
            let first = dice.below(GUILDS);
            let more = (0..dice.below(spread)).fold(0, |all, n| all | 1 << ((first + n) % GUILDS));
            let compressor = Compressor::new(Transport::ZlibStream, compression, false);
            (1 << first | more, 0, compressor)
        })
        .collect();
    let events: Vec<_> = (0..events)
        .map(|_| {
            let event = traffic.event();
            (event.guild, event.variant(0))
        })
        .collect();
    let mut cost = Cost {
        payloads: 0,
        clear: 0,
        octets: 0,
        ns: 0,
    };
    let mut out = Vec::new();
    let begun = cpu_ns();
    for (guild, body) in &events {
        shared.begin(guild + 1, true);
        for (guilds, s, compressor) in &mut connections {
            if *guilds >> guild & 1 == 0 {
                continue;
            }
            *s += 1;
            let head = format!("{{\"s\":{s},");
            out.clear();
            compressor
                .compress_shared(&mut shared, 0, head.as_bytes(), body, &mut out)
                .expect("memory");
            cost.payloads += 1;
            cost.clear += (head.len() + body.len()) as u64;
            cost.octets += out.len() as u64;
        }
    }
    cost.ns = cpu_ns() - begun;
    cost
}

#[test]
#[ignore = "a measurement; run it with --release"]
#[allow(clippy::print_stderr, reason = "its figures are the report")]
fn what_a_payload_costs_shared_and_per_connection() {
    for (name, connections, spread) in [
        ("1 connection, 1 guild", 1, 1),
        ("8 connections, 1 guild each", 8, 1),
        ("60 connections, 1 guild each", 60, 1),
        ("60 connections, 1 to 5 guilds", 60, GUILDS + 1),
        ("1000 connections, 1 to 5 guilds", 1_000, GUILDS + 1),
    ] {
        for compression in [Compression::Shared, Compression::Connection] {
            let events = match (compression, connections) {
                (Compression::Shared, 1_000) => 2_000,
                (Compression::Connection, 1_000) => 200,
                _ => 4_000,
            };
            let cost = measure(compression, connections, events, spread);
            eprintln!(
                "{name}, {compression:?}: {} payloads, {:.0} octets clear, {:.1} sent, ratio {:.2}, {:.3} us CPU each",
                cost.payloads,
                cost.clear as f64 / cost.payloads as f64,
                cost.octets as f64 / cost.payloads as f64,
                cost.clear as f64 / cost.octets as f64,
                cost.ns as f64 / 1_000.0 / cost.payloads as f64,
            );
        }
    }
}
