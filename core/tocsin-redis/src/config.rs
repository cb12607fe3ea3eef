//! `BusConfig`: what a node's part of the bus is built from.

use std::time::Duration;

/// Where the bus is, and how much of it is kept.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// `redis://` or `redis+unix://`, with credentials and database as redis-rs reads them.
    pub url: String,
    /// What all keys begin with: several buses may share a Redis.
    pub prefix: String,
    /// How many partitions there are; the same on every node.
    pub partitions: u32,
    /// The node's name, unique in the cluster and new at each start.
    pub node: String,
    /// How long an inbox outlives its node: as long as its sessions may be resumed.
    pub inbox_ttl: Duration,
    /// How long an entry that was read is kept, for sessions that are rebuilt from it elsewhere.
    pub retention: Duration,
    /// The most entries of an inbox. A node that lags farther behind finds a gap.
    pub inbox_max_entries: u64,
    /// How long the last published place of a scope is remembered; longer than the outbox keeps its rows.
    pub watermark_ttl: Duration,
    /// Octets that may wait while Redis is away. Beyond them events are left to the outbox.
    pub queue_max_bytes: usize,
    /// What the ids of the node's sessions begin with, new at each start.
    pub tag: [u8; 4],
    /// How long a journal outlives its node: as long as its sessions may be resumed.
    pub session_ttl: Duration,
    /// How long it is known which node took a session over.
    pub claim_ttl: Duration,
    /// How long one answer of Redis may take.
    pub timeout: Duration,
}

impl BusConfig {
    /// The defaults, for a bus at `url` and a node of this name.
    #[must_use]
    pub fn new(url: &str, node: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: "tocsin".to_owned(),
            partitions: 1,
            node: node.to_owned(),
            inbox_ttl: Duration::from_secs(90),
            retention: Duration::from_secs(90),
            inbox_max_entries: 1_000_000,
            watermark_ttl: Duration::from_secs(3_600),
            queue_max_bytes: 64 << 20,
            tag: [0; 4],
            session_ttl: Duration::from_secs(180),
            claim_ttl: Duration::from_secs(6 * 3_600),
            timeout: Duration::from_secs(2),
        }
    }
}

/// A duration as Redis takes it.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
