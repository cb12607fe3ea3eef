//! `GatewayError`: what starting or using the gateway can fail with.

use std::io;

/// Why the gateway could not start or be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// A setting is out of its range.
    #[error("setting out of range: {0}")]
    Config(&'static str),
    /// A socket, thread or event descriptor could not be made.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Used before `start` or after `stop`.
    #[error("the gateway is not running")]
    NotRunning,
    /// `start` was called twice.
    #[error("the gateway was already started")]
    AlreadyStarted,
}
