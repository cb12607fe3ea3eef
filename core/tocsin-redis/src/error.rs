//! `BusError`: why the bus cannot be used.

use redis::{ErrorKind, RedisError, ServerErrorKind};
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
    /// A member of a cluster cannot be reached.
    #[error("Redis at {0}: {1}")]
    Member(String, #[source] RedisError),
    /// A cluster without a majority, or without a master for the slot.
    #[error("the Redis cluster is down")]
    Down,
    /// An answer of a shape that no command of ours has.
    #[error("an answer that makes no sense")]
    Answer,
}

impl BusError {
    /// Redis answered, and did nothing.
    pub(crate) fn refused(&self) -> bool {
        matches!(self, Self::Redis(error) if error.code().is_some())
    }

    /// The keys are elsewhere, or on their way there.
    pub(crate) fn redirected(&self) -> bool {
        let elsewhere = |kind| {
            matches!(
                kind,
                ErrorKind::Server(
                    ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain
                )
            )
        };
        matches!(self, Self::Redis(error) if elsewhere(error.kind()))
    }
}
