//! `ReplayLog`: the dispatches a session may still ask for, by reference, bounded in count and octets.

use std::collections::VecDeque;

/// What one session may keep.
#[derive(Debug, Clone, Copy)]
pub struct ReplayLimits {
    /// Entries.
    pub max_events: usize,
    /// Octets of the entries' bodies, counted as if nobody shared them.
    pub max_bytes: usize,
}

/// Entries `first..=last` without a gap; older ones were acknowledged or had to go.
#[derive(Debug)]
pub struct ReplayLog<E> {
    entries: VecDeque<(E, u32)>,
    /// The sequence number of the oldest entry, or of the next one when there is none.
    first: u64,
    bytes: usize,
}

impl<E> Default for ReplayLog<E> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            first: 1,
            bytes: 0,
        }
    }
}

impl<E> ReplayLog<E> {
    /// Adds the next dispatch; the oldest make room when a limit is reached. One entry over the limit in itself
    /// is not kept at all.
    pub fn push(&mut self, entry: E, cost_bytes: usize, limits: ReplayLimits) {
        let cost = u32::try_from(cost_bytes).unwrap_or(u32::MAX);
        self.entries.push_back((entry, cost));
        self.bytes += cost as usize;
        while self.entries.len() > limits.max_events || self.bytes > limits.max_bytes {
            self.drop_first();
        }
    }

    /// Forgets everything up to and with `seq`, and gives memory back when most of it is idle.
    pub fn trim(&mut self, seq: u64) {
        while self.first <= seq && !self.entries.is_empty() {
            self.drop_first();
        }
        if self.entries.capacity() > 8 && self.entries.len() * 4 < self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, cost)) = self.entries.pop_front() {
            self.bytes -= cost as usize;
            self.first += 1;
        }
    }

    /// The entries after `seq` with their numbers, or `None` if one of them is gone.
    pub fn after(&self, seq: u64) -> Option<impl Iterator<Item = (u64, &E)>> {
        let skip = (seq + 1).checked_sub(self.first)?;
        let skip = usize::try_from(skip).ok()?;
        Some(
            self.entries
                .iter()
                .enumerate()
                .skip(skip)
                .map(|(at, (entry, _))| (self.first + at as u64, entry)),
        )
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
