//! The desk between those who ask for sessions of other nodes, the heir's thread and the reader; and the mark, whose
//! entry is where they meet.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tocsin_bus::{Inheritance, SessionId};

/// How long this node's own reader waits at a mark for what goes there.
const AT_THE_MARK: Duration = Duration::from_secs(2);

/// A session that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) ticket: u64,
    pub(crate) id: SessionId,
    pub(crate) digest: [u8; 32],
    pub(crate) seq: u64,
}

/// Something for the heir to do.
#[derive(Debug)]
pub(crate) enum Job {
    Find(Wanted),
    /// The ticket it was found by, the key of the session that waits, and the worker of that.
    Take(u64, u64, usize),
}

#[derive(Debug, Default)]
struct State {
    jobs: Vec<Job>,
    /// What goes to which mark; `None`: it came to nothing.
    made: HashMap<u64, Option<Inheritance>>,
    given_up: HashSet<u64>,
    incarnation: u64,
    ended: bool,
}

/// What the heir, the reader and those who ask share.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn find(&self, wanted: Wanted) {
        self.lock().jobs.push(Job::Find(wanted));
        self.changed.notify_all();
    }

    pub(crate) fn take(&self, ticket: u64, session: u64, worker: usize) {
        self.lock().jobs.push(Job::Take(ticket, session, worker));
        self.changed.notify_all();
    }

    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// The inbox that is read is this one.
    pub(crate) fn reads(&self, incarnation: u64) {
        self.lock().incarnation = incarnation;
    }

    /// Waits for what goes to a mark.
    pub(crate) fn at_mark(&self, mark: u64) -> Option<Inheritance> {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), AT_THE_MARK, |state| {
                !state.made.contains_key(&mark) && !state.ended
            })
            .unwrap_or_else(PoisonError::into_inner);
        let made = state.made.remove(&mark);
        if made.is_none() {
            state.given_up.insert(mark);
        }
        made.flatten()
    }

    /// Puts what goes to a mark; `false`: nobody waits for it any more.
    pub(crate) fn put(&self, mark: u64, made: Option<Inheritance>) -> bool {
        let mut state = self.lock();
        if state.given_up.remove(&mark) {
            return false;
        }
        state.made.insert(mark, made);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Waits for jobs, for so long if not for good; `None` at the end.
    pub(crate) fn jobs(&self, wait: Option<Duration>) -> Option<(Vec<Job>, u64)> {
        let none = |state: &mut State| state.jobs.is_empty() && !state.ended;
        let mut state = match wait {
            Some(wait) => {
                let waited = self.changed.wait_timeout_while(self.lock(), wait, none);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait_while(self.lock(), none);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        (!state.ended).then(|| (std::mem::take(&mut state.jobs), state.incarnation))
    }
}

/// The mark's entry: whose it is, which one, and the sessions.
pub(crate) fn mark(inbox: &str, number: u64, sessions: &[SessionId]) -> String {
    let ids: Vec<_> = sessions.iter().map(SessionId::to_string).collect();
    format!("{inbox}\n{number}\n{}", ids.join(","))
}

/// Reads a mark's entry.
pub(crate) fn read_mark(octets: &[u8]) -> Option<(&str, u64, Vec<SessionId>)> {
    let mut lines = std::str::from_utf8(octets).ok()?.split('\n');
    let (inbox, number) = (lines.next()?, lines.next()?.parse().ok()?);
    let ids = lines
        .next()?
        .split(',')
        .filter_map(|id| id.parse().ok())
        .collect();
    Some((inbox, number, ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_its_text() {
        let ids = [SessionId([1; 16]), SessionId([0xfe; 16])];
        let text = mark("node.1", 7, &ids);
        assert_eq!(
            read_mark(text.as_bytes()),
            Some(("node.1", 7, ids.to_vec()))
        );
        for damaged in ["", "node", "node\nx\n", "node\n1"] {
            assert_eq!(read_mark(damaged.as_bytes()), None);
        }
    }

    #[test]
    fn what_nobody_waits_for_is_not_kept() {
        let desk = Desk::default();
        assert!(desk.put(1, Some(Inheritance::default())));
        assert_eq!(desk.at_mark(1), Some(Inheritance::default()));
        desk.end();
        assert_eq!(desk.at_mark(2), None);
        assert!(!desk.put(2, None));
    }
}
