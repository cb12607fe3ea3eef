//! Payloads that are not dispatches, ready as JSON: HELLO, acknowledgements, op 1, 7 and 9 (protocol.md §1.2).

/// Op 11.
pub const HEARTBEAT_ACK: &[u8] = br#"{"t":null,"s":null,"op":11,"d":null}"#;
/// Op 1: the server asks for a heartbeat.
pub const HEARTBEAT_REQUEST: &[u8] = br#"{"t":null,"s":null,"op":1,"d":null}"#;
/// Op 7.
pub const RECONNECT: &[u8] = br#"{"t":null,"s":null,"op":7,"d":null}"#;

/// Op 10 with the heartbeat interval in ms.
#[must_use]
pub fn hello(heartbeat_interval_ms: u64) -> Vec<u8> {
    format!(r#"{{"t":null,"s":null,"op":10,"d":{{"heartbeat_interval":{heartbeat_interval_ms},"_trace":["tocsin"]}}}}"#)
        .into_bytes()
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
