//! The keys of a bus in Redis. All of one partition carry its hash tag, so that a function may touch them together.

use std::fmt;

use tocsin_bus::{Scope, SessionId};

use crate::slots::slot_of;

/// Whose sessions are: a node by its tag, and one of its workers. `0a0b0c0d:3` in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    /// What the ids of the node's sessions begin with.
    pub tag: [u8; 4],
    /// Which worker.
    pub worker: usize,
}

impl Owner {
    /// Whose a session is that was never taken over: its id says so.
    #[must_use]
    pub fn first(session: SessionId) -> Self {
        let [a, b, c, d, worker, ..] = session.0;
        Self {
            tag: [a, b, c, d],
            worker: worker.into(),
        }
    }

    /// Reads one.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let (tag, worker) = std::str::from_utf8(text).ok()?.split_once(':')?;
        Some(Self {
            tag: u32::from_str_radix(tag, 16).ok()?.to_be_bytes(),
            worker: worker.parse().ok()?,
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}:{}", u32::from_be_bytes(self.tag), self.worker)
    }
}

/// What the key of a session's owner says once it was taken over: by whom, from whom, and the last `s` its client had
/// then. `0a0b0c0d:3<01020304:0@57` in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    /// Its owner.
    pub(crate) by: Owner,
    /// Who had it before, as long as `by` has not given it anything.
    pub(crate) from: Owner,
    /// What its client had.
    pub(crate) seq: u64,
}

impl Claim {
    /// Reads one.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let (by, rest) = std::str::from_utf8(text).ok()?.split_once('<')?;
        let (from, seq) = rest.split_once('@')?;
        Some(Self {
            by: Owner::read(by.as_bytes())?,
            from: Owner::read(from.as_bytes())?,
            seq: seq.parse().ok()?,
        })
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<{}@{}", self.by, self.from, self.seq)
    }
}

/// The names of one bus: a prefix, so that several may share a Redis, and a number of partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    partitions: u32,
}

impl Names {
    /// The names under `prefix` over so many partitions, at least one.
    #[must_use]
    pub fn new(prefix: &str, partitions: u32) -> Self {
        Self {
            prefix: prefix.to_owned(),
            partitions: partitions.max(1),
        }
    }

    /// How many partitions there are.
    #[must_use]
    pub const fn partitions(&self) -> u32 {
        self.partitions
    }

    /// The partition of a scope, alike on every node.
    #[must_use]
    pub const fn partition(&self, scope: Scope) -> u32 {
        scope.partition(self.partitions)
    }

    /// The slot of a cluster that all keys of a partition have.
    #[must_use]
    pub fn slot(&self, partition: u32) -> u16 {
        slot_of(&self.inboxes(partition))
    }

    /// What the keys of a partition's inboxes begin with.
    #[must_use]
    pub fn inboxes(&self, partition: u32) -> String {
        format!("{{{}:{partition}}}:inbox:", self.prefix)
    }

    /// The inbox in a partition that has the name of one in the first; `None`: that is no inbox's key.
    #[must_use]
    pub(crate) fn inbox_like(&self, partition: u32, first: &str) -> Option<String> {
        let name = first.strip_prefix(&self.inboxes(0))?;
        Some(self.inboxes(partition) + name)
    }

    /// The nodes that want the events of a guild, or those that name a user, as far as this partition has them.
    #[must_use]
    pub fn interest(&self, partition: u32, scope: Scope) -> String {
        self.of_scope(partition, scope, "interest")
    }

    /// The last place of a scope's log that was published.
    #[must_use]
    pub fn watermark(&self, scope: Scope) -> String {
        self.of_scope(self.partition(scope), scope, "watermark")
    }

    /// A worker's journal. It is in the partition that has the inbox.
    #[must_use]
    pub fn journal(&self, owner: &Owner) -> String {
        format!("{{{}:0}}:journal:{owner}", self.prefix)
    }

    /// Whose a session is that was taken over.
    #[must_use]
    pub fn owner(&self, session: SessionId) -> String {
        format!("{{{}:0}}:owner:{session}", self.prefix)
    }

    /// The sessions that were taken from a node.
    #[must_use]
    pub fn taken_from(&self, tag: [u8; 4]) -> String {
        format!(
            "{{{}:0}}:taken:{:08x}",
            self.prefix,
            u32::from_be_bytes(tag)
        )
    }

    fn of_scope(&self, partition: u32, scope: Scope, what: &str) -> String {
        format!(
            "{{{}:{partition}}}:{what}:{}:{}",
            self.prefix, scope.kind, scope.id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_scope_share_their_partitions_tag() {
        let names = Names::new("tocsin", 8);
        let scope = Scope { kind: 1, id: 42 };
        let partition = names.partition(scope);
        let tag = format!("{{tocsin:{partition}}}:");
        let slot = names.slot(partition);
        for key in [
            names.interest(partition, scope),
            names.watermark(scope),
            names.inboxes(partition),
        ] {
            assert!(key.starts_with(&tag), "{key}");
            assert_eq!(slot_of(&key), slot);
        }
    }

    #[test]
    fn a_nodes_inboxes_have_one_name_in_all_partitions() {
        let names = Names::new("tocsin", 3);
        let first = names.inboxes(0) + "node.7";
        assert_eq!(names.inbox_like(0, &first), Some(first.clone()));
        assert_eq!(
            names.inbox_like(2, &first),
            Some("{tocsin:2}:inbox:node.7".to_owned())
        );
        for other in ["", "node.7", "{tocsin:1}:inbox:node.7"] {
            assert_eq!(names.inbox_like(1, other), None, "{other}");
        }
    }

    #[test]
    fn an_owner_survives_its_text_and_is_the_one_an_id_names() {
        let owner = Owner::first(SessionId([
            0, 0xb, 2, 3, 9, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        ]));
        assert_eq!(owner.to_string(), "000b0203:9");
        assert_eq!(Owner::read(b"000b0203:9"), Some(owner));
        for damaged in [&b""[..], b"x:1", b"000b0203", b"000b0203:x", b"\xff:1"] {
            assert_eq!(Owner::read(damaged), None);
        }
    }

    #[test]
    fn a_claim_survives_its_text() {
        let claim = Claim {
            by: Owner {
                tag: [0, 1, 2, 3],
                worker: 2,
            },
            from: Owner {
                tag: [9; 4],
                worker: 0,
            },
            seq: 57,
        };
        assert_eq!(claim.to_string(), "00010203:2<09090909:0@57");
        assert_eq!(Claim::read(claim.to_string().as_bytes()), Some(claim));
        for damaged in [
            &b""[..],
            b"00010203:2",
            b"00010203:2<x@1",
            b"00010203:2<09090909:0@",
        ] {
            assert_eq!(Claim::read(damaged), None);
        }
    }

    #[test]
    fn snowflakes_spread_over_the_partitions() {
        let names = Names::new("tocsin", 8);
        let mut counts = [0; 8];
        for minute in 0..8_000u64 {
            let id = (minute * 60_000) << 22;
            counts[names.partition(Scope { kind: 1, id }) as usize] += 1;
        }
        assert!(
            counts.iter().all(|&count| (700..1_300).contains(&count)),
            "{counts:?}"
        );
    }
}
