//! Payloads spliced from a head of one's own and parts that others get too: packed once, right in every stream.

#[path = "support/decoder.rs"]
mod decoder;

use decoder::Decoder;
use tocsin_compress::{Compression, Compressor, Packed, SharedBodies, Spliced, Transport};

struct Client {
    compressor: Compressor,
    decoder: Decoder,
}

impl Client {
    fn new(transport: Transport, compression: Compression) -> Self {
        Self {
            compressor: Compressor::new(transport, compression, true),
            decoder: Decoder::new(transport),
        }
    }

    fn receive(&mut self, emitted: &[u8]) -> Vec<u8> {
        let mut clear = Vec::with_capacity(400_000);
        self.decoder.decode(emitted, &mut clear);
        clear
    }
}

#[test]
fn spliced_payloads_come_out_whole_between_others_and_are_packed_once() {
    splice(Transport::ZlibStream);
    splice(Transport::ZstdStream);
}

fn splice(transport: Transport) {
    let members: String = (0..9_000)
        .map(|n| format!("[{{\"nick\":\"ann{}\"}},7]", n * n))
        .collect();
    let members = ",\"members\":".to_owned() + &members;
    let channels = ",\"channels\":[{\"id\":\"1\"},{\"id\":\"2\"}]".repeat(40);
    let (first, second, none) = (Packed::default(), Packed::default(), Packed::default());
    let spliced = [
        Spliced {
            bytes: members.as_bytes(),
            packed: &first,
        },
        Spliced {
            bytes: b"",
            packed: &none,
        },
        Spliced {
            bytes: channels.as_bytes(),
            packed: &second,
        },
    ];
    let mut shared = SharedBodies::new(0);
    let mut clients = [
        Client::new(transport, Compression::Shared),
        Client::new(transport, Compression::Shared),
        Client::new(transport, Compression::Connection),
    ];
    let event =
        "\"t\":\"E\",\"op\":0,\"d\":{\"content\":\"an event between, as long as need be\"}}";
    let mut places = Vec::new();
    for turn in 0..3 {
        for client in &mut clients {
            let start = format!("{{\"s\":{turn},\"d\":{{\"joined_at\":\"{turn}\"");
            let mut out = Vec::new();
            client
                .compressor
                .compress_spliced(&mut shared, &[start.as_bytes()], &spliced, b"}}", &mut out)
                .expect("memory");
            let whole = [&start, members.as_str(), &channels, "}}"].concat();
            assert!(client.receive(&out) == whole.as_bytes(), "turn {turn}");
        }
        places.push(first[transport as usize].get().map(|made| made.as_ptr()));
        shared.begin(5, true);
        for client in &mut clients {
            let mut out = Vec::new();
            client
                .compressor
                .compress_shared(&mut shared, 0, b"{\"s\":9,", event.as_bytes(), &mut out)
                .expect("memory");
            assert_eq!(
                client.receive(&out),
                [b"{\"s\":9,", event.as_bytes()].concat()
            );
        }
    }
    // A zstd-stream's first one tells of the table; what is packed goes without.
    let (last, other) = (places[2], 1 - transport as usize);
    assert!(last.is_some() && places[1] == last);
    assert!(none[transport as usize].get().is_none() && first[other].get().is_none());
}
