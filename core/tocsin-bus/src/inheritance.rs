//! `Inheritance`: sessions of another node on their way to this one, at one place of each of this node's inboxes.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::envelope::{Envelope, Scope};

/// An event that the session was given elsewhere and its client has not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Event name.
    pub name: Box<str>,
    /// The JSON of `d`.
    pub body: Bytes,
    /// Author and mentioned of gated content.
    pub gate: Option<(u64, Vec<u64>)>,
}

/// One of the sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heir {
    /// The key of the session that waits for it.
    pub session: u64,
    /// What its client has not seen, in order; the same in each part.
    pub missed: Arc<[Missed]>,
    /// The places of the tail that it was given: those are not in it for this session.
    pub known: HashSet<(Scope, u64)>,
}

/// Sessions that were one worker's of the other node, as far as one partition goes. They go on when all have come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inheritance {
    /// Whose scopes this is about.
    pub partition: u32,
    /// How many there are, and so many parts will come in any order, unless something is in doubt.
    pub partitions: u32,
    /// The sessions.
    pub heirs: Vec<Heir>,
    /// What came into the other node's inbox of this partition before this place and may not have been given yet, in
    /// order.
    pub tail: Vec<Envelope>,
}
