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

/// What came out before the end or the violation, and the violation.
fn run(pieces: &[&[u8]]) -> (Vec<Incoming>, Option<FrameError>) {
    let mut decoder = FrameDecoder::new(LIMITS);
    let mut found = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(incoming)) => found.push(incoming),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fn decode(pieces: &[&[u8]]) -> Result<Vec<Incoming>, FrameError> {
    match run(pieces) {
        (found, None) => Ok(found),
        (_, Some(error)) => Err(error),
    }
}

fn cut<'a>(bytes: &'a [u8], cuts: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|two| &bytes[two[0]..two[1]]).collect()
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
fn a_bad_octet_fails_inside_an_unfinished_fragment() {
    let mut fragments = client_frame(0x01, b"fine \xce");
    fragments.extend(client_frame(0x00, b"\xba, then \xff and more"));
    let upto = fragments.len() - b" and more".len();
    assert_eq!(decode(&[&fragments[..upto - 1]]), Ok(vec![]));
    assert_eq!(decode(&[&fragments[..upto]]), Err(FrameError::Utf8));
}

#[test]
fn a_close_frame_may_come_inside_a_message() {
    let mut bytes = client_frame(0x01, b"begun");
    bytes.extend(client_frame(0x88, &[0x03, 0xe8, b'b', b'y', b'e']));
    assert_eq!(
        decode(&[&bytes]),
        Ok(vec![Incoming::Close { code: Some(1000) }])
    );
    assert_eq!(
        decode(&[&client_frame(0x88, b"")]),
        Ok(vec![Incoming::Close { code: None }])
    );
}

#[test]
fn limits_are_met_exactly() {
    let whole = client_frame(0x82, &[0; 1000]);
    assert_eq!(decode(&[&whole]).map(|found| found.len()), Ok(1));
    let fragments = [
        client_frame(0x02, b""),
        client_frame(0x00, b"").repeat(6),
        client_frame(0x80, b""),
    ]
    .concat();
    assert_eq!(decode(&[&fragments]).map(|found| found.len()), Ok(1));
    let ping = client_frame(0x89, &[7; 125]);
    assert_eq!(decode(&[&ping]), Ok(vec![Incoming::Ping(vec![7; 125])]));
}

#[test]
fn a_mask_of_zeros_is_a_mask() {
    assert_eq!(decode(&[b"\x81\x82\0\0\0\0hi"]), Ok(vec![text("hi")]));
}

#[test]
fn server_frames_have_the_shortest_header_and_no_mask() {
    for (length, expected) in [
        (0, &[0x81, 0][..]),
        (125, &[0x81, 125]),
        (126, &[0x81, 126, 0, 126]),
        (65_535, &[0x81, 126, 255, 255]),
        (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut header = [0; 10];
        let used = frame::encode_header(frame::TEXT, length, &mut header);
        assert_eq!(&header[..used], expected);
    }
    assert_eq!(frame::pong_frame(b"p"), b"\x8a\x01p");
    assert_eq!(frame::close_frame(4000, "no"), b"\x88\x04\x0f\xa0no");
    let long = frame::close_frame(1000, &"é".repeat(100));
    assert_eq!(long.len(), 2 + 2 + 122);
}

#[test]
fn an_error_has_the_code_of_its_kind() {
    for (error, code) in [
        (FrameError::Utf8, 1007),
        (FrameError::TooBig, 4002),
        (FrameError::Unmasked, 1002),
        (FrameError::Length, 1002),
        (FrameError::CloseCode, 1002),
    ] {
        assert_eq!(error.close_code().code(), code);
    }
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
        prop_assert!(whole.is_ok());
        prop_assert_eq!(decode(&cut(&bytes, &cuts)), whole);
    }

    #[test]
    fn pieces_do_not_matter_to_a_violation_nor_to_what_came_before_it(
        frames in proptest::collection::vec(
            (0u8..16, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200)),
            1..8,
        ),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let mut bytes = Vec::new();
        for (opcode, fin, payload) in &frames {
            bytes.extend(client_frame(u8::from(*fin) << 7 | opcode, payload));
        }
        for (at, octet) in &flips {
            let at = at.index(bytes.len());
            bytes[at] = *octet;
        }
        let whole = run(&[&bytes]);
        prop_assert_eq!(&run(&cut(&bytes, &cuts)), &whole);
        let octets: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&run(&octets), &whole);
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&[&bytes]);
    }
}
