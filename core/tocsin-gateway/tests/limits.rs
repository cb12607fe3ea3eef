//! Bounds: slow clients, floods, a full host queue, connection limits, and the drain.

mod support;

use serde_json::json;
use support::{Client, Rig};
use tocsin_gateway::command::{ANY_EVENT, Command};
use tocsin_gateway::{Gateway, GatewayConfig, HostRequest};

#[test]
fn a_client_that_does_not_read_is_closed_and_may_resume() {
    let rig = Rig::start(GatewayConfig {
        outbound_max_bytes: 64 * 1024,
        replay_max_bytes: 64 << 20,
        replay_max_events: 100_000,
        ..GatewayConfig::default()
    });
    let (mut slow, id) = rig.session("user-7");
    let (mut quick, _) = rig.session("user-8");
    let large = "x".repeat(60_000);
    let mut seq = 0;
    // The kernel's buffers take some megabytes before the gateway has to keep anything.
    while rig.stat("slow_clients") == 0 {
        seq += 1;
        rig.publish(seq, &large);
        quick.dispatch("MESSAGE_CREATE", seq + 2);
        assert!(seq < 2_000, "never closed");
    }
    assert_eq!(slow.close_code(), 4000);
    let mut again = rig.connect();
    again.resume("user-7", &id, 2);
    for s in 0..seq {
        again.dispatch("MESSAGE_CREATE", s + 3);
    }
    again.dispatch("RESUMED", seq + 3);
}

#[test]
fn one_payload_too_many_is_4008_and_no_earlier_one_is() {
    let rig = Rig::start(GatewayConfig {
        send_limit: 5,
        ..GatewayConfig::default()
    });
    let mut client = rig.connect();
    client.op(10);
    for _ in 0..6 {
        client.send(&json!({"op": 1, "d": null}));
    }
    for _ in 0..5 {
        client.op(11);
    }
    assert_eq!(client.close_code(), 4008);
}

#[test]
fn a_violation_is_answered_after_what_came_before_it() {
    let rig = Rig::start(GatewayConfig::default());
    let mut client = rig.connect();
    client.op(10);
    let mut bytes = Client::frame(9, b"ping");
    bytes.extend(Client::frame(1, br#"{"op":1,"d":null}"#));
    bytes.extend([0xf1, 0x80, 0, 0, 0, 0]);
    client.write(&bytes);
    assert_eq!(client.frame_in(), Some((10, b"ping".to_vec())));
    client.op(11);
    assert_eq!(client.close_code(), 1002);
}

#[test]
fn versions_encodings_and_compressions_that_are_unknown_are_told_so() {
    let rig = Rig::start(GatewayConfig::default());
    for (query, code) in [
        ("encoding=json", 4012),
        ("v=8", 4012),
        ("v=10&encoding=foo", 4002),
        ("v=10&compress=foo", 4002),
    ] {
        assert_eq!(
            Client::connect(rig.port, query).close_code(),
            code,
            "{query}"
        );
    }
}

#[test]
fn a_peer_that_leaves_our_close_unanswered_is_dropped() {
    let rig = Rig::start(GatewayConfig::default());
    let mut client = Client::connect(rig.port, "v=8");
    assert_eq!(client.close_code(), 4012);
    let before = std::time::Instant::now();
    assert!(client.ends());
    assert!(before.elapsed().as_millis() >= 4_000);
}

#[test]
fn an_unfinished_request_head_is_dropped() {
    let rig = Rig::start(GatewayConfig {
        handshake_timeout_ms: 50,
        ..GatewayConfig::default()
    });
    let mut client = Client::raw(rig.port);
    client.write(b"GET / HTTP/1.1\r\n");
    assert!(client.ends());
}

#[test]
fn a_full_host_queue_turns_the_newest_comer_away() {
    let gateway = Gateway::new(GatewayConfig {
        host_queue_max: 1,
        ..GatewayConfig::default()
    });
    gateway.start().expect("start");
    let port = gateway.port().expect("port");
    let identify = json!({"op": 2, "d": {"token": "user-1"}});
    let mut first = Client::connect(port, "v=10");
    first.op(10);
    first.send(&identify);
    first.send(&json!({"op": 1, "d": null}));
    first.op(11);
    let mut second = Client::connect(port, "v=10");
    second.op(10);
    second.send(&identify);
    assert_eq!(second.close_code(), 4000);
    let requests = gateway.drain(10).expect("running");
    assert!(matches!(requests[..], [HostRequest::Identify { .. }]));
    gateway.stop();
}

#[test]
fn connections_over_the_limit_are_refused() {
    let rig = Rig::start(GatewayConfig {
        max_connections: 1,
        ..GatewayConfig::default()
    });
    let (mut client, _) = rig.session("user-7");
    assert!(Client::raw(rig.port).ends());
    rig.publish(1, "still here");
    client.dispatch("MESSAGE_CREATE", 3);
}

#[test]
fn a_drain_says_op_7_then_closes_and_keeps_the_sessions() {
    let rig = Rig::start(GatewayConfig {
        workers: 2,
        ..GatewayConfig::default()
    });
    let mut clients: Vec<_> = (1..6)
        .map(|n| rig.session(&format!("user-{n}")).0)
        .collect();
    rig.gateway.begin_drain(40).expect("running");
    for client in &mut clients {
        client.op(7);
    }
    // One leaves by itself, the others are closed after the grace.
    clients[0].close(4000);
    for client in &mut clients {
        assert_eq!(client.close_code(), 4000);
    }
    assert_eq!(rig.stat("sessions"), 5);
    assert!(std::net::TcpStream::connect(("127.0.0.1", rig.port)).is_err());
}

#[test]
fn the_host_may_end_move_and_invalidate_sessions() {
    let rig = Rig::start(GatewayConfig::default());
    let (mut client, id) = rig.session("user-7");
    let session = rig.identify();

    rig.submit(vec![Command::Invalidate {
        session,
        resumable: true,
    }]);
    assert_eq!(client.op(9), json!(true));
    client.resume_again("user-7", &id, 2);
    client.dispatch("RESUMED", 3);

    rig.submit(vec![Command::DropConnection {
        session,
        close_code: 0,
    }]);
    assert!(client.ends());
    let mut client = rig.connect();
    client.resume("user-7", &id, 3);
    client.dispatch("RESUMED", 4);

    rig.submit(vec![Command::Reconnect { session }]);
    client.op(7);
    rig.submit(vec![Command::Invalidate {
        session,
        resumable: false,
    }]);
    assert_eq!(client.op(9), json!(false));
    client.resume_again("user-7", &id, 4);
    assert_eq!(client.op(9), json!(false));

    let mut client = rig.connect();
    client.op(10);
    client.send(&json!({"op": 2, "d": {"token": "user-7"}}));
    client.dispatch("READY", 1);
    let session = rig.identify();
    rig.submit(vec![Command::EndSession {
        session,
        close_code: 4009,
    }]);
    assert_eq!(client.close_code(), 4009);
}

#[test]
fn a_frame_may_be_broken_off_and_the_session_resumes() {
    let rig = Rig::start(GatewayConfig::default());
    let (mut client, id) = rig.session("user-7");
    let session = rig.identify();
    rig.submit(vec![Command::BreakFrame {
        session,
        event: None,
    }]);
    // The last dispatch again, of which half is missing.
    assert_half(&client.rest(), 0x81, b"\"GUILD_CREATE\"");
    let mut again = rig.connect();
    again.resume("user-7", &id, 2);
    again.dispatch("RESUMED", 3);
}

/// The octets are the first half of a frame, and hold `part`.
fn assert_half(octets: &[u8], first: u8, part: &[u8]) {
    assert_eq!(octets[0], first);
    let whole = match octets[1] {
        126 => 4 + usize::from(u16::from_be_bytes([octets[2], octets[3]])),
        n => 2 + usize::from(n),
    };
    assert_eq!(octets.len(), whole / 2);
    let found = part.is_empty() || octets.windows(part.len()).any(|each| each == part);
    assert!(found, "{}", String::from_utf8_lossy(octets));
}

#[test]
fn the_frame_of_the_next_event_of_a_name_is_broken_off_and_comes_whole_with_a_resume() {
    let rig = Rig::start(GatewayConfig::default());
    let (mut client, id) = rig.session("user-7");
    let session = rig.identify();
    for (seq, event) in [(1, "MESSAGE_CREATE"), (2, ANY_EVENT)] {
        let event = Some(event.into());
        rig.submit(vec![Command::BreakFrame { session, event }]);
        client.send(&json!({"op": 1, "d": null}));
        client.op(11);
        rig.publish(seq, &"halved".repeat(20));
        assert_half(&client.rest(), 0x81, b"\"MESSAGE_CREATE\"");
        client = rig.connect();
        client.resume("user-7", &id, if seq == 1 { 2 } else { 4 });
        let s = if seq == 1 { 3 } else { 5 };
        client.dispatch("MESSAGE_CREATE", s);
        client.dispatch("RESUMED", s + 1);
    }
}

#[test]
fn a_frame_is_broken_off_whatever_its_encoding_and_compression() {
    let rig = Rig::start(GatewayConfig::default());
    let queries = [
        "v=10&encoding=etf",
        "v=10&encoding=json&compress=zlib-stream",
        "v=10&encoding=etf&compress=zstd-stream",
    ];
    for (seq, query) in (1..).zip(queries) {
        let mut client = Client::connect(rig.port, query);
        client.frame_in().expect("HELLO");
        let identify = json!({"op": 2, "d": {"token": "user-7"}});
        if query.contains("etf") {
            client.send_term(&identify);
        } else {
            client.send(&identify);
        }
        client.frame_in().expect("READY");
        client.frame_in().expect("GUILD_CREATE");
        let session = rig.identify();
        let event = Some("MESSAGE_CREATE".into());
        rig.submit(vec![Command::BreakFrame { session, event }]);
        rig.publish(seq, "halved");
        assert_half(&client.rest(), 0x82, b"");
    }
}

#[test]
fn a_stalled_connection_is_written_nothing_until_the_stall_is_over() {
    let rig = Rig::start(GatewayConfig::default());
    let (mut client, id) = rig.session("user-7");
    let session = rig.identify();

    rig.submit(vec![Command::Stall {
        session,
        for_ms: 50,
    }]);
    rig.publish(1, "held");
    client.dispatch("MESSAGE_CREATE", 3);
    rig.submit(vec![Command::Stall {
        session,
        for_ms: 3_600_000,
    }]);
    let before = rig.stat("dispatches");
    rig.publish(2, "held again");
    // The message and the resume reach the worker by different ways: a stall that came last would hold the new one.
    rig.until("dispatches", before + 1);
    let mut again = rig.connect();
    again.resume("user-7", &id, 3);
    again.dispatch("MESSAGE_CREATE", 4);
    again.dispatch("RESUMED", 5);
    assert!(client.is_silent(), "the stalled connection got it");
}

#[test]
fn a_burst_beyond_the_limit_does_not_cost_a_client_that_reads() {
    let rig = Rig::start(GatewayConfig {
        outbound_max_bytes: 64 * 1024,
        ..GatewayConfig::default()
    });
    let (mut client, _) = rig.session("user-7");
    let large = "x".repeat(10_000);
    let burst = (1..=20).map(|seq| support::message(seq, &large)).collect();
    rig.submit(burst);
    for s in 3..23 {
        client.dispatch("MESSAGE_CREATE", s);
    }
    assert_eq!(rig.stat("slow_clients"), 0);
}
