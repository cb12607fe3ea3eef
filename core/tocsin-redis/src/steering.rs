//! `Steering`: which incarnation the lanes of the reader are in, all of them together, and when it may be read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tocsin_bus::Why;

#[derive(Debug)]
struct State {
    /// Counts from 1.
    number: u64,
    /// Why it was begun.
    why: Why,
    /// How many lanes have made their inboxes of it.
    opened: usize,
    /// Stands for the Redis of all of those.
    redis: u32,
    released: u64,
}

/// What the lanes and those who steer them share.
#[derive(Debug)]
pub(crate) struct Steering {
    lanes: usize,
    stop: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Steering {
    pub(crate) fn new(lanes: usize) -> Self {
        let state = State {
            number: 1,
            why: Why::First,
            opened: 0,
            redis: 0,
            released: 0,
        };
        Self {
            lanes,
            stop: AtomicBool::new(false),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The incarnation that there is to be, and why.
    pub(crate) fn current(&self) -> (u64, Why) {
        let state = self.lock();
        (state.number, state.why)
    }

    /// A lane has made its inboxes, at a Redis that `redis` stands for; whether it was the last one.
    pub(crate) fn opened(&self, incarnation: u64, redis: u32) -> bool {
        let mut state = self.lock();
        if state.number != incarnation {
            return false;
        }
        state.opened += 1;
        state.redis = state.redis.wrapping_add(redis);
        state.opened == self.lanes
    }

    /// A lane cannot go on with it: there is to be another one, for all.
    pub(crate) fn over(&self, incarnation: u64, why: Why) {
        let mut state = self.lock();
        if state.number == incarnation {
            state.number += 1;
            state.opened = 0;
            state.redis = 0;
            state.why = why;
            self.changed.notify_all();
        }
    }

    /// What stands for the Redis of all lanes, once all have opened the incarnation and while none has ended it.
    pub(crate) fn redis(&self, incarnation: u64) -> Option<u32> {
        let state = self.lock();
        (state.number == incarnation && state.opened == self.lanes).then_some(state.redis)
    }

    /// The incarnation may be read.
    pub(crate) fn release(&self, incarnation: u64) {
        let mut state = self.lock();
        state.released = state.released.max(incarnation);
        self.changed.notify_all();
    }

    pub(crate) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits for so long; whether the incarnation may be read then.
    pub(crate) fn released(&self, incarnation: u64, wait: Duration) -> bool {
        self.wait(wait, |state| {
            state.released < incarnation && state.number == incarnation
        })
    }

    pub(crate) fn pause(&self, pause: Duration) {
        self.wait(pause, |_| true);
    }

    /// Waits while something holds; whether it does not any more.
    fn wait(&self, wait: Duration, mut holds: impl FnMut(&State) -> bool) -> bool {
        let state = self.lock();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, wait, |state| !self.stopped() && holds(state))
            .unwrap_or_else(PoisonError::into_inner);
        !holds(&state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lane_opens_an_incarnation_and_any_ends_it() {
        let steering = Steering::new(2);
        assert_eq!(steering.current(), (1, Why::First));
        assert!(!steering.opened(1, 5));
        assert_eq!(steering.redis(1), None);
        assert!(steering.opened(1, 6));
        assert_eq!(steering.redis(1), Some(11));
        steering.over(1, Why::Gap);
        steering.over(1, Why::Restart);
        assert_eq!(steering.current(), (2, Why::Gap), "the first word counts");
        assert!(!steering.opened(1, 7), "of one that is over");
        assert!(!steering.opened(2, 8));
        assert!(steering.opened(2, u32::MAX));
        assert_eq!((steering.redis(1), steering.redis(2)), (None, Some(7)));
    }

    #[test]
    fn nobody_waits_for_an_incarnation_that_is_over() {
        let steering = Steering::new(1);
        assert!(!steering.released(1, Duration::ZERO));
        steering.release(1);
        assert!(steering.released(1, Duration::from_secs(9)));
        steering.over(1, Why::Restart);
        assert!(!steering.released(2, Duration::ZERO));
        steering.end();
        steering.pause(Duration::from_secs(9));
        assert!(!steering.released(2, Duration::from_secs(9)));
    }
}
