//! What is noted and counted: the way of a traced event, times and receivers of all, how resumes and sessions end.

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Client, Rig, envelope};
use tocsin_gateway::command::Command;
use tocsin_gateway::{GatewayConfig, Passage};

fn traced(seq: u64) -> Command {
    let mut envelope = envelope("MESSAGE_CREATE", seq, &json!({"id": "77"}));
    envelope.traced = Some(Instant::now());
    Command::Publish(Box::new(envelope))
}

/// The passages once there is one. What is written is told after the client can have read it.
fn passages(rig: &Rig) -> Vec<Passage> {
    let began = Instant::now();
    loop {
        let found = rig.gateway.passages().expect("running");
        if !found.is_empty() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "no passage");
        std::thread::yield_now();
    }
}

/// The value of a sample of the metrics, if it is there.
fn found(rig: &Rig, name: &str) -> Option<u64> {
    let text = rig.gateway.metrics().expect("running");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().expect("a number"))
}

fn sample(rig: &Rig, name: &str) -> u64 {
    found(rig, name).expect("a sample")
}

/// Waits until a sample has a value.
fn until(rig: &Rig, name: &str, value: u64) {
    let began = Instant::now();
    while found(rig, name) != Some(value) {
        let last = found(rig, name);
        assert!(began.elapsed() < Duration::from_secs(10), "{name} {last:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_traced_event_tells_once_what_it_went_through_and_no_other_does() {
    let rig = Rig::start(GatewayConfig {
        workers: 2,
        traces: true,
        ..GatewayConfig::default()
    });
    let mut clients: Vec<Client> = (0..20)
        .map(|n| rig.session(&format!("user-{n}")).0)
        .collect();
    rig.publish(1, "not traced");
    rig.submit(vec![traced(2)]);
    for client in &mut clients {
        client.dispatch("MESSAGE_CREATE", 3);
        client.dispatch("MESSAGE_CREATE", 4);
    }
    let found = passages(&rig);
    assert_eq!(found.len(), 1);
    let passage = &found[0];
    assert_eq!(
        (&passage.body[..], passage.receivers),
        (&br#"{"id":"77"}"#[..], 20)
    );
    assert!((1..=2).contains(&passage.workers));
    let (first, last) = passage.writes.expect("it was written");
    let times = [
        passage.arrived,
        passage.ordered,
        passage.handed,
        passage.begun,
        first,
        last,
    ];
    assert!(times.is_sorted(), "{times:?}");
    assert!((passage.begun..=last).contains(&passage.given));
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    assert!(u128::from(last) <= now + 1_000_000 && now - u128::from(last) < 60_000_000_000);
    assert_eq!(sample(&rig, "tocsin_passages_lost_total"), 0);
}

#[test]
fn a_traced_event_that_waits_behind_a_policy_says_so_and_one_for_nobody_says_nothing() {
    let rig = Rig::start(GatewayConfig {
        traces: true,
        ..GatewayConfig::default()
    });
    rig.submit(vec![traced(1)]);
    let (mut client, _) = rig.session("user-7");
    let mut state = envelope("GUILD_ROLE_UPDATE", 2, &json!({}));
    state.state = true;
    rig.submit(vec![Command::Publish(Box::new(state)), traced(3)]);
    let ticket = loop {
        if let tocsin_gateway::HostRequest::Policy { ticket, .. } = rig.request() {
            break ticket;
        }
    };
    let held = Duration::from_millis(30);
    std::thread::sleep(held);
    rig.submit(vec![Command::Resolve {
        ticket,
        effect: None,
    }]);
    client.dispatch("MESSAGE_CREATE", 3);
    let found = passages(&rig);
    assert_eq!((found.len(), found[0].receivers), (1, 1));
    assert!(u128::from(found[0].ordered - found[0].arrived) >= held.as_nanos());
}

#[test]
fn a_node_without_traces_notes_none_that_another_began() {
    let rig = Rig::start(GatewayConfig::default());
    let (mut client, _) = rig.session("user-7");
    rig.submit(vec![traced(1)]);
    client.dispatch("MESSAGE_CREATE", 3);
    until(&rig, "tocsin_fanout_seconds_count", 1);
    assert!(rig.gateway.passages().expect("running").is_empty());
}

#[test]
fn each_event_is_timed_once_however_many_workers_and_turns_write_it() {
    const SESSIONS: usize = 60;
    let rig = Rig::start(GatewayConfig {
        workers: 2,
        ..GatewayConfig::default()
    });
    let mut clients: Vec<Client> = (0..SESSIONS)
        .map(|n| rig.session(&format!("user-{n}")).0)
        .collect();
    // Beyond a turn's share of octets, so that connections are postponed.
    let large = "x".repeat(200_000);
    for seq in 1..=5 {
        rig.publish(seq, if seq == 3 { &large } else { "small" });
    }
    for client in &mut clients {
        (0..5).for_each(|n| _ = client.dispatch("MESSAGE_CREATE", n + 3));
    }
    until(&rig, "tocsin_fanout_seconds_count", 5);
    assert_eq!(sample(&rig, "tocsin_event_receivers_count"), 5);
    assert_eq!(
        sample(&rig, "tocsin_event_receivers_sum"),
        5 * SESSIONS as u64
    );
    assert_eq!(sample(&rig, "tocsin_event_receivers_bucket{le=\"32\"}"), 0);
    assert_eq!(sample(&rig, "tocsin_event_receivers_bucket{le=\"64\"}"), 5);
    for name in [
        "tocsin_dispatcher_wait_seconds",
        "tocsin_host_wait_seconds",
        "tocsin_worker_wait_seconds",
        "tocsin_worker_turn_seconds",
        "tocsin_worker_write_seconds",
    ] {
        assert!(sample(&rig, &format!("{name}_count")) > 0, "{name}");
    }
    for worker in 0..2 {
        assert_eq!(
            sample(
                &rig,
                &format!("tocsin_worker_queue_messages{{worker=\"{worker}\"}}")
            ),
            0
        );
    }
    assert_eq!(sample(&rig, "tocsin_postponed_connections"), 0);
}

#[test]
fn every_resume_ends_in_one_outcome() {
    let rig = Rig::start(GatewayConfig {
        replay_max_events: 5,
        ..GatewayConfig::default()
    });
    let outcome = |name: &str| sample(&rig, &format!("tocsin_resumes_total{{outcome=\"{name}\"}}"));
    let (client, id) = rig.session("user-7");
    drop(client);
    let mut resumed = rig.connect();
    resumed.resume("user-7", &id, 2);
    resumed.dispatch("RESUMED", 3);
    assert_eq!(outcome("resumed"), 1);
    // On a connection that has a session.
    resumed.resume_again("user-7", &id, 3);
    assert_eq!(resumed.close_code(), 4005);
    assert_eq!(outcome("misplaced"), 1);
    let mut waiting = rig.connect();
    waiting.op(10);
    waiting.send(&json!({"op": 2, "d": {"token": "never"}}));
    waiting.resume_again("user-7", &id, 3);
    assert_eq!(waiting.close_code(), 4003);
    assert_eq!(outcome("misplaced"), 2);
    let mut ahead = rig.connect();
    ahead.resume("user-7", &id, 99);
    assert_eq!(ahead.close_code(), 4007);
    assert_eq!(outcome("ahead"), 1);
    let mut unknown = rig.connect();
    unknown.resume("user-8", &id, 2);
    unknown.op(9);
    assert_eq!(outcome("unknown"), 1);
    for seq in 1..=10 {
        rig.publish(seq, "missed");
    }
    rig.until("dispatches", 2 + 1 + 10);
    let mut trimmed = rig.connect();
    trimmed.resume("user-7", &id, 3);
    trimmed.op(9);
    assert_eq!(outcome("trimmed"), 1);
}

#[test]
fn sessions_that_end_are_counted_by_why() {
    let rig = Rig::start(GatewayConfig {
        resume_window_ms: 50,
        ..GatewayConfig::default()
    });
    let ends = |reason: &str, count| {
        until(
            &rig,
            &format!("tocsin_session_ends_total{{reason=\"{reason}\"}}"),
            count,
        );
    };
    let (mut client, _) = rig.session("user-1");
    client.close(1000);
    drop(client);
    ends("client", 1);
    drop(rig.session("user-2"));
    ends("expired", 1);
    let (_lost, _) = rig.session("user-3");
    rig.publish(1, "seen");
    rig.publish(3, "after one that never came");
    ends("lost", 1);
    assert_eq!(sample(&rig, "tocsin_sequence_gaps_total"), 1);
    rig.publish(3, "again");
    until(&rig, "tocsin_duplicate_events_total", 1);
    let mut orphan = rig.connect();
    orphan.op(10);
    for _ in 1..4 {
        rig.identify();
    }
    orphan.send(&json!({"op": 2, "d": {"token": "never"}}));
    let session = rig.identify();
    drop(orphan);
    until(&rig, "tocsin_connections", 1);
    rig.submit(vec![support::accept(session, "", "user-4")]);
    ends("orphan", 1);
}

/// The closes counted by now, by code.
fn closes(rig: &Rig) -> BTreeMap<String, u64> {
    let text = rig.gateway.metrics().expect("running");
    let samples = text.lines().filter_map(|line| {
        let (code, count) = line
            .strip_prefix("tocsin_closes_total{code=\"")?
            .split_once("\"} ")?;
        Some((code.to_owned(), count.parse().expect("a number")))
    });
    samples.collect()
}

#[test]
fn every_way_a_connection_ends_is_counted_once_by_its_code() {
    let rig = Rig::start(GatewayConfig {
        identify_timeout_ms: 300,
        handshake_timeout_ms: 300,
        send_limit: 8,
        ..GatewayConfig::default()
    });
    let identified = |rig: &Rig| rig.session("user-7").0;
    let (_, resumable) = rig.session("user-9");
    until(&rig, "tocsin_closes_total{code=\"1006\"}", 1);
    let mut expected = BTreeMap::from([("1006".to_owned(), 1_u64)]);
    type Way<'a> = (&'a str, &'a dyn Fn(&Rig) -> Client);
    let text = |payload: &'static str| {
        move |rig: &Rig| {
            let mut client = rig.connect();
            client.op(10);
            client.write(&Client::frame(1, payload.as_bytes()));
            client
        }
    };
    let opcode = text(r#"{"op":99,"d":null}"#);
    let garbage = text("{");
    let early = text(r#"{"op":8,"d":{}}"#);
    let refused = text(r#"{"op":2,"d":{"token":"bad"}}"#);
    let beat = text(r#"{"op":1,"d":"x"}"#);
    let ways: [Way<'_>; 16] = [
        ("4001", &opcode),
        ("4002", &garbage),
        ("4003", &early),
        ("4004", &refused),
        ("4001", &beat),
        ("4003", &|rig| rig.connect()),
        ("1006", &|rig| Client::raw(rig.port)),
        ("4012", &|rig| Client::connect(rig.port, "v=8")),
        ("1002", &|rig| {
            let mut client = rig.connect();
            client.write(&[0xf1, 0x80, 0, 0, 0, 0]);
            client
        }),
        ("4005", &|rig| {
            let mut client = identified(rig);
            client.send(&json!({"op": 2, "d": {"token": "user-7"}}));
            client
        }),
        ("4007", &|rig| {
            let mut client = rig.connect();
            client.resume("user-9", &resumable, 99);
            client
        }),
        ("4008", &|rig| {
            let mut client = identified(rig);
            (0..9).for_each(|_| client.send(&json!({"op": 1, "d": null})));
            client
        }),
        ("4000", &|rig| {
            let (client, id) = rig.session("user-7");
            let mut other = rig.connect();
            other.resume("user-7", &id, 2);
            other.dispatch("RESUMED", 3);
            other.close(1000);
            client
        }),
        ("1001", &|rig| {
            let mut client = identified(rig);
            client.close(1001);
            client
        }),
        ("1005", &|rig| {
            let mut client = identified(rig);
            client.write(&Client::frame(8, b""));
            client
        }),
        ("other", &|rig| {
            let mut client = identified(rig);
            client.close(3999);
            client
        }),
    ];
    for (code, way) in ways {
        let mut client = way(&rig);
        // Until the server ends it, or awaits the end of the TCP.
        while !matches!(client.frame_in(), None | Some((8, _))) {}
        drop(client);
        *expected.entry(code.to_owned()).or_default() += 1;
        if code == "4000" {
            *expected.entry("1000".to_owned()).or_default() += 1;
        }
        until(&rig, "tocsin_connections", 0);
        assert_eq!(closes(&rig), expected, "{code}");
    }
}

#[test]
fn connections_that_the_host_ends_or_a_drain_are_counted_by_their_code() {
    let rig = Rig::start(GatewayConfig::default());
    for (close_code, counted) in [(0, "1006"), (4000, "4000"), (4004, "4004")] {
        let (mut client, _) = rig.session("user-7");
        let session = rig.identify();
        rig.submit(vec![Command::DropConnection {
            session,
            close_code,
        }]);
        while !matches!(client.frame_in(), None | Some((8, _))) {}
        drop(client);
        until(&rig, "tocsin_connections", 0);
        assert_eq!(closes(&rig).get(counted), Some(&1));
    }
    let handshake = Client::raw(rig.port);
    until(&rig, "tocsin_connections", 1);
    rig.gateway.begin_drain(0).expect("running");
    until(&rig, "tocsin_closes_total{code=\"4000\"}", 2);
    drop(handshake);
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let rig = Rig::start(GatewayConfig {
        max_connections: 1,
        traces: true,
        ..GatewayConfig::default()
    });
    let (mut client, _) = rig.session("user-7");
    assert!(Client::raw(rig.port).ends());
    assert_eq!(sample(&rig, "tocsin_refused_connections_total"), 1);
    // Nobody asks for the passages.
    let many = 4_100;
    rig.submit((1..=many).map(traced).collect());
    (1..=many).for_each(|seq| _ = client.dispatch("MESSAGE_CREATE", seq + 2));
    until(&rig, "tocsin_passages_lost_total", 4);
    assert_eq!(rig.gateway.passages().expect("running").len(), 4_096);
    // Ephemeral events behind a scope that is held.
    let mut state = envelope("GUILD_ROLE_UPDATE", many + 1, &json!({}));
    state.state = true;
    let typing = || Command::Publish(Box::new(envelope("TYPING_START", 0, &json!({}))));
    let held = 65_536;
    let commands = std::iter::once(Command::Publish(Box::new(state)));
    rig.submit(commands.chain((0..held + 3).map(|_| typing())).collect());
    until(&rig, "tocsin_held_overflows_total", 3);
    assert_eq!(sample(&rig, "tocsin_held_events"), held);
}
