//! Prints what the ETF transcoder and serde_json cost for the MESSAGE_CREATE of tests/vectors/fixtures.json:
//! `cargo run --release -p tocsin-codec --example etf_speed`.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use serde_json::Value;
use tocsin_codec::etf::{Rules, etf_to_json, json_to_etf, term_of_json};
use tocsin_codec::{EncodedDispatch, Variant};

const ROUNDS: usize = 400;
const TURNS: u32 = 500;

fn measure(name: &str, mut turn: impl FnMut()) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..TURNS {
                turn();
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(TURNS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{name:<34} best {:7.0} ns   median {:7.0} ns",
        times[0],
        times[ROUNDS / 2]
    );
}

fn main() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/fixtures.json"
    );
    let text = std::fs::read(path).expect("the fixtures are in the tree");
    let all: Value = serde_json::from_slice(&text).expect("the fixtures are JSON");
    for name in ["MESSAGE_CREATE", "GUILD_CREATE"] {
        let body = &all[name];
        let json = body.to_string().into_bytes();
        let payload = [b"{\"t\":\"X\",\"s\":1,\"op\":0,\"d\":", &json[..], b"}"].concat();
        let term = term_of_json(&json).expect("it is JSON");
        println!(
            "{name}: {} octets of JSON, {} of ETF",
            json.len(),
            term.len()
        );
        measure("  dispatch, JSON -> ETF", || {
            let dispatch = EncodedDispatch::new(name, black_box(&json).clone().into(), None);
            black_box(dispatch.etf_rest(Variant::Full));
        });
        measure("  of which making the dispatch", || {
            black_box(EncodedDispatch::new(
                name,
                black_box(&json).clone().into(),
                None,
            ));
        });
        measure("  bare value, JSON -> ETF", || {
            let _ = black_box(term_of_json(black_box(&json)));
        });
        measure("  whole payload, JSON -> ETF", || {
            let _ = black_box(json_to_etf(black_box(&payload)));
        });
        measure("  bare value, ETF -> JSON", || {
            let _ = black_box(etf_to_json(black_box(&term), Rules::LENIENT));
        });
        measure("  serde_json, read to a tree", || {
            let _ = black_box(serde_json::from_slice::<Value>(black_box(&json)));
        });
        measure("  serde_json, read and dropped", || {
            let _ = black_box(serde_json::from_slice::<serde::de::IgnoredAny>(black_box(
                &json,
            )));
        });
        measure("  serde_json, write of a tree", || {
            let _ = black_box(serde_json::to_vec(black_box(body)));
        });
    }
}
