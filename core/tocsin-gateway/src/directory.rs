//! `Directory`: which sessions a user has, on any worker, and for which shard. Only the dispatcher asks it.

use foldhash::HashMap;
use tocsin_fanout::UserIndex;
use tocsin_proto::ShardId;

use crate::key::SessionKey;

/// Users to sessions.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    users: UserIndex,
    /// Only of sessions that declared one.
    shards: HashMap<u64, ShardId>,
}

impl Directory {
    /// Adds an accepted session.
    pub(crate) fn add(&mut self, key: SessionKey, user: u64, shard: Option<(u32, u32)>) {
        let shard = shard.and_then(|(index, total)| ShardId::new(index, total));
        self.users
            .add(key.as_u64(), user, shard.is_none_or(ShardId::is_first));
        match shard {
            Some(shard) => self.shards.insert(key.as_u64(), shard),
            None => self.shards.remove(&key.as_u64()),
        };
    }

    /// Forgets a session.
    pub(crate) fn remove(&mut self, key: SessionKey) {
        self.users.remove(key.as_u64());
        self.shards.remove(&key.as_u64());
    }

    /// The sessions of the users that carry such an event: of a guild its shard, of the user itself all, of a DM the
    /// first shard (protocol.md §6).
    pub(crate) fn sessions(&self, users: &[u64], guild: u64, name: &str) -> Vec<SessionKey> {
        let all = guild != 0 || name == "USER_UPDATE";
        users
            .iter()
            .flat_map(|&user| self.users.sessions(user, all))
            .filter(|key| guild == 0 || self.shards.get(key).is_none_or(|s| s.owns_guild(guild)))
            .map(SessionKey::from_u64)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_goes_to_the_shard_it_belongs_to() {
        let mut directory = Directory::default();
        let [plain, first, second] = [1, 2, 3].map(|slot| SessionKey::new(0, 1, slot));
        directory.add(plain, 9, None);
        directory.add(first, 9, Some((0, 2)));
        directory.add(second, 9, Some((1, 2)));
        let sessions = |guild, name| directory.sessions(&[9], guild, name);
        assert_eq!(sessions(0, "MESSAGE_CREATE"), [plain, first]);
        assert_eq!(sessions(0, "USER_UPDATE"), [plain, first, second]);
        assert_eq!(sessions(3 << 22, "GUILD_DELETE"), [plain, second]);
    }
}
