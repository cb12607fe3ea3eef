//! `BusError`: why the bus cannot be used.

use redis::RedisError;
use thiserror::Error;

/// Why the bus cannot be used, or an attempt at it failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BusError {
    /// Redis cannot be reached, or refused a command.
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    /// Functions need Redis 7.0.
    #[error("Redis {0} is too old: the bus needs 7.0 or newer")]
    TooOld(String),
    /// A Redis that evicts loses inboxes silently.
    #[error("Redis evicts keys (maxmemory-policy {0}): the bus needs noeviction")]
    Evicts(String),
    /// An answer of a shape that no command of ours has.
    #[error("an answer that makes no sense")]
    Answer,
}
