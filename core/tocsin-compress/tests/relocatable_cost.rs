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

#[derive(Default)]
struct Cost {
    payloads: u64,
    clear: u64,
    octets: u64,
    ns: u64,
}

impl Cost {
    #[allow(clippy::print_stderr, reason = "its figures are the report")]
    fn print(&self, name: &str, transport: Transport, compression: Compression) {
        eprintln!(
            "{transport:?} {compression:?}, {name}: {} payloads, {:.0} octets clear, {:.1} sent, ratio {:.2}, {:.3} us CPU each",
            self.payloads,
            self.clear as f64 / self.payloads as f64,
            self.octets as f64 / self.payloads as f64,
            self.clear as f64 / self.octets as f64,
            self.ns as f64 / 1_000.0 / self.payloads as f64,
        );
    }
}

/// Sends events to connections that each are in some of the guilds.
fn measure(
    transport: Transport,
    compression: Compression,
    connections: usize,
    events: usize,
    spread: u64,
) -> Cost {
    let (mut dice, mut traffic) = (Dice(4), Traffic::new(GUILDS, 4));
    let mut shared = SharedBodies::new(0);
    let mut connections: Vec<(u64, u64, Compressor)> = (0..connections)
        .map(|_| {
            let first = dice.below(GUILDS);
            let more = (0..dice.below(spread)).fold(0, |all, n| all | 1 << ((first + n) % GUILDS));
            let compressor = Compressor::new(transport, compression, false);
            (1 << first | more, 0, compressor)
        })
        .collect();
    let events: Vec<_> = (0..events)
        .map(|_| {
            let event = traffic.event();
            (event.guild, event.variant(0))
        })
        .collect();
    let mut cost = Cost::default();
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

/// A message of one guild at a time to connections that all get it, as in `bench`.
fn measure_alike(transport: Transport, compression: Compression, events: u64) -> Cost {
    let mut shared = SharedBodies::new(0);
    let mut connections: Vec<Compressor> = (0..1_000)
        .map(|_| Compressor::new(transport, compression, false))
        .collect();
    let mut out = Vec::new();
    let mut cost = Cost::default();
    for compressor in &mut connections {
        let ready = Traffic::new(1, 1).text(2_000);
        compressor
            .compress_private(&mut shared, &[&ready], &mut out)
            .expect("memory");
    }
    for s in 1..=events {
        let id = 1_310_000_000_000_000_000 + s * 4_194_304 * 37;
        let content = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let body = format!(
            r#""t":"MESSAGE_CREATE","op":0,"d":{{"id":"{id}","channel_id":"1310000000000000001","guild_id":"1310000000000000000","author":{{"id":"1310000000000000007","username":"bench","avatar":null}},"content":"{content:x}","timestamp":"2026-11-24T22:{:02}:{:02}.{:06}+00:00","edited_timestamp":null,"tts":false,"type":0,"nonce":"{s}"}}}}"#,
            s / 60 % 60,
            s % 60,
            content % 1_000_000
        );
        let head = format!("{{\"s\":{s},");
        let begun = cpu_ns();
        shared.begin(1, true);
        for compressor in &mut connections {
            out.clear();
            compressor
                .compress_shared(&mut shared, 0, head.as_bytes(), body.as_bytes(), &mut out)
                .expect("memory");
            cost.payloads += 1;
            cost.clear += (head.len() + body.len()) as u64;
            cost.octets += out.len() as u64;
        }
        cost.ns += cpu_ns() - begun;
    }
    cost
}

#[test]
#[ignore = "a measurement; run it with --release"]
fn what_a_payload_costs_shared_and_per_connection() {
    for transport in [Transport::ZlibStream, Transport::ZstdStream] {
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
                let cost = measure(transport, compression, connections, events, spread);
                cost.print(name, transport, compression);
            }
        }
        for (compression, events) in [(Compression::Shared, 500), (Compression::Connection, 30)] {
            let cost = measure_alike(transport, compression, events);
            cost.print(
                "1000 connections, 1 guild, all alike",
                transport,
                compression,
            );
        }
    }
}
