//! Window: the events of a measured stretch: when each was meant to go out and who still waits for it.

use std::time::Instant;

use crate::histogram::Histogram;

struct Sent {
    meant_at: Instant,
    waiting: usize,
}

/// Deliveries are counted per connection in order, so the n-th event a connection gets is the n-th published.
pub(crate) struct Window {
    receivers: usize,
    sent: Vec<Sent>,
    pub(crate) completed: usize,
    pub(crate) deliveries: u64,
    pub(crate) extra: u64,
    pub(crate) bytes: u64,
    pub(crate) reads: u64,
    pub(crate) all: Histogram,
    pub(crate) first: Histogram,
    pub(crate) last: Histogram,
}

impl Window {
    pub(crate) fn new(receivers: usize) -> Self {
        Self {
            receivers,
            sent: Vec::new(),
            completed: 0,
            deliveries: 0,
            extra: 0,
            bytes: 0,
            reads: 0,
            all: Histogram::new(),
            first: Histogram::new(),
            last: Histogram::new(),
        }
    }

    pub(crate) fn published(&mut self, meant_at: Instant) {
        self.sent.push(Sent {
            meant_at,
            waiting: self.receivers,
        });
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.sent.len() - self.completed
    }

    pub(crate) fn count(&self) -> usize {
        self.sent.len()
    }

    /// A connection got its `index`-th event of the window, `bytes` long with its header.
    pub(crate) fn delivered(&mut self, index: usize, bytes: usize, now: Instant) {
        let Some(event) = self.sent.get_mut(index) else {
            self.extra += 1;
            return;
        };
        let took = now.saturating_duration_since(event.meant_at);
        self.deliveries += 1;
        self.bytes += bytes as u64;
        self.all.record(took);
        if event.waiting == self.receivers {
            self.first.record(took);
        }
        event.waiting -= 1;
        if event.waiting == 0 {
            self.last.record(took);
            self.completed += 1;
        }
    }
}
