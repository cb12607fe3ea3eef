//! `Timers`: a worker's deadlines in a binary heap.
//!
//! Entries are never removed early: owners keep the deadline they armed and ignore an entry that no longer matches.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a deadline belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// A connection: slab index and the connection's number.
    Connection(usize, u64),
    /// A detached session: its slot's key as an integer.
    Session(u64),
    /// Accepting may go on after it was paused.
    Accept,
    /// The drain closes its next connections.
    Drain,
}

/// Deadlines in ms of the worker's clock.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, TimerKey)>>,
}

impl Timers {
    /// Arms a deadline.
    pub(crate) fn arm(&mut self, at_ms: u64, key: TimerKey) {
        self.heap.push(Reverse((at_ms, key)));
    }

    /// The earliest deadline, if any.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one entry that is due.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<(u64, TimerKey)> {
        if self.next_ms()? > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_out_in_order_of_time_and_only_when_due() {
        let mut timers = Timers::default();
        timers.arm(30, TimerKey::Accept);
        timers.arm(10, TimerKey::Session(1));
        timers.arm(20, TimerKey::Connection(1, 2));
        assert_eq!(timers.next_ms(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(20), Some((10, TimerKey::Session(1))));
        assert_eq!(timers.pop_due(20), Some((20, TimerKey::Connection(1, 2))));
        assert_eq!(timers.pop_due(20), None);
    }
}
