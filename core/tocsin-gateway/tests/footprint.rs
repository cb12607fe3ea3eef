//! The promise of a small footprint: what a session in ten guilds keeps once its client has confirmed what it got.

mod support;

use std::alloc::System;

use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{Client, Rig};
use tocsin_gateway::GatewayConfig;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: usize = 400;
const MOST_BYTES: usize = 1_600;

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// A session whose client has confirmed all of it by a heartbeat.
fn idle(rig: &Rig, number: usize) -> Client {
    let mut client = rig.connect();
    client.op(10);
    client.send(&json!({"op": 2, "d": {"token": format!("ten-{number}")}}));
    client.dispatch("READY", 1);
    for s in 2..=11 {
        client.dispatch("GUILD_CREATE", s);
    }
    client.send(&json!({"op": 1, "d": 11}));
    client.op(11);
    client
}

#[test]
fn an_idle_session_in_ten_guilds_keeps_little() {
    let rig = Rig::start(GatewayConfig::default());
    // The first ones pay for tables that all share.
    let mut clients: Vec<_> = (0..SESSIONS).map(|number| idle(&rig, number)).collect();
    let before = (live(), clients_bytes(&clients));
    clients.extend((0..SESSIONS).map(|number| idle(&rig, number)));
    let after = (live(), clients_bytes(&clients));
    let each = (after.0 - before.0 - (after.1 - before.1)) / SESSIONS;
    assert!(each <= MOST_BYTES, "{each} octets a session");
}

/// What the clients of this very process keep.
fn clients_bytes(clients: &[Client]) -> usize {
    clients.iter().map(Client::footprint).sum()
}
