//! `ShardId`: which part of a bot's guilds a session declared (protocol.md §6).

/// A shard's index and the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShardId {
    /// 0-based index.
    pub index: u32,
    /// How many there are.
    pub total: u32,
}

impl ShardId {
    /// A shard, or `None` unless `index < total`.
    #[must_use]
    pub const fn new(index: u32, total: u32) -> Option<Self> {
        if index < total {
            Some(Self { index, total })
        } else {
            None
        }
    }

    /// Whether `index < total`; a shard that is not valid closes with 4010.
    #[must_use]
    pub const fn valid(self) -> bool {
        self.index < self.total
    }

    /// Whether the guild belongs to this shard: `(guild_id >> 22) % total`. One that is not valid owns none.
    #[must_use]
    pub const fn owns_guild(self, guild_id: u64) -> bool {
        self.valid() && (guild_id >> 22) % self.total as u64 == self.index as u64
    }

    /// Whether this shard carries what belongs to no guild (DMs).
    #[must_use]
    pub const fn is_first(self) -> bool {
        self.index == 0
    }
}

#[cfg(test)]
mod tests {
    use super::ShardId;

    #[test]
    fn every_guild_has_exactly_one_shard() {
        for guild in [0, 1 << 22, 5 << 22 | 77, u64::MAX] {
            let owners = (0..3).filter(|&index| ShardId { index, total: 3 }.owns_guild(guild));
            assert_eq!(owners.count(), 1);
        }
        assert_eq!(ShardId::new(2, 2), None);
    }

    #[test]
    fn a_shard_of_none_owns_nothing() {
        let shard = ShardId { index: 0, total: 0 };
        assert!(!shard.valid() && !shard.owns_guild(1 << 22));
    }
}
