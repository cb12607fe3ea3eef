//! The desk between those who ask for sessions of other nodes, the heir's thread and the reader; and the mark, whose
//! entry is where they meet.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tocsin_bus::{Inheritance, SessionId};

/// How long this node's own reader waits at a mark for what goes there.
const AT_THE_MARK: Duration = Duration::from_secs(2);
/// Marks of other nodes that are remembered, so that those of one number in several partitions count once.
const REMEMBERED: usize = 4_096;

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
    /// What goes to the mark of a number in a partition; `None`: it came to nothing.
    made: HashMap<(u64, u32), Option<Inheritance>>,
    given_up: HashSet<(u64, u32)>,
    /// Marks of other nodes, the oldest first.
    fenced: HashSet<(Box<str>, u64)>,
    fenced_in_order: VecDeque<(Box<str>, u64)>,
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

    /// The inboxes that are read are these. Nobody comes to marks of the ones before.
    pub(crate) fn reads(&self, incarnation: u64) {
        let mut state = self.lock();
        state.incarnation = incarnation;
        state.made.retain(|(mark, _), _| mark >> 32 == incarnation);
        state.given_up.retain(|(mark, _)| mark >> 32 == incarnation);
    }

    /// Waits for what goes to a mark in a partition.
    pub(crate) fn at_mark(&self, mark: u64, partition: u32) -> Option<Inheritance> {
        let place = (mark, partition);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), AT_THE_MARK, |state| {
                !state.made.contains_key(&place) && !state.ended
            })
            .unwrap_or_else(PoisonError::into_inner);
        let made = state.made.remove(&place);
        if made.is_none() {
            state.given_up.insert(place);
        }
        made.flatten()
    }

    /// Puts what goes to a mark in a partition; `false`: nobody waits for it any more.
    pub(crate) fn put(&self, mark: u64, partition: u32, made: Option<Inheritance>) -> bool {
        let mut state = self.lock();
        if state.given_up.remove(&(mark, partition)) {
            return false;
        }
        state.made.insert((mark, partition), made);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Fences at another node's mark, the first time that one of its number is met: what comes after it in other
    /// partitions comes after the fence too, and a session that has come back meanwhile is not fenced again.
    pub(crate) fn fence_once(&self, inbox: &str, mark: u64, fence: impl FnOnce()) {
        let mut state = self.lock();
        let mark = (Box::from(inbox), mark);
        if !state.fenced.insert(mark.clone()) {
            return;
        }
        state.fenced_in_order.push_back(mark);
        if state.fenced_in_order.len() > REMEMBERED
            && let Some(oldest) = state.fenced_in_order.pop_front()
        {
            state.fenced.remove(&oldest);
        }
        fence();
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
        desk.reads(1);
        let mark = 1 << 32 | 1;
        assert!(desk.put(mark, 0, Some(Inheritance::default())));
        assert!(desk.put(mark, 3, None));
        assert_eq!(desk.at_mark(mark, 0), Some(Inheritance::default()));
        assert_eq!(desk.at_mark(mark, 3), None);
        desk.end();
        assert_eq!(desk.at_mark(mark + 1, 0), None);
        assert!(!desk.put(mark + 1, 0, None));
        assert!(desk.put(mark + 1, 1, None));
        desk.reads(2);
        let state = desk.lock();
        assert!(state.made.is_empty() && state.given_up.is_empty());
    }

    #[test]
    fn a_mark_fences_once_in_whatever_partition_it_is_met_first() {
        let desk = Desk::default();
        let mut fenced = Vec::new();
        for (inbox, mark) in [("a.1", 1), ("a.1", 1), ("b.1", 1), ("a.1", 2), ("a.1", 1)] {
            desk.fence_once(inbox, mark, || fenced.push((inbox, mark)));
        }
        assert_eq!(fenced, [("a.1", 1), ("b.1", 1), ("a.1", 2)]);
        for mark in 0..2 * REMEMBERED as u64 {
            desk.fence_once("c.1", mark, || {});
        }
        assert_eq!(desk.lock().fenced.len(), REMEMBERED);
    }
}
