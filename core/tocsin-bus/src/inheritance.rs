//! `Inheritance`: sessions of another node on their way to this one, at one place of this node's inbox.

use std::collections::HashSet;

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
    /// What its client has not seen, in order.
    pub missed: Vec<Missed>,
    /// The places of what it was given: those are not in the tail for it.
    pub known: HashSet<(Scope, u64)>,
}

/// Sessions that were one worker's of the other node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inheritance {
    /// The sessions.
    pub heirs: Vec<Heir>,
    /// What came into the other node's inbox before this place and may not have been given yet, in order.
    pub tail: Vec<Envelope>,
}
