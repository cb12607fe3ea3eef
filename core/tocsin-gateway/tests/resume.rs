//! Resume: exact replay, takeover, refusals, expiry, and sockets that move between workers.

mod support;

use serde_json::json;
use support::{Client, Rig};
use tocsin_gateway::{GatewayConfig, HostRequest};

fn rig(config: GatewayConfig) -> Rig {
    Rig::start(config)
}

#[test]
fn a_resume_replays_exactly_what_was_missed_then_says_resumed() {
    let rig = rig(GatewayConfig::default());
    let (client, id) = rig.session("user-7");
    rig.publish(1, "a");
    client.cut();
    assert!(matches!(
        rig.request(),
        HostRequest::Detached {
            close_code: 1006,
            ..
        }
    ));
    for seq in 2..20 {
        rig.publish(seq, &seq.to_string());
    }
    rig.until("dispatches", 21);
    let mut client = rig.connect();
    client.resume("Bot user-7", &id, 3);
    for seq in 2..20 {
        let d = client.dispatch("MESSAGE_CREATE", seq + 2);
        assert_eq!(d["content"], seq.to_string());
    }
    assert_eq!(client.dispatch("RESUMED", 22), json!({}));
    assert!(matches!(rig.request(), HostRequest::Attached { .. }));
    rig.publish(20, "live");
    client.dispatch("MESSAGE_CREATE", 23);
}

#[test]
fn a_resume_takes_a_live_session_over_and_closes_the_old_connection() {
    let rig = rig(GatewayConfig::default());
    let (mut old, id) = rig.session("user-7");
    let mut new = rig.connect();
    new.resume("user-7", &id, 2);
    new.dispatch("RESUMED", 3);
    assert_eq!(old.close_code(), 4000);
    rig.publish(1, "to the new one");
    new.dispatch("MESSAGE_CREATE", 4);
    assert_eq!(
        (rig.stat("sessions"), rig.stat("detached_sessions")),
        (1, 0)
    );
}

#[test]
fn an_unknown_session_and_a_foreign_token_get_the_same_op_9_and_may_identify() {
    let rig = rig(GatewayConfig::default());
    let (mut victim, id) = rig.session("user-7");
    for (token, session_id) in [
        ("user-8", id.as_str()),
        ("user-7", "00000000000000000000000000000000"),
        ("user-7", "not an id"),
    ] {
        let mut client = rig.connect();
        client.resume(token, session_id, 2);
        assert_eq!(client.op(9), json!(false));
        client.send(&json!({"op": 2, "d": {"token": "user-8"}}));
        client.dispatch("READY", 1);
    }
    rig.publish(1, "undisturbed");
    victim.dispatch("MESSAGE_CREATE", 3);
}

#[test]
fn a_sequence_never_sent_is_4007_and_leaves_the_session_alone() {
    let rig = rig(GatewayConfig::default());
    let (mut victim, id) = rig.session("user-7");
    for seq in [3, u64::MAX] {
        let mut client = rig.connect();
        client.resume("user-7", &id, seq);
        assert_eq!(client.close_code(), 4007);
    }
    rig.publish(1, "undisturbed");
    victim.dispatch("MESSAGE_CREATE", 3);
}

#[test]
fn what_the_log_no_longer_holds_is_never_replayed_in_part() {
    let rig = rig(GatewayConfig {
        replay_max_events: 4,
        ..GatewayConfig::default()
    });
    let (mut client, id) = rig.session("user-7");
    for seq in 1..=6 {
        rig.publish(seq, "x");
        client.dispatch("MESSAGE_CREATE", seq + 2);
    }
    let mut late = rig.connect();
    late.resume("user-7", &id, 3);
    assert_eq!(late.op(9), json!(false));
    late.resume_again("user-7", &id, 4);
    for s in 5..=8 {
        late.dispatch("MESSAGE_CREATE", s);
    }
    late.dispatch("RESUMED", 9);
}

#[test]
fn a_heartbeat_trims_what_it_acknowledges() {
    let rig = rig(GatewayConfig::default());
    let (mut client, id) = rig.session("user-7");
    client.send(&json!({"op": 1, "d": 2}));
    client.op(11);
    let mut late = rig.connect();
    late.resume("user-7", &id, 1);
    assert_eq!(late.op(9), json!(false));
    late.resume_again("user-7", &id, 2);
    late.dispatch("RESUMED", 3);
}

#[test]
fn a_detached_session_expires_after_the_window() {
    let rig = rig(GatewayConfig {
        resume_window_ms: 60,
        ..GatewayConfig::default()
    });
    let (client, id) = rig.session("user-7");
    client.cut();
    assert!(matches!(rig.request(), HostRequest::Detached { .. }));
    assert!(matches!(
        rig.request(),
        HostRequest::Closed {
            reason: "expired",
            ..
        }
    ));
    assert_eq!(
        (rig.stat("sessions"), rig.stat("detached_sessions")),
        (0, 0)
    );
    let mut client = rig.connect();
    client.resume("user-7", &id, 2);
    assert_eq!(client.op(9), json!(false));
}

#[test]
fn a_resume_finds_its_session_on_whatever_worker_it_arrives() {
    let rig = rig(GatewayConfig {
        workers: 3,
        ..GatewayConfig::default()
    });
    let (mut client, id) = rig.session("user-7");
    let mut s = 2;
    // The kernel spreads connections over the workers by their ports: forty of them meet every worker.
    for round in 1..=40 {
        rig.publish(round, &round.to_string());
        client.dispatch("MESSAGE_CREATE", s + 1);
        let mut next = rig.connect();
        next.op(10);
        // What follows the resume in the same segment moves along with the socket.
        let resume = json!({"op": 6, "d": {"token": "user-7", "session_id": id, "seq": s}});
        let mut bytes = Client::frame(1, resume.to_string().as_bytes());
        bytes.extend(Client::frame(9, b"moved"));
        bytes.extend(Client::frame(
            1,
            json!({"op": 1, "d": s}).to_string().as_bytes(),
        ));
        next.write(&bytes);
        let d = next.dispatch("MESSAGE_CREATE", s + 1);
        assert_eq!(d["content"], round.to_string());
        next.dispatch("RESUMED", s + 2);
        assert_eq!(next.frame_in(), Some((10, b"moved".to_vec())));
        next.op(11);
        s += 2;
        drop(std::mem::replace(&mut client, next));
    }
    assert_eq!(rig.stat("sessions"), 1);
}

#[test]
fn a_compressed_connection_resumes_an_uncompressed_session() {
    let rig = rig(GatewayConfig::default());
    let (client, id) = rig.session("user-7");
    client.cut();
    let mut client = Client::connect(rig.port, "v=10&encoding=json&compress=zlib-stream");
    let resume = json!({"op": 6, "d": {"token": "user-7", "session_id": id, "seq": 1}});
    client.send(&resume);
    for _ in ["HELLO", "GUILD_CREATE", "RESUMED"] {
        let (opcode, payload) = client.frame_in().expect("a frame");
        assert_eq!(opcode, 2);
        assert!(payload.ends_with(&[0, 0, 0xff, 0xff]));
    }
}
