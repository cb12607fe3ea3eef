//! Payloads that are not dispatches, ready as JSON and as ETF: HELLO, acknowledgements, op 1, 7 and 9 (protocol.md §1.2).

use crate::etf;

/// Op 11.
pub const HEARTBEAT_ACK: &[u8] = br#"{"t":null,"s":null,"op":11,"d":null}"#;
/// Op 1: the server asks for a heartbeat.
pub const HEARTBEAT_REQUEST: &[u8] = br#"{"t":null,"s":null,"op":1,"d":null}"#;
/// Op 7.
pub const RECONNECT: &[u8] = br#"{"t":null,"s":null,"op":7,"d":null}"#;

/// Op 11 as ETF.
pub const HEARTBEAT_ACK_ETF: &[u8] =
    b"\x83t\0\0\0\x04s\x01ss\x03nils\x01ts\x03nils\x02opa\x0bs\x01ds\x03nil";
/// Op 1 as ETF.
pub const HEARTBEAT_REQUEST_ETF: &[u8] =
    b"\x83t\0\0\0\x04s\x01ss\x03nils\x01ts\x03nils\x02opa\x01s\x01ds\x03nil";
/// Op 7 as ETF.
pub const RECONNECT_ETF: &[u8] =
    b"\x83t\0\0\0\x04s\x01ss\x03nils\x01ts\x03nils\x02opa\x07s\x01ds\x03nil";

/// Op 10 with the heartbeat interval in ms.
#[must_use]
pub fn hello(heartbeat_interval_ms: u64) -> Vec<u8> {
    format!(
        r#"{{"t":null,"s":null,"op":10,"d":{}}}"#,
        hello_data(heartbeat_interval_ms)
    )
    .into_bytes()
}

/// Op 10 as ETF.
#[must_use]
pub fn hello_etf(heartbeat_interval_ms: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    etf::envelope_head(None, &mut out);
    etf::push_envelope(None, 10, &mut out);
    etf::push_body("", hello_data(heartbeat_interval_ms).as_bytes(), &mut out)
        .expect("what is written here is JSON");
    out
}

fn hello_data(heartbeat_interval_ms: u64) -> String {
    format!(r#"{{"heartbeat_interval":{heartbeat_interval_ms},"_trace":["tocsin"]}}"#)
}

/// Op 9: whether the same session may still be resumed.
#[must_use]
pub const fn invalid_session(resumable: bool) -> &'static [u8] {
    if resumable {
        br#"{"t":null,"s":null,"op":9,"d":true}"#
    } else {
        br#"{"t":null,"s":null,"op":9,"d":false}"#
    }
}

/// Op 9 as ETF.
#[must_use]
pub const fn invalid_session_etf(resumable: bool) -> &'static [u8] {
    if resumable {
        b"\x83t\0\0\0\x04s\x01ss\x03nils\x01ts\x03nils\x02opa\x09s\x01ds\x04true"
    } else {
        b"\x83t\0\0\0\x04s\x01ss\x03nils\x01ts\x03nils\x02opa\x09s\x01ds\x05false"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_payload_is_the_same_in_both_encodings() {
        let pairs = [
            (HEARTBEAT_ACK, HEARTBEAT_ACK_ETF),
            (HEARTBEAT_REQUEST, HEARTBEAT_REQUEST_ETF),
            (RECONNECT, RECONNECT_ETF),
            (invalid_session(true), invalid_session_etf(true)),
            (invalid_session(false), invalid_session_etf(false)),
            (&hello(41_250), &hello_etf(41_250)),
        ];
        for (json, term) in pairs {
            assert_eq!(etf::json_to_etf(json).as_deref(), Ok(term));
        }
    }
}
