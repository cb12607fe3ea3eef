//! The frame decoder against RFC 6455, whole and in any pieces.

use proptest::prelude::*;
use tocsin_codec::frame::{self, FrameDecoder, FrameError, FrameLimits, Incoming, MessageKind};

const LIMITS: FrameLimits = FrameLimits {
    max_message_bytes: 1000,
    max_fragments: 8,
};

fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 10];
    let mut header = [0; 10];
    let length = frame::encode_header(first & 0x0f, payload.len(), &mut header);
    bytes.clear();
    bytes.extend_from_slice(&header[..length]);
    bytes[0] = first;
    bytes[1] |= 0x80;
    let mask = [7, 77, 177, 250];
    bytes.extend_from_slice(&mask);
    bytes.extend(
        payload
            .iter()
            .enumerate()
            .map(|(at, octet)| octet ^ mask[at % 4]),
    );
    bytes
}

fn decode(pieces: &[&[u8]]) -> Result<Vec<Incoming>, FrameError> {
    let mut decoder = FrameDecoder::new(LIMITS);
    let mut found = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(incoming) = decoder.next()? {
            found.push(incoming);
        }
    }
    Ok(found)
}

fn text(data: &str) -> Incoming {
    Incoming::Message {
        kind: MessageKind::Text,
        data: data.as_bytes().to_vec(),
    }
}

#[test]
fn fragments_make_one_message_and_control_frames_pass_between() {
    let bytes = [
        client_frame(0x01, b"he"),
        client_frame(0x89, b"ping"),
        client_frame(0x00, b"ll"),
        client_frame(0x80, b"o"),
    ]
    .concat();
    assert_eq!(
        decode(&[&bytes]),
        Ok(vec![Incoming::Ping(b"ping".to_vec()), text("hello")])
    );
}

#[test]
fn each_violation_has_its_error() {
    let cases: Vec<(Vec<u8>, FrameError)> = vec![
        (client_frame(0xc1, b""), FrameError::ReservedBits),
        (client_frame(0x83, b""), FrameError::ReservedOpcode),
        (client_frame(0x8b, b""), FrameError::ReservedOpcode),
        (vec![0x81, 0x00], FrameError::Unmasked),
        (client_frame(0x09, b""), FrameError::Control),
        (vec![0x89, 0xfe, 0, 126], FrameError::Control),
        (vec![0x81, 0xfe, 0, 125], FrameError::Length),
        (
            vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 255, 255],
            FrameError::Length,
        ),
        (
            vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            FrameError::Length,
        ),
        (client_frame(0x80, b"x"), FrameError::Fragment),
        (
            [client_frame(0x01, b"x"), client_frame(0x81, b"x")].concat(),
            FrameError::Fragment,
        ),
        (client_frame(0x88, b"x"), FrameError::CloseCode),
        (
            client_frame(0x88, &1005u16.to_be_bytes()),
            FrameError::CloseCode,
        ),
        (client_frame(0x88, b"\x03\xe8\xff"), FrameError::Utf8),
        (client_frame(0x01, b"\xff"), FrameError::Utf8),
        (client_frame(0x81, b"\xe2\x82"), FrameError::Utf8),
        (vec![0x81, 0xfe, 0x03, 0xe9], FrameError::TooBig),
        (
            [
                client_frame(0x01, &[b'a'; 600]),
                client_frame(0x80, &[b'a'; 401]),
            ]
            .concat(),
            FrameError::TooBig,
        ),
        (
            [client_frame(0x01, b""), client_frame(0x00, b"").repeat(8)].concat(),
            FrameError::TooBig,
        ),
    ];
    for (bytes, error) in cases {
        assert_eq!(decode(&[&bytes]), Err(error), "{bytes:?}");
    }
}

#[test]
fn an_announced_length_is_refused_at_the_header() {
    let mut decoder = FrameDecoder::new(LIMITS);
    decoder.feed(&[0x82, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(decoder.next(), Err(FrameError::TooBig));
}

#[test]
fn close_codes_follow_the_registry() {
    for code in [1000, 1003, 1007, 1014, 3000, 4999] {
        assert!(frame::may_be_sent(code), "{code}");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        assert!(!frame::may_be_sent(code), "{code}");
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        payloads in proptest::collection::vec(("[a-zé€😀]{0,40}", any::<bool>(), any::<bool>()), 1..6),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let mut bytes = Vec::new();
        for (payload, binary, split) in &payloads {
            let opcode = if *binary { 0x02 } else { 0x01 };
            let data = payload.as_bytes();
            if *split {
                let middle = data.len() / 2;
                bytes.extend(client_frame(opcode, &data[..middle]));
                bytes.extend(client_frame(0x89, b"p"));
                bytes.extend(client_frame(0x80, &data[middle..]));
            } else {
                bytes.extend(client_frame(0x80 | opcode, data));
            }
        }
        let whole = decode(&[&bytes]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        at.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in at {
            pieces.push(&bytes[start..cut]);
            start = cut;
        }
        pieces.push(&bytes[start..]);
        prop_assert_eq!(decode(&pieces), whole);
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&[&bytes]);
    }
}
