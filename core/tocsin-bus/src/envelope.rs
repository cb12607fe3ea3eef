//! `Envelope`: an event as it lies in the inbox, with its place in its scope's log and its audience.

use std::time::Instant;

use bytes::Bytes;

/// The unit of order: its kind (guild 1, DM channel 2, user 3) and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The kind's number.
    pub kind: u8,
    /// The id within the kind.
    pub id: u64,
}

impl Scope {
    /// Which of so many partitions has its log, alike on every node.
    #[must_use]
    pub const fn partition(self, partitions: u32) -> u32 {
        if partitions < 2 {
            return 0;
        }
        // Snowflakes count up in their low bits only within a millisecond: the time above is mixed in.
        let mixed = (self.id ^ (self.id >> 22)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (mixed % partitions as u64) as u32
    }
}

/// An event before encoding. The audience is `users`, or those who may view `channel` of `guild`, or all of `guild`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where it is ordered.
    pub scope: Scope,
    /// Its place in the scope's log; 0 for ephemeral events.
    pub seq: u64,
    /// Event name.
    pub name: String,
    /// The JSON of `d`, complete with message content.
    pub body: Bytes,
    /// The guild it is about, 0 for none.
    pub guild: u64,
    /// The channel whose viewers get it, 0 for none.
    pub channel: u64,
    /// The users who get it; empty for none in particular.
    pub users: Vec<u64>,
    /// A user who does not get it, 0 for none.
    pub exclude_user: u64,
    /// The author, who sees gated content.
    pub author: u64,
    /// The mentioned, who see gated content.
    pub mentions: Vec<u64>,
    /// The content needs MESSAGE_CONTENT.
    pub gated: bool,
    /// It changes what others may see: the policy looks at it first, and the scope waits meanwhile.
    pub state: bool,
    /// When it came to this node, if its way is traced; `None` for all others.
    pub traced: Option<Instant>,
}
