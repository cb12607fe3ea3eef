//! Relocatable streams against independent decoders: whatever is sent to whom, every payload comes out as it was.

#[path = "support/decoder.rs"]
mod decoder;
#[path = "support/traffic.rs"]
mod traffic;

use decoder::Decoder;
use tocsin_compress::{Compression, Compressor, SharedBodies, Transport};
use traffic::{Dice, Traffic};

/// A connection with the client at its other end.
struct Client {
    compressor: Compressor,
    decoder: Decoder,
    s: u64,
    /// Of 100 events of its guilds it gets so many.
    share: u64,
    guilds: u64,
    form: usize,
    octets: u64,
    received: u64,
}

impl Client {
    fn new(transport: Transport, dice: &mut Dice) -> Self {
        let starts = [0, 5, 90, 995, 9_990, 99_985, 999_999_990, u64::MAX / 2];
        Self {
            compressor: Compressor::new(transport, Compression::Shared, false),
            decoder: Decoder::new(transport),
            s: starts[dice.below(starts.len() as u64) as usize],
            share: [100, 100, 80, 30, 3][dice.below(5) as usize],
            guilds: 1 + dice.below(31),
            form: dice.below(4) as usize,
            octets: 0,
            received: 0,
        }
    }

    fn head(&mut self) -> Vec<u8> {
        self.s += 1;
        format!("{{\"s\":{},", self.s).into_bytes()
    }

    /// The event in hand with a head; how many octets that took.
    fn event(&mut self, shared: &mut SharedBodies, form: usize, head: &[u8], body: &[u8]) -> usize {
        let mut out = Vec::new();
        self.compressor
            .compress_shared(shared, form, head, body, &mut out)
            .expect("memory");
        self.receive(&out, &[head, body]);
        out.len()
    }

    /// A payload for it alone.
    fn private(&mut self, shared: &mut SharedBodies, payload: &[u8]) {
        let mut out = Vec::new();
        self.compressor
            .compress_private(shared, &[payload], &mut out)
            .expect("memory");
        self.receive(&out, &[payload]);
    }

    fn receive(&mut self, emitted: &[u8], parts: &[&[u8]]) {
        self.decoder.expect(emitted, parts, &mut Vec::new());
        self.octets += emitted.len() as u64;
        self.received += 1;
    }
}

/// Runs traffic over clients that come and go; returns how many payloads were compared.
fn run(seed: u64, wanted: u64, transports: &[Transport]) -> u64 {
    let mut dice = Dice(seed);
    let mut traffic = Traffic::new(5, seed);
    let mut shared = SharedBodies::new(7);
    let mut clients: Vec<Client> = (0..12)
        .map(|n| Client::new(transports[n % transports.len()], &mut dice))
        .collect();
    let mut compared = 0;
    while compared < wanted {
        if dice.below(40) == 0 {
            let at = dice.below(clients.len() as u64) as usize;
            clients[at] = Client::new(transports[at % transports.len()], &mut dice);
        }
        if dice.below(15) == 0 {
            // HELLO, ACK, READY, GUILD_CREATE: for one only, up to far beyond a window.
            let at = dice.below(clients.len() as u64) as usize;
            let length =
                [9, 60, 96, 97, 900, 20_000, 33_000, 70_000, 140_000][dice.below(9) as usize];
            let payload = if dice.below(2) == 0 {
                traffic.filler(length)
            } else {
                traffic.text(length)
            };
            let client = &mut clients[at];
            client.private(&mut shared, &payload);
            compared += 1;
        }
        let event = traffic.event();
        let scope = if dice.below(20) == 0 {
            0
        } else {
            event.guild + 1
        };
        shared.begin(scope, dice.below(10) != 0);
        let variants: Vec<Vec<u8>> = (0..4).map(|form| event.variant(form)).collect();
        for client in &mut clients {
            if client.guilds >> event.guild & 1 == 0 || dice.below(100) >= client.share {
                continue;
            }
            let (head, body) = (client.head(), &variants[client.form]);
            let form = client.form;
            client.event(&mut shared, form, &head, body);
            compared += 1;
        }
    }
    compared
}

#[test]
fn every_payload_of_every_connection_decodes_to_what_went_in() {
    for seed in 1..=20 {
        run(seed, 1_000, &[Transport::ZlibStream]);
        run(seed, 1_000, &[Transport::ZstdStream]);
    }
}

#[test]
fn streams_of_both_transports_share_the_same_bodies() {
    for seed in 50..60 {
        run(seed, 1_000, &[Transport::ZlibStream, Transport::ZstdStream]);
    }
}

/// `TOCSIN_MESSAGES` says how many, a million unless set.
#[allow(clippy::print_stderr, reason = "its time is the report")]
fn run_long(transport: Transport) {
    let wanted =
        std::env::var("TOCSIN_MESSAGES").map_or(1_000_000, |n| n.parse().expect("a number"));
    let begun = std::time::Instant::now();
    let (mut compared, mut seed) = (0, 1_000);
    while compared < wanted {
        seed += 1;
        compared += run(seed, 50_000.min(wanted), &[transport]);
    }
    eprintln!(
        "{transport:?}: {compared} payloads compared in {:?}",
        begun.elapsed()
    );
}

#[test]
#[ignore = "takes a minute; run it with --release"]
fn a_million_payloads_inflate_to_what_went_in() {
    run_long(Transport::ZlibStream);
}

#[test]
#[ignore = "takes a minute; run it with --release"]
fn a_million_payloads_of_zstd_streams_decode_to_what_went_in() {
    run_long(Transport::ZstdStream);
}

/// Octets of an event on a stream where its only reference lies this far back.
fn octets_at_distance(transport: Transport, distance: usize) -> usize {
    let mut traffic = Traffic::new(1, 3);
    let mut shared = SharedBodies::new(0);
    let mut client = Client::new(transport, &mut Dice(1));
    client.s = 1_000;
    let body = traffic.event().variant(0);
    let head_bytes = client.head().len();
    let filler = traffic.filler(distance - body.len() - head_bytes);
    let mut octets = 0;
    for _ in 0..2 {
        shared.begin(1, true);
        let head = client.head();
        octets = client.event(&mut shared, 0, &head, &body);
        client.private(&mut shared, &filler);
    }
    octets
}

#[test]
fn a_reference_exactly_a_window_back_is_used_and_one_farther_is_not() {
    for (transport, window) in [
        (Transport::ZlibStream, 32_768),
        (Transport::ZstdStream, 131_072),
    ] {
        let octets = |distance| octets_at_distance(transport, distance);
        let (at_edge, beyond) = (octets(window), octets(window + 1));
        assert!(at_edge < 60, "{at_edge}");
        assert!(beyond > 150, "{beyond}");
        assert_eq!(octets(window - 1), at_edge);
    }
}

#[test]
fn a_connection_that_never_had_a_body_is_given_no_reference_to_it() {
    for transport in [Transport::ZlibStream, Transport::ZstdStream] {
        let mut traffic = Traffic::new(1, 9);
        let mut shared = SharedBodies::new(0);
        let mut old = Client::new(transport, &mut Dice(1));
        for _ in 0..200 {
            let body = traffic.event().variant(0);
            shared.begin(1, true);
            // One that joins with this event, and one that has had all of them.
            for client in [&mut old, &mut Client::new(transport, &mut Dice(2))] {
                let head = client.head();
                client.event(&mut shared, 0, &head, &body);
            }
        }
        assert_eq!(old.received, 200);
    }
}

#[test]
fn an_inspector_finds_a_stream_that_differs_and_ends_it() {
    for transport in [Transport::ZlibStream, Transport::ZstdStream] {
        let mut shared = SharedBodies::new(0);
        let mut compressor = Compressor::new(transport, Compression::Shared, true);
        let mut same = Compressor::new(transport, Compression::Shared, true);
        let mut out = Vec::new();
        let body = b"\"t\":\"A\",\"op\":0,\"d\":{\"content\":\"the quick brown fox\"}}";
        for (turn, compressor) in [&mut compressor, &mut same].into_iter().enumerate() {
            let ready = Traffic::new(1, turn as u64).text(900);
            let done = compressor.compress_private(&mut shared, &[&ready], &mut out);
            assert!(done.is_ok());
        }
        shared.begin(1, true);
        for compressor in [&mut compressor, &mut same] {
            let first = compressor.compress_shared(&mut shared, 0, b"{\"s\":1,", body, &mut out);
            assert!(first.is_ok() && !compressor.is_broken());
        }
        // The same form of the same event with other octets: against the rule, so the matches do not fit.
        let other = b"\"t\":\"B\",\"op\":0,\"d\":{\"content\":\"the quick brown dog\"}}";
        shared.begin(1, true);
        let _ = compressor.compress_shared(&mut shared, 0, b"{\"s\":2,", body, &mut out);
        let second = same.compress_shared(&mut shared, 0, b"{\"s\":2,", other, &mut out);
        assert!(second.is_err() && same.is_broken(), "{transport:?}");
        assert!(!compressor.is_broken());
        let third = same.compress_tiny(b"{\"op\":11}", &mut out);
        let fourth = same.compress_private(&mut shared, &[body], &mut out);
        let fifth = same.compress_shared(&mut shared, 0, b"{\"s\":3,", body, &mut out);
        assert!(third.is_err() && fourth.is_err() && fifth.is_err());
        assert!(same.is_broken(), "nothing more comes out");
    }
}

#[test]
fn heads_of_any_octets_and_lengths_share_what_was_written() {
    for transport in [Transport::ZlibStream, Transport::ZstdStream] {
        let (mut dice, mut traffic) = (Dice(11), Traffic::new(1, 11));
        let mut shared = SharedBodies::new(0);
        let mut clients: Vec<Client> = (0..30).map(|_| Client::new(transport, &mut dice)).collect();
        for turn in 0..60 {
            let body = traffic.event().variant(0);
            shared.begin(1, true);
            for (at, client) in clients.iter_mut().enumerate() {
                // Long codes are 9 bits in zlib-streams, so heads end in any phase of an octet.
                let length = if turn < 40 { 1 + at % 3 } else { 6 };
                let head = [traffic.filler(length), vec![0xff; at % 9]].concat();
                client.event(&mut shared, 0, &head, &body);
            }
        }
    }
}

#[test]
fn long_texts_of_more_literals_than_a_block_takes_come_out_whole() {
    for transport in [Transport::ZlibStream, Transport::ZstdStream] {
        let mut traffic = Traffic::new(1, 12);
        let mut shared = SharedBodies::new(0);
        let mut clients: Vec<Client> = (0..4)
            .map(|n| Client::new(transport, &mut Dice(n)))
            .collect();
        for length in [1_000, 1_010, 1_023, 1_024, 5_000, 26_624, 26_625, 200_000] {
            for body in [traffic.filler(length), traffic.text(length)] {
                shared.begin(1, true);
                for client in &mut clients {
                    let head = client.head();
                    client.event(&mut shared, 0, &head, &body);
                }
            }
        }
    }
}
