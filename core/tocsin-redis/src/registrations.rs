//! `Registrations`: those that are under way in several lanes; one answer for all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many lanes have yet to answer a ticket, and whether all that did said yes.
#[derive(Debug, Default)]
pub(crate) struct Registrations(Mutex<HashMap<u64, (usize, bool)>>);

impl Registrations {
    /// So many lanes will answer.
    pub(crate) fn expect(&self, ticket: u64, lanes: usize) {
        self.lock().insert(ticket, (lanes, true));
    }

    /// A lane's answer; that of all if it was the last one.
    pub(crate) fn answer(&self, ticket: u64, done: bool) -> Option<bool> {
        let mut open = self.lock();
        let (left, all) = open.get_mut(&ticket)?;
        *left = left.saturating_sub(1);
        *all &= done;
        if *left > 0 {
            return None;
        }
        open.remove(&ticket).map(|(_, all)| all)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (usize, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lane_brings_the_answer_of_all() {
        let registrations = Registrations::default();
        registrations.expect(1, 2);
        registrations.expect(2, 2);
        assert_eq!(registrations.answer(1, true), None);
        assert_eq!(registrations.answer(2, false), None);
        assert_eq!(registrations.answer(1, true), Some(true));
        assert_eq!(registrations.answer(2, true), Some(false));
        assert_eq!(registrations.answer(2, true), None);
    }
}
