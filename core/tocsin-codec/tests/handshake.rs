//! The upgrade, whole and in pieces, and everything that is not quite one.

use proptest::prelude::*;
use tocsin_codec::handshake::{MAX_HEAD_BYTES, MAX_HEADERS};
use tocsin_codec::{Handshake, HandshakeError, HandshakeParser};

const GOOD: &str = "GET /?v=10&encoding=json&v=9 HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn parse(pieces: &[&[u8]]) -> Result<Option<Handshake>, HandshakeError> {
    let mut parser = HandshakeParser::default();
    for (at, piece) in pieces.iter().enumerate() {
        if let Some(mut handshake) = parser.feed(piece)? {
            handshake.leftover.extend(pieces[at + 1..].concat());
            return Ok(Some(handshake));
        }
    }
    Ok(None)
}

fn refused(request: &str) -> HandshakeError {
    match parse(&[request.as_bytes()]) {
        Err(error) => error,
        other => panic!("not refused: {other:?} for {request}"),
    }
}

fn with(line: &str) -> String {
    GOOD.replace("Host: a\r\n", &format!("Host: a\r\n{line}\r\n"))
}

#[test]
fn the_example_of_the_rfc_is_accepted() {
    let whole = [GOOD.as_bytes(), b"more"].concat();
    let handshake = parse(&[&whole])
        .expect("no violation")
        .expect("a whole head");
    assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(handshake.query.v.as_deref(), Some("10"));
    assert_eq!(handshake.query.encoding.as_deref(), Some("json"));
    assert_eq!(handshake.query.compress, None);
    assert_eq!(handshake.leftover, b"more");
}

#[test]
fn the_answer_names_no_extension_and_no_protocol() {
    let offer = with(
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: x",
    );
    let handshake = parse(&[offer.as_bytes()])
        .expect("no violation")
        .expect("a whole head");
    let answer = String::from_utf8(handshake.response()).expect("it is ASCII");
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
}

#[test]
fn the_path_is_empty_or_one_or_two_slashes() {
    for target in ["/", "//", "/?v=10", "//?v=10", "?v=10", "/?/"] {
        let request = GOOD.replace("/?v=10&encoding=json&v=9", target);
        assert!(
            matches!(parse(&[request.as_bytes()]), Ok(Some(_))),
            "{target}"
        );
    }
    for target in [
        "/x",
        "///",
        "/..",
        "/%2e",
        "http://a/",
        "*",
        "/gateway?v=10",
    ] {
        let request = GOOD.replace("/?v=10&encoding=json&v=9", target);
        assert_eq!(refused(&request), HandshakeError::NotFound, "{target}");
    }
    let none = GOOD.replace("/?v=10&encoding=json&v=9", "");
    assert_eq!(refused(&none), HandshakeError::Malformed);
}

#[test]
fn what_is_not_quite_an_upgrade_is_refused_for_its_reason() {
    use HandshakeError::{Malformed, Method, TooLarge, UpgradeRequired};
    let cases = [
        (GOOD.replace("GET", "POST"), Method),
        (GOOD.replace("GET", "get"), Malformed),
        (GOOD.replace("HTTP/1.1", "HTTP/1.0"), Malformed),
        (GOOD.replace("HTTP/1.1", "HTTP/2.0"), Malformed),
        (GOOD.replace(" HTTP/1.1", ""), Malformed),
        (GOOD.replace("GET ", "GET  "), Malformed),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), Malformed),
        (with(" folded"), Malformed),
        (with("\tfolded: x"), Malformed),
        (with("no colon"), Malformed),
        (with(": no name"), Malformed),
        (with("Name : x"), Malformed),
        (with("Naïve: x"), Malformed),
        (with("X: a\0b"), Malformed),
        (with("X: a\rb"), Malformed),
        (with("X: a\nb: c"), Malformed),
        (with("Host: b"), Malformed),
        (with("Content-Length: 4"), Malformed),
        (
            with("Content-Length: 0\r\nTransfer-Encoding: chunked"),
            Malformed,
        ),
        (
            with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
            Malformed,
        ),
        (GOOD.replace("Host: a\r\n", ""), Malformed),
        (GOOD.replace("b25jZQ==", "b25j"), Malformed),
        (GOOD.replace("b25jZQ==", ""), Malformed),
        (GOOD.replace("Sec-WebSocket-Key", "X"), Malformed),
        (GOOD.replace("Version: 13", "Version: 8"), UpgradeRequired),
        (with("Sec-WebSocket-Version: 8"), UpgradeRequired),
        (GOOD.replace("Upgrade: WebSocket\r\n", ""), UpgradeRequired),
        (
            GOOD.replace("keep-alive, Upgrade", "close"),
            UpgradeRequired,
        ),
        (with("X: y\r\n".repeat(500).trim_end()), TooLarge),
        (with(&format!("X: {}", "a".repeat(64 * 1024))), TooLarge),
    ];
    for (request, error) in cases {
        assert_eq!(refused(&request), error, "{request:.200}");
    }
}

#[test]
fn the_limits_are_met_exactly() {
    let lines = GOOD.matches("\r\n").count() - 2;
    let full = with(vec!["X: y"; MAX_HEADERS - lines].join("\r\n").as_str());
    assert!(matches!(parse(&[full.as_bytes()]), Ok(Some(_))));
    let over = with(vec!["X: y"; MAX_HEADERS - lines + 1].join("\r\n").as_str());
    assert_eq!(refused(&over), HandshakeError::TooLarge);

    let room = MAX_HEAD_BYTES - with("X: ").len();
    let full = with(&format!("X: {}", "a".repeat(room)));
    assert_eq!(full.len(), MAX_HEAD_BYTES);
    assert!(matches!(parse(&[full.as_bytes()]), Ok(Some(_))));
    let over = with(&format!("X: {}", "a".repeat(room + 1)));
    assert_eq!(refused(&over), HandshakeError::TooLarge);
}

#[test]
fn what_is_no_http_is_refused_before_the_head_is_complete() {
    for start in [
        &b"\x16\x03\x01\x02\0\x01\0"[..],
        b"GET / HTTP/1.1\n",
        b"\0",
        b"GET\r/",
    ] {
        assert_eq!(parse(&[start]), Err(HandshakeError::Malformed), "{start:?}");
    }
}

#[test]
fn every_refusal_is_a_whole_http_answer() {
    for (error, status) in [
        (HandshakeError::Malformed, "400 Bad Request"),
        (HandshakeError::NotFound, "404 Not Found"),
        (HandshakeError::Method, "405 Method Not Allowed"),
        (HandshakeError::UpgradeRequired, "426 Upgrade Required"),
        (
            HandshakeError::TooLarge,
            "431 Request Header Fields Too Large",
        ),
    ] {
        let answer = String::from_utf8(error.response()).expect("it is ASCII");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{head}"
        );
        assert!(head.contains("\r\nConnection: close"), "{head}");
        assert!(
            head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())),
            "{head}"
        );
        assert_eq!(
            head.contains("\r\nSec-WebSocket-Version: 13\r\n"),
            error == HandshakeError::UpgradeRequired
        );
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let mut bytes = [GOOD.as_bytes(), b"more"].concat();
        for (at, octet) in &flips {
            let at = at.index(bytes.len());
            bytes[at] = *octet;
        }
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|two| &bytes[two[0]..two[1]]).collect();
        prop_assert_eq!(parse(&pieces), parse(&[&bytes]));
        let octets: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(parse(&octets), parse(&[&bytes]));
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&[&bytes]);
        let _ = parse(&[b"GET / HTTP/1.1\r\n", &bytes, b"\r\n\r\n"]);
    }
}
