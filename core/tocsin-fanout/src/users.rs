//! `UserIndex`: which sessions a user has, on any worker.

use foldhash::HashMap;

/// A user's sessions. Keys are the caller's; `first_shard` marks those that carry what belongs to no guild.
#[derive(Debug, Default)]
pub struct UserIndex {
    users: HashMap<u64, Vec<(u64, bool)>>,
    owners: HashMap<u64, u64>,
}

impl UserIndex {
    /// Adds a session of a user.
    pub fn add(&mut self, session: u64, user: u64, first_shard: bool) {
        self.remove(session);
        self.owners.insert(session, user);
        self.users
            .entry(user)
            .or_default()
            .push((session, first_shard));
    }

    /// Removes a session; the user it belonged to.
    pub fn remove(&mut self, session: u64) -> Option<u64> {
        let user = self.owners.remove(&session)?;
        if let Some(sessions) = self.users.get_mut(&user) {
            sessions.retain(|&(each, _)| each != session);
            if sessions.is_empty() {
                self.users.remove(&user);
            }
        }
        Some(user)
    }

    /// The user's sessions; only those of a first shard unless `all_shards` (protocol.md §6).
    pub fn sessions(&self, user: u64, all_shards: bool) -> impl Iterator<Item = u64> {
        let sessions = self.users.get(&user).map_or(&[][..], |sessions| sessions);
        sessions
            .iter()
            .filter(move |(_, first)| all_shards || *first)
            .map(|&(session, _)| session)
    }

    /// How many users and sessions it holds.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.users.len(), self.owners.len())
    }
}

#[cfg(test)]
mod tests {
    use super::UserIndex;

    #[test]
    fn direct_events_go_to_the_first_shard_only() {
        let mut index = UserIndex::default();
        index.add(10, 1, true);
        index.add(11, 1, false);
        assert_eq!(index.sessions(1, false).collect::<Vec<_>>(), [10]);
        assert_eq!(index.sessions(1, true).collect::<Vec<_>>(), [10, 11]);
        assert_eq!(index.remove(10), Some(1));
        assert_eq!(index.remove(11), Some(1));
        assert_eq!(index.remove(11), None);
        assert_eq!(index.sizes(), (0, 0));
    }
}
