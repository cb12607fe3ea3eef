//! Sessions that are cut, resumed and taken over at any moment, on any worker, get every event exactly once, in order.

mod support;

use serde_json::{Value, json};
use support::{Client, Rig};
use tocsin_gateway::GatewayConfig;

const CLIENTS: u64 = 8;
const EVENTS: u64 = 1_500;

/// What a client knows of its session over all its connections.
struct Follower {
    port: u16,
    client: Client,
    /// Connections taken over, kept open so that the server has to close them.
    old: Vec<Client>,
    token: String,
    id: String,
    s: u64,
    seen: u64,
    dice: u64,
}

impl Follower {
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.dice >> 33) % sides
    }

    /// Takes one payload; every dispatch is the next one.
    fn take(&mut self) {
        let (opcode, payload) = self.client.frame_in().expect("a frame");
        if opcode == 8 {
            // An earlier connection's resume, overtaken by this one's, took the session back.
            assert_eq!(payload[..2], 4000_u16.to_be_bytes());
            return self.reconnect();
        }
        let payload: Value = serde_json::from_slice(&payload).expect("JSON");
        let Some(s) = payload["s"].as_u64() else {
            return;
        };
        assert_eq!(s, self.s + 1, "{payload}");
        self.s = s;
        if payload["t"] == "MESSAGE_CREATE" {
            let n: u64 = payload["d"]["content"]
                .as_str()
                .and_then(|n| n.parse().ok())
                .expect("a number");
            assert_eq!(n, self.seen + 1);
            self.seen = n;
        }
    }

    fn reconnect(&mut self) {
        let take_over = self.roll(2) == 0;
        let mut next = Client::connect(self.port, "v=10");
        next.op(10);
        let old = std::mem::replace(&mut self.client, next);
        if take_over {
            self.old.push(old);
        } else {
            old.cut();
        }
        let (token, id, s) = (&self.token, &self.id, self.s);
        let resume = json!({"op": 6, "d": {"token": token, "session_id": id, "seq": s}});
        self.client.send(&resume);
    }

    fn follow(&mut self) {
        while self.seen < EVENTS {
            match self.roll(60) {
                0 => self.reconnect(),
                1 => {
                    let s = self.s;
                    self.client.send(&json!({"op": 1, "d": s}));
                }
                _ => self.take(),
            }
        }
    }
}

#[test]
fn every_event_arrives_once_and_in_order_whatever_the_connections_do() {
    let rig = Rig::start(GatewayConfig {
        workers: 3,
        replay_max_events: 10_000,
        send_limit: 1_000_000,
        ..GatewayConfig::default()
    });
    let followers: Vec<_> = (1..=CLIENTS)
        .map(|n| {
            let token = format!("user-{}", n + 1);
            let (client, id) = rig.session(&token);
            (client, token, id, n)
        })
        .collect();
    let port = rig.port;
    std::thread::scope(|scope| {
        for (client, token, id, dice) in followers {
            scope.spawn(move || {
                Follower {
                    port,
                    client,
                    old: Vec::new(),
                    token,
                    id,
                    s: 2,
                    seen: 0,
                    dice,
                }
                .follow();
            });
        }
        for seq in 1..=EVENTS {
            rig.publish(seq, &seq.to_string());
            if seq % 16 == 0 {
                std::thread::yield_now();
            }
        }
    });
    assert_eq!((rig.stat("sessions"), rig.stat("panics")), (CLIENTS, 0));
}
