//! `Mailbox`: messages to one worker, in the order they were put, with a wake-up of its poll.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mio::Waker;

/// Many senders, one worker. Only the message that makes it non-empty costs a system call.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    messages: Mutex<Vec<T>>,
    waker: Waker,
    closed: AtomicBool,
}

impl<T> Mailbox<T> {
    /// An empty mailbox that wakes the given poll.
    pub(crate) fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
        Ok(Self {
            messages: Mutex::default(),
            waker: Waker::new(registry, token)?,
            closed: AtomicBool::new(false),
        })
    }

    /// Appends a message; one put into a closed mailbox is dropped.
    pub(crate) fn put(&self, message: T) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let was_empty = {
            let mut messages = self.lock();
            let was_empty = messages.is_empty();
            messages.push(message);
            was_empty
        };
        if was_empty {
            // An eventfd write only fails when the counter is full, and then the poll wakes anyway.
            let _ = self.waker.wake();
        }
    }

    /// Moves all messages into `into`, which must be empty.
    pub(crate) fn take(&self, into: &mut Vec<T>) {
        std::mem::swap(&mut *self.lock(), into);
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Drops what waits and what comes.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
