//! `Session`: outlives its connections; owns the sequence and the replay log.
//!
//! Invariant: dispatches are numbered 1, 2, 3, ... over the whole life, and a resume replays exactly what is missing.

use thiserror::Error;
use tocsin_proto::{Intents, SessionId, ShardId};

use crate::replay::{ReplayLimits, ReplayLog};
use crate::token::{TokenDigest, digests_match};

/// What a session is from its identify on.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// Its public id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: u64,
    /// Bots see content only by intent.
    pub bot: bool,
    /// The granted intents.
    pub intents: Intents,
    /// The declared shard.
    pub shard: Option<ShardId>,
    /// What a resume's token must hash to.
    pub token_digest: TokenDigest,
}

/// Whether a connection carries the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// By the connection of this number.
    Attached(usize),
    /// By none since the time in ms.
    Detached(u64),
}

/// Why a resume cannot be exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The client claims to have seen what was never sent: close 4007.
    #[error("sequence number was never sent")]
    SeqAhead,
    /// Something it missed is no longer kept: op 9 false.
    #[error("missed dispatches are no longer kept")]
    Lost,
}

/// One session. `E` is a cheap reference to an encoded dispatch.
#[derive(Debug)]
pub struct Session<E> {
    info: SessionInfo,
    attachment: Attachment,
    sequence: u64,
    replay: ReplayLog<E>,
}

impl<E> Session<E> {
    /// A session that nothing was sent to yet.
    #[must_use]
    pub fn new(info: SessionInfo, connection: usize) -> Self {
        Self {
            info,
            attachment: Attachment::Attached(connection),
            sequence: 0,
            replay: ReplayLog::default(),
        }
    }

    /// What it is.
    #[must_use]
    pub const fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// The last number given out, 0 before READY.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What it could replay.
    #[must_use]
    pub const fn replay(&self) -> &ReplayLog<E> {
        &self.replay
    }

    /// Whether and by what it is carried.
    #[must_use]
    pub const fn attachment(&self) -> Attachment {
        self.attachment
    }

    /// The connection that carries it.
    #[must_use]
    pub const fn connection(&self) -> Option<usize> {
        match self.attachment {
            Attachment::Attached(connection) => Some(connection),
            Attachment::Detached(_) => None,
        }
    }

    /// Gives the next dispatch its number and remembers it.
    pub fn dispatch(&mut self, entry: E, cost_bytes: usize, limits: ReplayLimits) -> u64 {
        self.sequence += 1;
        self.replay.push(entry, cost_bytes, limits);
        self.sequence
    }

    /// The client has seen everything up to `seq`. A number that was never sent is ignored: `false`.
    pub fn acknowledge(&mut self, seq: u64) -> bool {
        if seq > self.sequence {
            return false;
        }
        self.replay.trim(seq);
        true
    }

    /// What a client that has seen `seq` has missed, in order.
    ///
    /// # Errors
    /// `SeqAhead` or `Lost`; then nothing may be replayed.
    pub fn missed_after(&self, seq: u64) -> Result<impl Iterator<Item = (u64, &E)>, ResumeError> {
        if seq > self.sequence {
            return Err(ResumeError::SeqAhead);
        }
        self.replay.after(seq).ok_or(ResumeError::Lost)
    }

    /// A connection carries it from now on.
    pub const fn attach(&mut self, connection: usize) {
        self.attachment = Attachment::Attached(connection);
    }

    /// Its connection is gone.
    pub const fn detach(&mut self, now_ms: u64) {
        self.attachment = Attachment::Detached(now_ms);
    }

    /// Whether nobody resumed it within the window.
    #[must_use]
    pub const fn expired(&self, now_ms: u64, window_ms: u64) -> bool {
        match self.attachment {
            Attachment::Attached(_) => false,
            Attachment::Detached(since) => now_ms >= since + window_ms,
        }
    }

    /// Whether a token is the one it was identified with, or another of the same digest.
    #[must_use]
    pub fn token_matches(&self, digest: &TokenDigest) -> bool {
        digests_match(&self.info.token_digest, digest)
    }
}
