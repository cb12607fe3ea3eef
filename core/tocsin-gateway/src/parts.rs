//! `Parts`: of sessions that come from another node, which partitions' parts have come (ADR 0019). Only the dispatcher
//! asks it.
//!
//! Until a partition's part has come, its events are what the session is about to be given, and not for it yet.

use foldhash::HashMap;
use tocsin_bus::Scope;

use crate::command::{Dispatch, Target};
use crate::dispatcher::{Dispatcher, GUILD_SCOPE};
use crate::key::SessionKey;

/// The kind of a user's scope (`ScopeKind.USER`).
const USER_SCOPE: u8 = 3;

/// A partition's bit; 0 where there is but one, or an event has none.
pub(crate) type PartBit = u64;

/// What a part is to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// None of the others has come.
    First,
    /// Some have.
    Next,
    /// Its client begins anew.
    Vain,
}

/// Sessions to what has come.
#[derive(Debug)]
pub(crate) struct Parts {
    partitions: u32,
    /// The bits of what has come; `None`: something was in doubt. Empty with one partition.
    come: HashMap<SessionKey, Option<PartBit>>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            partitions: 1,
            come: HashMap::default(),
        }
    }
}

impl Parts {
    /// There are so many partitions, 64 at most.
    pub(crate) fn of(&mut self, partitions: u32) {
        self.partitions = partitions;
    }

    /// The bit of the partition that has a scope's log.
    pub(crate) fn bit(&self, scope: Scope) -> PartBit {
        self.bit_of(scope.partition(self.partitions))
    }

    /// A partition's bit.
    pub(crate) fn bit_of(&self, partition: u32) -> PartBit {
        if self.partitions < 2 {
            return 0;
        }
        1_u64.checked_shl(partition).unwrap_or(0)
    }

    /// A part comes.
    pub(crate) fn begin(&mut self, key: SessionKey) -> Part {
        if self.partitions < 2 {
            return Part::First;
        }
        match self.come.get(&key) {
            None => {
                self.come.insert(key, Some(0));
                Part::First
            }
            Some(Some(_)) => Part::Next,
            Some(None) => Part::Vain,
        }
    }

    /// It has come; whether it was the last one.
    pub(crate) fn end(&mut self, key: SessionKey, bit: PartBit) -> bool {
        if self.partitions < 2 {
            return true;
        }
        let Some(Some(come)) = self.come.get_mut(&key) else {
            return false;
        };
        *come |= bit;
        let whole = come.count_ones() == self.partitions;
        if whole {
            self.come.remove(&key);
        }
        whole
    }

    /// Something is in doubt: what else comes is in vain.
    pub(crate) fn lose(&mut self, key: SessionKey) {
        if let Some(come) = self.come.get_mut(&key) {
            *come = None;
        }
    }

    /// The session is gone.
    pub(crate) fn forget(&mut self, key: SessionKey) {
        self.come.remove(&key);
    }
}

impl Dispatcher {
    /// The partition of what the control plane says: of the event that this belongs to, or else of its guild or user.
    pub(crate) fn part_of(&self, dispatch: &Dispatch) -> PartBit {
        if let Some((scope, _)) = self.deciding.as_ref().and_then(|each| each.place) {
            return self.parts.bit(scope);
        }
        let (kind, id) = match &dispatch.target {
            Target::Channel { guild, .. } | Target::Guild(guild) => (GUILD_SCOPE, *guild),
            _ if dispatch.guild != 0 => (GUILD_SCOPE, dispatch.guild),
            Target::Users(users) if users.len() == 1 => (USER_SCOPE, users[0]),
            _ => return 0,
        };
        self.parts.bit(Scope { kind, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SessionKey = SessionKey::new(0, 1, 7);

    #[test]
    fn a_session_goes_on_with_the_last_of_its_parts() {
        let mut parts = Parts::default();
        parts.of(64);
        for partition in (0..64).rev() {
            let first = partition == 63;
            assert_eq!(
                parts.begin(KEY),
                if first { Part::First } else { Part::Next }
            );
            let bit = parts.bit_of(partition);
            assert_eq!(parts.end(KEY, bit), partition == 0);
        }
        assert!(parts.come.is_empty());
    }

    #[test]
    fn after_a_doubt_nothing_comes_until_its_end() {
        let mut parts = Parts::default();
        parts.of(2);
        parts.lose(KEY);
        assert_eq!(parts.begin(KEY), Part::First);
        parts.lose(KEY);
        assert!(!parts.end(KEY, 1));
        assert_eq!(parts.begin(KEY), Part::Vain);
        assert!(!parts.end(KEY, 2));
        parts.forget(KEY);
        assert!(parts.come.is_empty());
    }

    #[test]
    fn of_one_partition_nothing_is_kept() {
        let mut parts = Parts::default();
        assert_eq!(parts.begin(KEY), Part::First);
        assert!(parts.end(KEY, parts.bit(Scope { kind: 1, id: 5 })));
        assert!(parts.come.is_empty());
        assert_eq!(parts.bit_of(0), 0);
    }

    #[test]
    fn a_scopes_bit_is_that_of_its_partition() {
        let mut parts = Parts::default();
        parts.of(4);
        for id in 0..100 {
            let scope = Scope { kind: 1, id };
            assert_eq!(parts.bit(scope), 1 << scope.partition(4));
        }
    }
}
