//! What must hold of everything that reads octets of a peer, whatever they are. Each function is one fuzz target.

use std::collections::VecDeque;

use tocsin_codec::command::heartbeat_seq;
use tocsin_codec::etf::{Rules, etf_to_json, json_to_etf, term_of_json};
use tocsin_codec::{Envelope, FrameDecoder, FrameLimits, HandshakeParser, Incoming, Resume};
use tocsin_session::ReplayLog;

const LIMITS: FrameLimits = FrameLimits {
    max_message_bytes: 1_024,
    max_fragments: 8,
};

/// Frames come out alike however their octets are cut into reads, and never more than the limits allow.
pub fn frame(data: &[u8]) {
    let Some((&step, octets)) = data.split_first() else {
        return;
    };
    let whole = frames_of([octets].into_iter());
    let pieces = frames_of(octets.chunks(1 + usize::from(step % 16)));
    assert_eq!(whole, pieces);
    for each in &whole.0 {
        match each {
            Incoming::Message { data, .. } => assert!(data.len() <= LIMITS.max_message_bytes),
            Incoming::Ping(data) => assert!(data.len() <= 125),
            Incoming::Pong | Incoming::Close { .. } => {}
        }
    }
}

/// All that is complete, and whether a rule was broken.
fn frames_of<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Incoming>, bool) {
    let (mut decoder, mut found) = (FrameDecoder::new(LIMITS), Vec::new());
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(incoming)) => found.push(incoming),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

/// A request head is read alike octet by octet and at once; what is accepted has an answer of one head.
pub fn handshake(data: &[u8]) {
    let whole = HandshakeParser::default().feed(data);
    let (mut parser, mut one_by_one, mut used) = (HandshakeParser::default(), Ok(None), 0);
    for octet in data.chunks(1) {
        one_by_one = parser.feed(octet);
        used += 1;
        if !matches!(one_by_one, Ok(None)) {
            break;
        }
    }
    match (whole, one_by_one) {
        (Ok(Some(mut whole)), Ok(Some(piecewise))) => {
            assert_eq!(whole.leftover, &data[used..]);
            assert!(whole.response().ends_with(b"\r\n\r\n"));
            whole.leftover.clear();
            assert_eq!(whole, piecewise);
        }
        (whole, one_by_one) => assert_eq!(whole, one_by_one),
    }
}

/// What is taken as a command is JSON by another parser too, and so is its `d`.
pub fn json_command(data: &[u8]) {
    if let Ok(envelope) = Envelope::decode(data) {
        let _: serde_json::Value = serde_json::from_slice(data).expect("it is JSON");
        command(&envelope);
    }
    let _ = heartbeat_seq(data);
    let _ = Resume::decode(data);
}

fn command(envelope: &Envelope) {
    let _: serde_json::Value = serde_json::from_slice(&envelope.d).expect("d is JSON");
    let _ = heartbeat_seq(&envelope.d);
    if let Ok(resume) = Resume::decode(&envelope.d) {
        assert_eq!(resume.token, resume.token.trim());
    }
}

/// A term that is taken is JSON, and one of a size that its octets can pay for.
pub fn etf_decode(data: &[u8]) {
    for rules in [Rules::CLIENT, Rules::LENIENT] {
        if let Ok(json) = etf_to_json(data, rules) {
            // The longest a tag of one octet gets: a control character as \u00xx; a float as 25 characters in 9 octets.
            assert!(
                json.len() <= 8 * data.len() + 16,
                "{} of {}",
                json.len(),
                data.len()
            );
            let value: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
            if rules.strict && !matches!(value, serde_json::Value::Number(_)) {
                assert!(term_of_json(&json).is_ok());
            }
        }
    }
    if let Ok(envelope) = Envelope::decode_etf(data) {
        command(&envelope);
    }
}

/// JSON that becomes a term comes back from it as the same value.
pub fn etf_encode(data: &[u8]) {
    let _ = json_to_etf(data);
    let Ok(term) = term_of_json(data) else {
        return;
    };
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) else {
        return;
    };
    let json = etf_to_json(&term, Rules::LENIENT).expect("what we write we can read");
    let again: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    if !has_numbers(&value) {
        assert_eq!(again, value);
    }
}

/// Numbers come back in another notation, which `serde_json` does not call equal.
fn has_numbers(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(_) => true,
        serde_json::Value::Array(items) => items.iter().any(has_numbers),
        serde_json::Value::Object(fields) => fields.values().any(has_numbers),
        _ => false,
    }
}

/// A replay log is a list that forgets from its front: by acknowledgement, and when it is full.
pub fn replay_ops(data: &[u8]) {
    const EVENTS: usize = 8;
    const BYTES: usize = 256;
    let mut log = ReplayLog::new(EVENTS, BYTES);
    let mut model: VecDeque<(u64, u8)> = VecDeque::new();
    let mut last = 0;
    for pair in data.chunks_exact(2) {
        let (what, number) = (pair[0], pair[1]);
        if what & 1 == 0 {
            last += 1;
            assert_eq!(log.push(number, usize::from(number)), last);
            model.push_back((last, number));
            while model.len() > EVENTS || bytes(&model) > BYTES {
                model.pop_front();
            }
        } else {
            let seq = last.saturating_sub(u64::from(what >> 1)) + u64::from(number & 1);
            log.acknowledge(seq);
            if seq <= last {
                model.retain(|&(at, _)| at > seq);
            }
        }
        assert_eq!((log.len(), log.last_seq()), (model.len(), last));
        for seq in last.saturating_sub(10)..=last + 1 {
            let missing = usize::try_from(last.saturating_sub(seq)).expect("it is small");
            let reaches = seq <= last && missing <= model.len();
            assert_eq!(log.reaches(seq), reaches);
            let kept: Vec<_> = log.after(seq).map(|(at, &each)| (at, each)).collect();
            let wanted = model.iter().copied().filter(|&(at, _)| reaches && at > seq);
            assert_eq!(kept, wanted.collect::<Vec<_>>());
        }
    }
}

fn bytes(model: &VecDeque<(u64, u8)>) -> usize {
    model.iter().map(|&(_, each)| usize::from(each)).sum()
}

#[cfg(test)]
mod tests {
    //! A short walk without a fuzzer, on stable Rust: seeds, and seeds with octets changed.

    use super::*;

    fn walk(target: fn(&[u8]), seeds: &[&[u8]]) {
        let mut dice = 1_u32;
        let mut roll = |below: usize| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 8) as usize % below
        };
        for seed in seeds {
            target(seed);
            for _ in 0..20_000 {
                let mut data = seed.to_vec();
                for _ in 0..=roll(3) {
                    let at = roll(data.len());
                    data[at] = u8::try_from(roll(256)).expect("an octet");
                }
                data.truncate(1 + roll(seed.len() * 4));
                target(&data);
            }
        }
    }

    #[test]
    fn frames() {
        walk(
            frame,
            &[
                b"\x01\x81\x82\0\0\0\0{}\x89\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8",
                b"\x03\x01\x81\0\0\0\0a\x80\x81\0\0\0\0b",
            ],
        );
    }

    #[test]
    fn handshakes() {
        walk(handshake, &[
            b"GET /?v=10&encoding=json&compress=zlib-stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
              Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81",
        ]);
    }

    #[test]
    fn json_commands() {
        walk(
            json_command,
            &[
                br#"{"op":1,"d":251}"#,
                br#"{"op":6,"d":{"token":"Bot x","session_id":"a","seq":1.0}}"#,
            ],
        );
    }

    #[test]
    fn terms_to_json() {
        walk(
            etf_decode,
            &[
                b"\x83t\0\0\0\x02m\0\0\0\x02opa\x01m\0\0\0\x01dj",
                b"\x83l\0\0\0\x01F\x3f\xf0\0\0\0\0\0\0j",
            ],
        );
    }

    #[test]
    fn json_to_terms() {
        walk(etf_encode, &[
            br#"{"op":0,"t":"X","s":1,"d":{"id":"1234567890123456789","a":[null,true,"\u00e4"]}}"#,
        ]);
    }

    #[test]
    fn replay_logs() {
        walk(replay_ops, &[b"\0\x10\0\x20\x01\0\0\xff\0\xff\x05\x01\0\x01\0\x02\0\x03\0\x04\0\x05\0\x06\0\x07\0\x08\0\x09"]);
    }
}
