//! `Inbox`: the dispatcher's queue.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tocsin_bus::journal::{JournalSink, Position};

use crate::command::Command;
use crate::key::SessionKey;

/// One item of the dispatcher's queue.
#[derive(Debug)]
pub(crate) enum Item {
    /// Commands of the control plane, in their order.
    Batch(Vec<Command>),
    /// Events of the inboxes, all there were up to the places that are given.
    Arrived(Vec<Command>, Position),
    /// A session is gone from its worker.
    SessionEnded(SessionKey),
    /// What a worker's sessions are given is to be written there, too.
    Journal {
        /// Which worker.
        worker: usize,
        /// Where to.
        journal: Box<dyn JournalSink>,
        /// Another one each time.
        epoch: u64,
    },
    /// End the thread.
    Stop,
}

/// The dispatcher's queue. Bounded by its senders: the control plane waits for commits, workers for sessions.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    items: Vec<Item>,
    /// When the first of them came.
    since: Option<Instant>,
}

impl Inbox {
    /// Appends an item.
    pub(crate) fn put(&self, item: Item) {
        let mut waiting = self.lock();
        waiting.items.push(item);
        if waiting.items.len() == 1 {
            waiting.since = Some(Instant::now());
            self.ready.notify_one();
        }
    }

    /// Waits for items and moves all of them into `into`, which must be empty. Returns when the first of them came.
    pub(super) fn take(&self, into: &mut Vec<Item>) -> Option<Instant> {
        let mut waiting = self.lock();
        while waiting.items.is_empty() {
            waiting = self
                .ready
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut waiting.items, into);
        waiting.since
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
