//! Payloads spliced from a head of one's own and parts that others get too: packed once, right in every stream.

use flate2::{Decompress, FlushDecompress};
use tocsin_compress::{Compression, Compressor, Packed, SharedBodies, Spliced, Transport};

struct Client {
    compressor: Compressor,
    inflate: Decompress,
}

impl Client {
    fn new(compression: Compression) -> Self {
        Self {
            compressor: Compressor::new(Transport::ZlibStream, compression, true),
            inflate: Decompress::new(true),
        }
    }

    fn receive(&mut self, emitted: &[u8]) -> Vec<u8> {
        assert!(emitted.ends_with(&[0, 0, 0xff, 0xff]));
        let mut clear = Vec::with_capacity(400_000);
        self.inflate
            .decompress_vec(emitted, &mut clear, FlushDecompress::Sync)
            .expect("it inflates");
        clear
    }
}

#[test]
fn spliced_payloads_come_out_whole_between_others_and_are_packed_once() {
    let members = ",\"members\":".to_owned() + &"[{\"nick\":\"ann\"},7]".repeat(9_000);
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
        Client::new(Compression::Shared),
        Client::new(Compression::Shared),
        Client::new(Compression::Connection),
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
        places.push(first[0].get().map(|made| made.as_ptr()));
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
    assert!(places[0].is_some() && places.iter().all(|place| *place == places[0]));
    assert!(none[0].get().is_none() && first[1].get().is_none());
}
