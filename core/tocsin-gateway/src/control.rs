//! `Control`: the server's payloads that are no dispatches, in either encoding.

use std::borrow::Cow;

use tocsin_codec::payload;

use crate::event::Encoding;

/// A payload that is no dispatch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Control {
    /// Op 10 with the heartbeat interval in ms.
    Hello(u64),
    /// Op 11.
    HeartbeatAck,
    /// Op 1.
    HeartbeatRequest,
    /// Op 7.
    Reconnect,
    /// Op 9: whether the same session may be resumed.
    InvalidSession(bool),
}

impl Control {
    /// Its bytes.
    pub(crate) fn encode(self, encoding: Encoding) -> Cow<'static, [u8]> {
        match (encoding, self) {
            (Encoding::Json, Self::Hello(ms)) => payload::hello(ms).into(),
            (Encoding::Json, Self::HeartbeatAck) => payload::HEARTBEAT_ACK.into(),
            (Encoding::Json, Self::HeartbeatRequest) => payload::HEARTBEAT_REQUEST.into(),
            (Encoding::Json, Self::Reconnect) => payload::RECONNECT.into(),
            (Encoding::Json, Self::InvalidSession(may)) => payload::invalid_session(may).into(),
            (Encoding::Etf, Self::Hello(ms)) => payload::hello_etf(ms).into(),
            (Encoding::Etf, Self::HeartbeatAck) => payload::HEARTBEAT_ACK_ETF.into(),
            (Encoding::Etf, Self::HeartbeatRequest) => payload::HEARTBEAT_REQUEST_ETF.into(),
            (Encoding::Etf, Self::Reconnect) => payload::RECONNECT_ETF.into(),
            (Encoding::Etf, Self::InvalidSession(may)) => payload::invalid_session_etf(may).into(),
        }
    }
}
