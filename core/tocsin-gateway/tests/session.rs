//! Connections and sessions from HELLO to the end: identify, states, heartbeats, closes, content.

mod support;

use serde_json::{Value, json};
use support::{ALL, CHANNEL, COHORT, Client, GUILD, Rig, accept, envelope, message};
use tocsin_gateway::command::{Command, Dispatch, Target};
use tocsin_gateway::{GatewayConfig, HostRequest};

fn rig() -> Rig {
    Rig::start(GatewayConfig::default())
}

#[test]
fn an_identified_client_gets_ready_its_guilds_and_what_is_published() {
    let rig = rig();
    let (mut client, id) = rig.session("user-7");
    assert_eq!(id.len(), 32);
    rig.publish(1, "hello");
    assert_eq!(
        client.dispatch("MESSAGE_CREATE", 3),
        json!({"content": "hello"})
    );
    assert_eq!((rig.stat("connections"), rig.stat("sessions")), (1, 1));
}

#[test]
fn heartbeats_are_acknowledged_before_identify_and_by_both_opcodes() {
    let rig = rig();
    let mut client = rig.connect();
    client.op(10);
    client.send(&json!({"op": 1, "d": null}));
    client.op(11);
    client.send(&json!({"op": 40, "d": {"seq": null, "qos": {"ver": 1}}}));
    client.op(11);
}

#[test]
fn frames_sent_with_the_request_are_processed() {
    let rig = rig();
    let mut client = Client::raw(rig.port);
    let mut bytes =
        b"GET /?v=10 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
    bytes.extend(Client::frame(1, br#"{"op":1,"d":null}"#));
    let mut answer = Vec::new();
    client.write(&bytes);
    while !answer.ends_with(br#""op":11,"d":null}"#) {
        let byte = client.byte();
        answer.push(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
}

#[test]
fn a_refused_identify_closes_or_leaves_another_chance() {
    let rig = rig();
    let mut client = rig.connect();
    client.op(10);
    client.send(&json!({"op": 2, "d": {"token": "later"}}));
    assert_eq!(client.op(9), json!(false));
    client.send(&json!({"op": 2, "d": {"token": "bad"}}));
    assert_eq!(client.close_code(), 4004);
    client.close(4004);
    assert!(client.ends());
}

#[test]
fn operations_out_of_state_close_with_their_codes() {
    let rig = rig();
    let second_identify = json!({"op": 2, "d": {"token": "user-1"}});
    for (payload, code) in [
        (json!({"op": 3, "d": {}}), 4003),
        (json!({"op": 5, "d": null}), 4003),
        (json!({"op": 99, "d": {}}), 4001),
        (json!({"op": 11, "d": null}), 4001),
        (json!({"op": 1, "d": "x"}), 4001),
        (json!([1]), 4002),
    ] {
        let mut client = rig.connect();
        client.op(10);
        client.send(&json!({"op": 1, "d": null}));
        client.send(&payload);
        client.op(11);
        assert_eq!(client.close_code(), code, "{payload}");
    }
    let (mut client, id) = rig.session("user-1");
    client.send(&second_identify);
    assert_eq!(client.close_code(), 4005);
    let mut client = rig.connect();
    client.resume("user-1", &id, 2);
    client.dispatch("RESUMED", 3);
    client.resume_again("user-1", &id, 3);
    assert_eq!(client.close_code(), 4005);
}

#[test]
fn while_identify_is_unanswered_only_heartbeats_are() {
    let rig = rig();
    for (payload, code) in [
        (json!({"op": 2, "d": {"token": "user-1"}}), 4005),
        (json!({"op": 3, "d": {}}), 4003),
        (
            json!({"op": 6, "d": {"token": "x", "session_id": "x", "seq": 1}}),
            4003,
        ),
    ] {
        let mut client = rig.connect();
        client.op(10);
        client.send(&json!({"op": 2, "d": {"token": "never"}}));
        client.send(&json!({"op": 1, "d": null}));
        client.op(11);
        client.send(&payload);
        assert_eq!(client.close_code(), code, "{payload}");
    }
}

#[test]
fn policy_operations_reach_the_host_and_dead_ones_do_not() {
    let rig = rig();
    let (mut client, _) = rig.session("user-7");
    for op in [5, 13, 28, 34, 35, 36, 38, 39, 41] {
        client.send(&json!({"op": op, "d": {}}));
    }
    client.send(&json!({"op": 8, "d": {"guild_id": "1"}}));
    client.send(&json!({"op": 0, "t": "TYPING_START", "d": {"channel_id": "2"}}));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let HostRequest::Command { op, d, .. } = rig.request() else {
            panic!("no command");
        };
        seen.push((op, serde_json::from_slice::<Value>(&d).expect("JSON")));
    }
    let typing = json!({"t": "TYPING_START", "d": {"channel_id": "2"}});
    assert_eq!(seen, [(8, json!({"guild_id": "1"})), (0, typing)]);
}

/// All payloads of a client that says nothing more, and the code it is closed with.
fn all_of(client: &mut Client) -> (Vec<Value>, Option<u16>) {
    let mut heard = Vec::new();
    loop {
        match client.frame_in() {
            Some((1, payload)) => heard.push(serde_json::from_slice(&payload).expect("JSON")),
            Some((8, code)) => return (heard, Some(u16::from_be_bytes([code[0], code[1]]))),
            _ => return (heard, None),
        }
    }
}

#[test]
fn who_never_identifies_is_closed() {
    let rig = Rig::start(GatewayConfig {
        identify_timeout_ms: 50,
        ..GatewayConfig::default()
    });
    let mut client = rig.connect();
    client.op(10);
    assert_eq!(client.close_code(), 4003);
}

#[test]
fn a_silent_client_is_asked_then_closed_and_its_session_kept() {
    let rig = Rig::start(GatewayConfig {
        heartbeat_interval_ms: 80,
        ..GatewayConfig::default()
    });
    let mut closed = 0;
    // On a busy machine a client may be too late even to identify, and the worker too late to ask: then another one is
    // silent.
    let id = loop {
        let mut client = rig.connect();
        client.send(&json!({"op": 2, "d": {"token": "user-7"}}));
        let (heard, code) = all_of(&mut client);
        assert_eq!(code, Some(4000), "{heard:?}");
        let asked = heard.iter().filter(|each| each["op"] == 1).count();
        assert!(asked <= 1, "{heard:?}");
        closed += 1;
        if asked == 1 && heard.iter().any(|each| each["t"] == "GUILD_CREATE") {
            let ready = heard.iter().find(|each| each["t"] == "READY");
            let id = ready.expect("READY came first")["d"]["session_id"].clone();
            break id.as_str().expect("an id").to_owned();
        }
    };
    while !matches!(
        rig.request(),
        HostRequest::Detached {
            close_code: 4000,
            ..
        }
    ) {}
    assert!(rig.stat("zombies") >= closed);
    loop {
        let mut client = rig.connect();
        client.resume_again("user-7", &id, 2);
        match all_of(&mut client) {
            (heard, _) if heard.iter().any(|each| each["t"] == "RESUMED") => break,
            (heard, code) => assert_eq!(code, Some(4000), "{heard:?}"),
        }
    }
}

#[test]
fn a_normal_close_ends_the_session_and_any_other_keeps_it() {
    let rig = rig();
    for (code, kept) in [(1000, false), (1001, false), (4000, true), (3000, true)] {
        let (mut client, id) = rig.session("user-7");
        client.close(code);
        assert_eq!(client.close_code(), code);
        assert!(client.ends());
        match rig.request() {
            HostRequest::Closed {
                reason: "client", ..
            } => assert!(!kept),
            HostRequest::Detached { close_code, .. } => assert!(kept && close_code == code),
            other => panic!("{other:?}"),
        }
        let mut client = rig.connect();
        client.resume("user-7", &id, 2);
        if kept {
            client.dispatch("RESUMED", 3);
            assert!(matches!(rig.request(), HostRequest::Attached { .. }));
        } else {
            assert_eq!(client.op(9), json!(false));
        }
        client.close(1000);
        assert_eq!(client.close_code(), 1000);
        if kept {
            assert!(matches!(rig.request(), HostRequest::Closed { .. }));
        }
    }
    assert_eq!(rig.stat("sessions"), 0);
}

#[test]
fn a_session_whose_client_left_before_its_accept_is_ended() {
    let rig = rig();
    let mut client = rig.connect();
    client.op(10);
    client.send(&json!({"op": 2, "d": {"token": "never"}}));
    let session = rig.identify();
    client.close(4000);
    assert_eq!(client.close_code(), 4000);
    rig.submit(vec![accept(session, "x", "user-7")]);
    let closed = HostRequest::Closed {
        session,
        reason: "orphan",
    };
    assert_eq!(rig.request(), closed);
    assert_eq!(
        (rig.stat("sessions"), rig.stat("detached_sessions")),
        (0, 0)
    );
}

#[test]
fn content_is_for_people_authors_the_mentioned_and_bots_with_leave() {
    let rig = rig();
    let (mut person, _) = rig.session("person-2");
    let (mut seeing, _) = rig.session("user-3");
    let (mut blind, _) = rig.session("blind-4");
    let (mut author, _) = rig.session("blind-5");
    let (mut mentioned, _) = rig.session("blind-6");
    let mut event = envelope("MESSAGE_CREATE", 1, &json!({"content": "secret"}));
    event.author = 5;
    event.mentions = vec![6];
    rig.submit(vec![Command::Publish(Box::new(event))]);
    for client in [&mut person, &mut seeing, &mut author, &mut mentioned] {
        assert_eq!(
            client.dispatch("MESSAGE_CREATE", 3),
            json!({"content": "secret"})
        );
    }
    assert_eq!(blind.dispatch("MESSAGE_CREATE", 3), json!({"content": ""}));
}

fn dispatch(target: Target) -> Dispatch {
    support::dispatch("PRESENCE_UPDATE", b"{}".as_slice().into(), target, GUILD)
}

#[test]
fn a_dispatch_reaches_its_target_less_the_excluded() {
    let rig = rig();
    let (mut bot, _) = rig.session("user-2");
    let (mut person, _) = rig.session("person-3");
    let give = |dispatch: Dispatch| Command::Dispatch(Box::new(dispatch));
    rig.submit(vec![
        give(Dispatch {
            bots_only: true,
            ..dispatch(Target::Guild(GUILD))
        }),
        give(Dispatch {
            exclude_user: 2,
            ..dispatch(Target::Cohorts(vec![COHORT]))
        }),
        give(dispatch(Target::Users(vec![2, 3]))),
        give(dispatch(Target::Channel {
            guild: GUILD,
            channel: CHANNEL,
        })),
    ]);
    for s in 3..6 {
        bot.dispatch("PRESENCE_UPDATE", s);
        person.dispatch("PRESENCE_UPDATE", s);
    }
}

#[test]
fn intents_decide_unless_the_dispatch_is_ungated() {
    let rig = rig();
    let mut client = rig.connect();
    client.op(10);
    client.send(&json!({"op": 2, "d": {"token": "never"}}));
    let session = rig.identify();
    let Command::Accept(mut answer) = accept(session, "x", "user-7") else {
        panic!("no accept");
    };
    answer.intents = ALL & !(1 << 8);
    rig.submit(vec![
        Command::Accept(answer),
        Command::Dispatch(Box::new(dispatch(Target::Guild(GUILD)))),
        Command::Dispatch(Box::new(Dispatch {
            ungated: true,
            name: "OTHER".to_owned(),
            ..dispatch(Target::Sessions(vec![session]))
        })),
    ]);
    client.dispatch("READY", 1);
    client.dispatch("GUILD_CREATE", 2);
    client.dispatch("OTHER", 3);
}

#[test]
fn index_changes_and_events_keep_the_order_of_their_batch() {
    let rig = rig();
    let (mut client, _) = rig.session("user-7");
    let hidden = Command::SetChannel {
        guild: GUILD,
        channel: CHANNEL,
        cohorts: vec![],
    };
    let shown = Command::SetChannel {
        guild: GUILD,
        channel: CHANNEL,
        cohorts: vec![COHORT],
    };
    rig.submit(vec![
        message(1, "a"),
        hidden,
        message(2, "b"),
        shown,
        message(3, "c"),
        message(3, "again"),
    ]);
    assert_eq!(client.dispatch("MESSAGE_CREATE", 3)["content"], "a");
    assert_eq!(client.dispatch("MESSAGE_CREATE", 4)["content"], "c");
}

#[test]
fn a_state_event_holds_its_scope_until_the_policy_has_resolved_it() {
    let rig = rig();
    let (mut client, _) = rig.session("user-7");
    let mut state = envelope("CHANNEL_UPDATE", 1, &json!({"id": "200"}));
    state.state = true;
    rig.submit(vec![Command::Publish(Box::new(state)), message(2, "after")]);
    let HostRequest::Policy {
        ticket, name, seq, ..
    } = rig.request()
    else {
        panic!("no policy request");
    };
    assert_eq!((name.as_str(), seq), ("CHANNEL_UPDATE", 1));
    rig.submit(vec![
        Command::Dispatch(Box::new(Dispatch {
            name,
            ..dispatch(Target::Guild(GUILD))
        })),
        Command::Resolve {
            ticket,
            effect: None,
        },
    ]);
    client.dispatch("CHANNEL_UPDATE", 3);
    assert_eq!(client.dispatch("MESSAGE_CREATE", 4)["content"], "after");
}

#[test]
fn large_payloads_are_standalone_zlib_for_those_who_asked_and_small_ones_are_text() {
    let rig = rig();
    let mut client = rig.connect();
    client.op(10);
    client.send(&json!({"op": 2, "d": {"token": "never"}}));
    let session = rig.identify();
    let Command::Accept(mut answer) = accept(session, "x", "user-7") else {
        panic!("no accept");
    };
    answer.compress = true;
    rig.submit(vec![
        Command::Accept(answer),
        Command::SetChannel {
            guild: GUILD,
            channel: CHANNEL,
            cohorts: vec![COHORT],
        },
        message(1, &"x".repeat(5_000)),
    ]);
    client.dispatch("READY", 1);
    client.dispatch("GUILD_CREATE", 2);
    let (opcode, payload) = client.frame_in().expect("a frame");
    assert_eq!((opcode, payload[0]), (2, 0x78));
    assert!(payload.len() < 500);
    rig.publish(2, "small");
    assert_eq!(client.dispatch("MESSAGE_CREATE", 4)["content"], "small");
}

#[test]
fn an_etf_connection_speaks_terms_in_binary_frames_and_takes_no_text() {
    let rig = rig();
    let mut client = Client::connect(rig.port, "v=10&encoding=etf");
    assert_eq!(client.term()["op"], 10);
    client.send_term(&json!({"op": 1, "d": null}));
    assert_eq!(client.term()["op"], 11);
    client.send_term(&json!({"op": 2, "d": {"token": "user-7"}}));
    let ready = client.term();
    assert_eq!((&ready["s"], &ready["t"]), (&json!(1), &json!("READY")));
    assert_eq!(client.term()["t"], "GUILD_CREATE");
    rig.publish(1, "hello");
    let expected = json!({"s": 3, "t": "MESSAGE_CREATE", "op": 0, "d": {"content": "hello"}});
    assert_eq!(client.term(), expected);
    client.send(&json!({"op": 1, "d": null}));
    assert_eq!(client.close_code(), 4002);
}

#[test]
fn sessions_of_a_scope_that_lost_an_event_are_told_to_begin_anew() {
    let rig = rig();
    let (mut client, id) = rig.session("user-7");
    rig.publish(1, "seen");
    client.dispatch("MESSAGE_CREATE", 3);
    rig.publish(3, "after a hole");
    assert_eq!(client.op(9), json!(false));
    client.resume_again("user-7", &id, 3);
    assert_eq!(client.op(9), json!(false));
    assert_eq!(rig.stat("gaps"), 1);
}
