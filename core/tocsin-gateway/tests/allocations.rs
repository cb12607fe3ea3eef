//! The promise of the fan-out: in steady state a delivery to one more session allocates nothing.

mod support;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{Client, Rig, message};
use tocsin_codec::etf::term_of_json;
use tocsin_gateway::GatewayConfig;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: usize = 200;
/// What one event may allocate, whoever gets it: its bytes, its place in queues and batches.
const PER_EVENT: usize = 60;

fn skip_frame(stream: &mut TcpStream) {
    let (mut header, mut length, mut body) = ([0; 2], [0; 2], [0; 4_096]);
    stream.read_exact(&mut header).expect("a frame");
    let length = match header[1] {
        126 => {
            stream.read_exact(&mut length).expect("a length");
            usize::from(u16::from_be_bytes(length))
        }
        n => usize::from(n),
    };
    stream.read_exact(&mut body[..length]).expect("a payload");
}

fn session(port: u16, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    let head = format!(
        "GET /?{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("write");
    let (mut head, mut octet) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut octet).expect("a head");
        head.push(octet[0]);
    }
    skip_frame(&mut stream);
    let payload = json!({"op": 2, "d": {"token": "user-7"}}).to_string();
    let identify = if query.contains("etf") {
        Client::frame(2, &term_of_json(payload.as_bytes()).expect("a term"))
    } else {
        Client::frame(1, payload.as_bytes())
    };
    stream.write_all(&identify).expect("write");
    skip_frame(&mut stream);
    skip_frame(&mut stream);
    stream
}

/// Publishes 20 events so many at a time and waits until all have arrived; how often memory was asked for.
fn publish(rig: &Rig, clients: &mut [TcpStream], seq: &mut u64, window: usize) -> usize {
    let batches: Vec<_> = (0..20 / window)
        .map(|_| {
            let next = (0..window).map(|_| {
                *seq += 1;
                message(*seq, "hello")
            });
            next.collect::<Vec<_>>()
        })
        .collect();
    let before = ALLOCATOR.stats();
    for batch in batches {
        rig.submit(batch);
        for client in &mut *clients {
            (0..window).for_each(|_| skip_frame(client));
        }
    }
    let after = ALLOCATOR.stats();
    after.allocations + after.reallocations - before.allocations - before.reallocations
}

#[test]
fn in_steady_state_no_recipient_costs_an_allocation_compressed_or_not() {
    for query in ["v=10", "v=10&encoding=etf", "v=10&compress=zlib-stream"] {
        let rig = Rig::start(GatewayConfig::default());
        let mut clients: Vec<_> = (0..SESSIONS).map(|_| session(rig.port, query)).collect();
        let mut seq = 0;
        for window in [1, 4, 1, 4] {
            // The replay logs and queues grow to what they need.
            publish(&rig, &mut clients, &mut seq, window);
        }
        // A log of 82 entries has room for 128: nothing grows in what is measured.
        for window in [1, 4] {
            let spent = publish(&rig, &mut clients, &mut seq, window);
            assert!(
                spent <= 20 * PER_EVENT,
                "{query}: {spent} allocations for 20 events to {SESSIONS} sessions, {window} at a time"
            );
        }
    }
}
