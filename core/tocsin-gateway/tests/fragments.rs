//! GUILD_CREATE from members of one's own and fragments that others get too: whole in every encoding, also replayed.

mod support;

use serde_json::{Value, json};
use support::{Client, Rig};
use tocsin_gateway::GatewayConfig;

fn expected() -> Value {
    json!({"joined_at": "now", "id": "100", "name": "n".repeat(300_000)})
}

#[test]
fn a_large_guild_arrives_whole_and_is_replayed() {
    let rig = Rig::start(GatewayConfig::default());
    let mut client = rig.connect();
    let id = client.begin("large-7");
    drop(client);
    let mut client = rig.connect();
    client.resume("large-7", &id, 1);
    assert_eq!(client.dispatch("GUILD_CREATE", 2), expected());
    client.dispatch("RESUMED", 3);
}

#[test]
fn the_pairs_of_fragments_are_counted_in_the_map_they_go_into() {
    let rig = Rig::start(GatewayConfig::default());
    let mut client = Client::connect(rig.port, "v=10&encoding=etf");
    client.term();
    client.send_term(&json!({"op": 2, "d": {"token": "large-7"}}));
    assert_eq!(client.term()["t"], "READY");
    let mut d = expected();
    d["id"] = json!(100);
    assert_eq!(
        client.term(),
        json!({"s": 2, "t": "GUILD_CREATE", "op": 0, "d": d})
    );
}
