//! What the gateway's threads spend, beside a floor in the same run: fan-out, memory, accepts, resumes. No Python.
//!
//! `cargo run --release -p tocsin-gateway --example fanout_floor [fanout|small|zlib|memory|accept]` prints a JSON object a line.
//! CPU is that of the threads by schedstat, never wall time; rounds alternate with the floor's and the median counts.
#![allow(clippy::print_stdout, reason = "a program whose output is its result")]

mod client;
mod server;

use serde_json::{Value, json};
use server::{Fleet, Floor, Server, cpu_ns, rss_bytes};

const ROUNDS: usize = 7;
const WORKERS: &str = "tocsin-worker";
const DISPATCHER: &str = "tocsin-dispatch";

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    match what.as_str() {
        "clients" => client::run().expect("the fleet"),
        "fanout" => [1_000, 5_000]
            .into_iter()
            .for_each(|count| fan_out(count, "v=10")),
        "small" => fan_out(1_000, "v=10"),
        "zlib" => fan_out(1_000, "v=10&compress=zlib-stream"),
        "memory" => [None, Some("zlib-stream")]
            .into_iter()
            .for_each(|compress| memory(compress, 2_000)),
        "accept" => storms(1_000),
        _ => {
            [1_000, 5_000]
                .into_iter()
                .for_each(|count| fan_out(count, "v=10"));
            fan_out(1_000, "v=10&compress=zlib-stream");
            [None, Some("zlib-stream")]
                .into_iter()
                .for_each(|compress| memory(compress, 2_000));
            storms(1_000);
        }
    }
}

fn print(figures: &Value) {
    println!("{figures}");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Deliveries one event at a time and in bursts of 16, beside one write(2) a frame.
fn fan_out(count: usize, query: &str) {
    let mut floor_fleet = Fleet::start();
    let mut fleet = Fleet::start();
    let mut server = Server::start(1);
    let mut floor = Floor::start(&mut floor_fleet, count);
    fleet.tell(&format!("open {count} {} {query}", server.port));
    fleet.tell("identify");
    fleet.tell("wait 2");
    let mut s = 2;
    let events = 40_000 / count as u64;
    let (mut single, mut burst, mut written, mut asked) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let mut spent = 0;
        for _ in 0..events {
            floor_fleet.say("wait 1");
            spent += floor.publish();
            floor_fleet.done();
        }
        written.push(us(spent, events, count));
        floor.beat(&mut floor_fleet);
        for (window, into) in [(1, &mut single), (16, &mut burst)] {
            let times = if window == 1 { events } else { events / 2 };
            let before = cpu_ns(WORKERS, false);
            let asked_before = cpu_ns(DISPATCHER, false);
            for _ in 0..times {
                fleet.say(&format!("wait {window}"));
                server.publish(window);
                fleet.done();
            }
            s += window * times;
            into.push(us(cpu_ns(WORKERS, false) - before, times * window, count));
            if window == 1 {
                asked.push(us(cpu_ns(DISPATCHER, false) - asked_before, times, 1));
            }
            fleet.tell(&format!("beat {s}"));
            fleet.tell("wait 1");
        }
    }
    let mut fractions: Vec<f64> = written
        .iter()
        .zip(&single)
        .map(|(floor, own)| floor / own)
        .collect();
    print(&json!({
        "what": "fan-out", "query": query, "sessions": count, "frame_bytes": floor.frame_bytes(), "rounds": ROUNDS,
        "fraction_of_floor": median(&mut fractions), "fractions": fractions,
        "floor_us": median(&mut written), "worker_us": median(&mut single), "burst_us": median(&mut burst),
        "floor_us_all": written, "worker_us_all": single, "burst_us_all": burst,
        "dispatcher_us_per_event": median(&mut asked),
    }));
    server.gateway.stop();
}

fn us(ns: u64, events: u64, count: usize) -> f64 {
    ns as f64 / 1e3 / events as f64 / count as f64
}

/// Resident octets per idle identified session in 10 guilds, after its first heartbeat.
fn memory(compress: Option<&str>, count: usize) {
    let mut fleet = Fleet::start();
    let server = Server::start(10);
    let query = compress.map_or("v=10".to_owned(), |name| format!("v=10&compress={name}"));
    // A first fleet pays for what is bought once.
    let mut warm = Fleet::start();
    open(&mut warm, &server, 50, &query);
    let before = rss_bytes();
    let mut per_step = Vec::new();
    let step = count / 20;
    let mut fleets = Vec::new();
    for _ in 0..20 {
        let mut some = Fleet::start();
        open(&mut some, &server, step, &query);
        fleets.push(some);
        per_step.push(rss_bytes());
    }
    let whole = (rss_bytes() - before) as f64 / count as f64;
    let second_half = (per_step[19] - per_step[9]) as f64 / (step * 10) as f64;
    fleet.tell(&format!("open 1000 {} {query}", server.port));
    let unidentified = (rss_bytes() - per_step[19]) as f64 / 1_000.0;
    print(&json!({
        "what": "memory", "compress": compress, "sessions": count, "guilds": 10,
        "bytes_per_session": whole, "bytes_per_session_second_half": second_half,
        "bytes_per_connection_without_session": unidentified,
    }));
    server.gateway.stop();
}

fn open(fleet: &mut Fleet, server: &Server, count: usize, query: &str) {
    fleet.tell(&format!("open {count} {} {query}", server.port));
    fleet.tell("identify");
    fleet.tell("wait 11");
    fleet.tell("beat 11");
    fleet.tell("wait 1");
}

/// CPU of an accept with its upgrade, of an identify in 10 guilds of 4 KB, and of a resume with 100 missed events.
fn storms(count: usize) {
    let mut fleet = Fleet::start();
    let mut server = Server::start(10);
    let (mut accepts, mut identifies, mut resumes) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let began = cpu_ns(WORKERS, false);
        fleet.tell(&format!("open {count} {} v=10", server.port));
        let opened = cpu_ns(WORKERS, false);
        fleet.tell("identify");
        fleet.tell("wait 11");
        let identified = cpu_ns(WORKERS, false);
        fleet.tell("beat 11");
        fleet.tell("wait 1");
        fleet.tell("cut");
        server.until("detached_sessions", server.stat("sessions"));
        for _ in 0..10 {
            server.publish(10);
        }
        server.until("dispatcher_queue", 0);
        fleet.tell(&format!("open {count} {} v=10", server.port));
        let before = cpu_ns(WORKERS, false);
        fleet.tell("resume 11");
        fleet.tell("wait 101");
        resumes.push(us(cpu_ns(WORKERS, false) - before, 1, count));
        accepts.push(us(opened - began, 1, count));
        identifies.push(us(identified - opened, 1, count));
        fleet.tell("cut");
        server.until("detached_sessions", server.stat("sessions"));
    }
    print(&json!({
        "what": "storms", "connections": count, "rounds": ROUNDS,
        "accept_us": median(&mut accepts), "identify_us": median(&mut identifies),
        "resume_us": median(&mut resumes), "accept_us_all": accepts, "resume_us_all": resumes,
    }));
    server.gateway.stop();
}
