//! `Recent`: the last place seen in each scope's log, for a bounded number of scopes.
//!
//! Invariant: a scope is forgotten only after at least half as many others as there is room for were noted since.

use std::collections::HashMap;

use crate::envelope::Scope;

/// Two generations: what was noted lately, and what was noted before that. Forgetting drops the older one whole, so
/// it costs nothing per event.
#[derive(Debug)]
pub(crate) struct Recent {
    young: HashMap<Scope, u64>,
    old: HashMap<Scope, u64>,
    half: usize,
}

impl Recent {
    /// Room for so many scopes, at least two.
    pub(crate) fn new(scopes: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (scopes / 2).max(1),
        }
    }

    /// The last place noted for the scope, 0 if none is known.
    pub(crate) fn last(&self, scope: Scope) -> u64 {
        let found = self.young.get(&scope).or_else(|| self.old.get(&scope));
        found.copied().unwrap_or(0)
    }

    /// Notes a place.
    pub(crate) fn note(&mut self, scope: Scope, seq: u64) {
        if let Some(last) = self.young.get_mut(&scope) {
            *last = seq;
            return;
        }
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&scope);
        self.young.insert(scope, seq);
    }

    /// Lets go of a scope.
    pub(crate) fn forget(&mut self, scope: Scope) {
        if self.young.remove(&scope).is_none() {
            self.old.remove(&scope);
        }
    }

    /// How many scopes are known.
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(id: u64) -> Scope {
        Scope { kind: 2, id }
    }

    #[test]
    fn a_scope_in_use_is_kept_while_idle_ones_make_room() {
        let mut recent = Recent::new(8);
        for id in 1..1_000 {
            recent.note(scope(0), id);
            recent.note(scope(id), 7);
            assert_eq!(recent.last(scope(0)), id);
            assert_eq!(recent.last(scope(id.saturating_sub(2).max(1))), 7);
            assert!(recent.len() <= 8);
        }
        assert_eq!(recent.last(scope(1)), 0);
    }

    #[test]
    fn a_scope_noted_again_after_a_while_counts_once() {
        let mut recent = Recent::new(4);
        for id in [1, 2, 3, 1] {
            recent.note(scope(id), 1);
        }
        assert_eq!(recent.len(), 3);
    }

    #[test]
    fn a_forgotten_scope_leaves_nothing() {
        let mut recent = Recent::new(2);
        recent.note(scope(1), 1);
        recent.note(scope(2), 1);
        recent.forget(scope(1));
        recent.forget(scope(2));
        assert_eq!((recent.last(scope(1)), recent.len()), (0, 0));
    }
}
