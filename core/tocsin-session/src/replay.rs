//! `ReplayLog`: a session's sequence, and the dispatches it may still ask for, by reference.
//!
//! Invariant: dispatches are numbered 1, 2, 3, ... over the session's life, and what is kept has no gap: a resume
//! replays exactly what is missing or nothing.

use std::collections::VecDeque;

/// Most entries for which idle room is kept.
const MOST_ROOM: usize = 128;

/// Entries `first..=last`; older ones were acknowledged or had to make room.
#[derive(Debug)]
pub struct ReplayLog<E> {
    entries: VecDeque<(E, u32)>,
    /// The number of the oldest entry, or of the next one when there is none.
    first: u64,
    bytes: usize,
    max_bytes: usize,
    max_events: u32,
    /// How many entries there were at the last acknowledgement.
    usual: u32,
}

impl<E> ReplayLog<E> {
    /// A log of at most so many entries and octets; octets count as if nobody else shared them.
    #[must_use]
    pub fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 1,
            bytes: 0,
            max_bytes,
            max_events: u32::try_from(max_events).unwrap_or(u32::MAX),
            usual: 0,
        }
    }

    /// The same, with nothing kept of what was numbered up to `seq` elsewhere.
    #[must_use]
    pub fn from_seq(seq: u64, max_events: usize, max_bytes: usize) -> Self {
        Self {
            first: seq.saturating_add(1),
            ..Self::new(max_events, max_bytes)
        }
    }

    /// Numbers the next dispatch and remembers it; the oldest make room when a limit is reached. One that is over a
    /// limit by itself is numbered and not kept.
    pub fn push(&mut self, entry: E, cost_bytes: usize) -> u64 {
        let cost = u32::try_from(cost_bytes).unwrap_or(u32::MAX);
        self.entries.push_back((entry, cost));
        self.bytes += cost as usize;
        let seq = self.last_seq();
        while self.entries.len() > self.max_events as usize || self.bytes > self.max_bytes {
            self.drop_first();
        }
        seq
    }

    /// The client has seen everything up to `seq`: lets go of it, and gives memory back when most of it is idle. Room
    /// that was needed twice in a row, for as many entries as were kept at the last acknowledgement and are now, stays
    /// for the next time. A number that was never sent is ignored.
    pub fn acknowledge(&mut self, seq: u64) {
        if seq > self.last_seq() {
            return;
        }
        let now = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let usual = now.min(std::mem::replace(&mut self.usual, now)) as usize;
        while self.first <= seq && !self.entries.is_empty() {
            self.drop_first();
        }
        let room = usual.min(MOST_ROOM).max(self.entries.len() * 2);
        if self.entries.capacity() > 8 && room * 2 < self.entries.capacity() {
            self.entries.shrink_to(room);
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, cost)) = self.entries.pop_front() {
            self.bytes -= cost as usize;
            self.first += 1;
        }
    }

    /// The last number given out, 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }

    /// Whether everything after `seq` is still kept.
    #[must_use]
    pub fn reaches(&self, seq: u64) -> bool {
        seq <= self.last_seq() && self.first <= seq.saturating_add(1)
    }

    /// The entries after `seq` with their numbers, in order; none unless [`reaches`](Self::reaches) holds.
    pub fn after(&self, seq: u64) -> impl Iterator<Item = (u64, &E)> {
        let skip = if self.reaches(seq) {
            usize::try_from(seq + 1 - self.first).unwrap_or(usize::MAX)
        } else {
            usize::MAX
        };
        self.entries
            .iter()
            .enumerate()
            .skip(skip)
            .map(|(at, (entry, _))| (self.first + at as u64, entry))
    }

    /// How many entries are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Octets of what is kept.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::ReplayLog;

    #[test]
    fn what_is_acknowledged_or_pushed_out_is_let_go_of() {
        let event = Rc::new(());
        let mut log = ReplayLog::new(10, 1_000);
        for _ in 0..25 {
            log.push(Rc::clone(&event), 10);
        }
        assert_eq!(Rc::strong_count(&event), 11);
        log.acknowledge(20);
        assert_eq!(Rc::strong_count(&event), 6);
        log.push(Rc::clone(&event), 1_001);
        assert_eq!((Rc::strong_count(&event), log.last_seq()), (1, 26));
        assert!(log.reaches(26) && !log.reaches(25));
    }

    #[test]
    fn a_log_that_goes_on_elsewhere_numbers_on() {
        let mut log = ReplayLog::from_seq(41, 10, 1_000);
        assert_eq!(
            (log.last_seq(), log.reaches(41), log.reaches(40)),
            (41, true, false)
        );
        assert_eq!(log.push((), 1), 42);
        assert_eq!(log.after(41).count(), 1);
    }

    #[test]
    fn room_that_is_needed_again_and_again_stays_and_goes_with_the_first_quiet_time() {
        let mut log = ReplayLog::new(1_000, usize::MAX);
        let interval = |log: &mut ReplayLog<u32>, events| {
            (0..events).for_each(|each| _ = log.push(each, 1));
            log.acknowledge(log.last_seq());
            log.entries.capacity()
        };
        assert_eq!(interval(&mut log, 50), 0);
        let kept = interval(&mut log, 50);
        assert!((50..=100).contains(&kept));
        assert_eq!(interval(&mut log, 45), kept);
        assert_eq!(interval(&mut log, 0), 0);
        interval(&mut log, 900);
        assert!(interval(&mut log, 900) <= 256);
    }

    #[test]
    fn a_quiet_session_gives_the_memory_of_a_burst_back() {
        let mut log = ReplayLog::new(1_000, usize::MAX);
        for number in 0..1_000 {
            log.push(number, 1);
        }
        log.acknowledge(990);
        assert!(log.entries.capacity() <= 20);
        log.acknowledge(1_000);
        assert!(log.entries.capacity() <= 20);
        log.acknowledge(1_000);
        assert_eq!(log.entries.capacity(), 0);
    }
}
