//! `Note`: what the bus between nodes has to say to a node's control plane.

use bytes::Bytes;

use crate::envelope::Scope;

/// What the bus has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The node has a new inbox, the first one or because the one before cannot be trusted any more. Nothing is read
    /// from it until `Bus::go_on` is called with its incarnation: register all interest anew,
    /// take from the outbox what was missed, then go on.
    Opened {
        /// Counts from 1.
        incarnation: u64,
        /// Why the one before ended.
        why: Why,
    },
    /// The answer to `Bus::register`.
    Registered {
        /// What `register` was given.
        ticket: u64,
        /// From now on the inbox hears of the scopes. `false`: it was gone, and `Opened` follows.
        done: bool,
    },
    /// Places of a scope's log before those given were never published: publish the outbox's rows from there on.
    Behind {
        /// Whose log.
        scope: Scope,
        /// The last place that was published, 0 if unknown.
        watermark: u64,
    },
    /// The answer to `Bus::find`: the session, unless there is none to go on with.
    Found {
        /// What `find` was given.
        ticket: u64,
        /// Who it is, or why there is none.
        found: Result<Found, Doubt>,
    },
    /// A session that was asked for by `Bus::take` cannot be had.
    NotTaken {
        /// The key of the session that waits for it.
        session: u64,
        /// Why.
        doubt: Doubt,
    },
    /// Redis cannot be reached, or is unfit; why, without credentials.
    Away(String),
    /// It can again.
    Back,
}

/// A session of another node, as far as the control plane has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub user_id: u64,
    /// The granted intents.
    pub intents: u32,
    /// Large payloads may go as standalone zlib frames.
    pub compress: bool,
    /// Shard index and total, if it declared one.
    pub shard: Option<(u32, u32)>,
    /// What the control plane kept with it.
    pub memo: Bytes,
}

/// Why a session of another node cannot be gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is in no journal.
    Unknown,
    /// It has ended.
    Ended,
    /// Its client has more than the journal, so far.
    Ahead,
    /// The journal does not reach back, or left something out that the client misses.
    Trimmed,
    /// It is another node's by now, or this one's own.
    Taken,
    /// There is no certain place in the inboxes: one of them is gone, or the other node read another Redis.
    Place,
    /// This node's own reader waited for too long.
    Late,
    /// Redis cannot be reached.
    Away,
}

impl Doubt {
    /// As figures have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ended => "ended",
            Self::Ahead => "ahead",
            Self::Trimmed => "trimmed",
            Self::Taken => "taken",
            Self::Place => "place",
            Self::Late => "late",
            Self::Away => "away",
        }
    }
}

/// Why an inbox was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The node has just begun.
    First,
    /// Redis is another one than before, or the same begun anew: acknowledged entries may be lost.
    Restart,
    /// Entries were trimmed before they were read.
    Gap,
    /// The inbox's time ran out: this node was taken for dead.
    Expired,
}

impl Why {
    /// As logs have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Restart => "restart",
            Self::Gap => "gap",
            Self::Expired => "expired",
        }
    }
}
