//! `Flight`: how long an event is on its way from the dispatcher to the last socket; of a traced one, every stage of it.
//!
//! An event that is not traced costs its place in a list until the turn that writes it ends. What a traced one went
//! through waits in `Passages` until the control plane asks for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::event::Delivery;
use crate::metrics::WorkerMetrics;

/// Most passages that wait; one more is lost, and counted.
const MOST: usize = 4_096;

/// What of a delivery's way is noted.
#[derive(Debug)]
pub(crate) struct Flight {
    taken: Instant,
    receivers: AtomicU64,
    pub(crate) trace: Option<Box<Trace>>,
}

impl Flight {
    /// Of an event that the dispatcher took then.
    pub(crate) fn new(taken: Instant, trace: Option<Box<Trace>>) -> Self {
        Self {
            taken,
            receivers: AtomicU64::new(0),
            trace,
        }
    }

    /// So many sessions of a worker got it.
    pub(crate) fn add(&self, receivers: u64) {
        if receivers != 0 {
            self.receivers.fetch_add(receivers, Ordering::Relaxed);
        }
    }
}

/// The stages of a traced event on this node: several workers' as one, in ns since it came.
#[derive(Debug)]
pub(crate) struct Trace {
    body: Bytes,
    arrived: Instant,
    ordered: u64,
    handed: AtomicU64,
    /// One bit each; those from the 65th on share bits.
    workers: AtomicU64,
    begun: AtomicU64,
    given: AtomicU64,
    first_write: AtomicU64,
    written: AtomicU64,
}

impl Trace {
    /// Of an event that came then, and whose turn it is now.
    pub(crate) fn new(body: Bytes, arrived: Instant) -> Self {
        Self {
            body,
            arrived,
            ordered: since(arrived, Instant::now()),
            handed: AtomicU64::new(0),
            workers: AtomicU64::new(0),
            begun: AtomicU64::new(u64::MAX),
            given: AtomicU64::new(0),
            first_write: AtomicU64::new(u64::MAX),
            written: AtomicU64::new(0),
        }
    }

    /// The workers are about to be told.
    pub(crate) fn hand_out(&self, at: Instant) {
        self.handed
            .store(since(self.arrived, at), Ordering::Relaxed);
    }

    /// A worker has given it to its sessions.
    pub(crate) fn given(&self, worker: usize, begun: Instant, first_write: Option<Instant>) {
        self.workers.fetch_or(1 << (worker % 64), Ordering::Relaxed);
        self.begun
            .fetch_min(since(self.arrived, begun), Ordering::Relaxed);
        let now = since(self.arrived, Instant::now());
        self.given.fetch_max(now, Ordering::Relaxed);
        if let Some(at) = first_write {
            self.first_write
                .fetch_min(since(self.arrived, at), Ordering::Relaxed);
        }
    }

    fn wrote(&self, from: Instant, to: Instant) {
        self.first_write
            .fetch_min(since(self.arrived, from), Ordering::Relaxed);
        self.written
            .fetch_max(since(self.arrived, to), Ordering::Relaxed);
    }

    fn passage(self, receivers: u64) -> Passage {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let arrived = now.saturating_sub(self.arrived.elapsed());
        let at = |ns: AtomicU64| nanos(arrived + Duration::from_nanos(ns.into_inner()));
        Passage {
            body: self.body,
            receivers,
            workers: self.workers.into_inner().count_ones(),
            arrived: nanos(arrived),
            ordered: at(self.ordered.into()),
            handed: at(self.handed),
            begun: at(self.begun),
            given: at(self.given),
            writes: (receivers > 0).then(|| (at(self.first_write), at(self.written))),
        }
    }
}

fn since(from: Instant, to: Instant) -> u64 {
    nanos(to.saturating_duration_since(from))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What a traced event went through on this node. Times in Unix ns; of several workers the first begin and the last end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The JSON of its `d`.
    pub body: Bytes,
    /// How many sessions it was given to.
    pub receivers: u64,
    /// How many workers were told.
    pub workers: u32,
    /// It came to this node.
    pub arrived: u64,
    /// Its turn came in its scope's order.
    pub ordered: u64,
    /// Its audience was known to the dispatcher, and the workers told.
    pub handed: u64,
    /// A worker began.
    pub begun: u64,
    /// The last worker had given it to all its sessions.
    pub given: u64,
    /// The first and the last write to sockets, if anybody got it.
    pub writes: Option<(u64, u64)>,
}

/// Passages that the control plane has not asked for yet.
#[derive(Debug, Default)]
pub(crate) struct Passages {
    waiting: Mutex<Vec<Passage>>,
    lost: AtomicU64,
}

impl Passages {
    fn put(&self, passage: Passage) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST {
            waiting.push(passage);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Moves all out.
    pub(crate) fn take(&self) -> Vec<Passage> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many found no room.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// What one worker was told to deliver and has not wholly written, as far as sockets take it.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    /// Of this turn, and whether any session of the worker got it.
    fresh: Vec<(Arc<Delivery>, bool)>,
    /// Written once so many postponed connections have had their turn.
    waiting: VecDeque<(u64, Arc<Delivery>, bool)>,
    /// Postponed connections that had their turn.
    resumed: u64,
    /// One of this turn's is traced, or may be of those that wait.
    traced: bool,
}

impl Flights {
    /// Takes in a delivery that was given to the sessions.
    pub(crate) fn add(&mut self, delivery: Arc<Delivery>, received: bool) {
        self.traced |= delivery.flight.trace.is_some();
        self.fresh.push((delivery, received));
    }

    /// Whether `settle` is to be told when writing began.
    pub(crate) fn traced(&self) -> bool {
        self.traced
    }

    /// A postponed connection was written to, or is gone.
    pub(crate) fn resume_one(&mut self) {
        self.resumed += 1;
    }

    /// The turn has written what it had to, between these times, and so many connections are still postponed.
    pub(crate) fn settle(
        &mut self,
        postponed: usize,
        times: (Instant, Instant),
        metrics: &WorkerMetrics,
        passages: &Passages,
    ) {
        let resumed = self.resumed;
        while self
            .waiting
            .front()
            .is_some_and(|(until, ..)| *until <= resumed)
        {
            let Some((_, delivery, received)) = self.waiting.pop_front() else {
                break;
            };
            land(delivery, received, times, metrics, passages);
        }
        self.traced &= postponed > 0;
        if postponed == 0 {
            for (delivery, received) in self.fresh.drain(..) {
                land(delivery, received, times, metrics, passages);
            }
        } else {
            let until = self.resumed + postponed as u64;
            for (delivery, received) in self.fresh.drain(..) {
                if let Some(trace) = &delivery.flight.trace
                    && received
                {
                    trace.wrote(times.0, times.1);
                }
                self.waiting.push_back((until, delivery, received));
            }
        }
    }
}

/// This worker is done with a delivery; the last one says how it went.
fn land(
    delivery: Arc<Delivery>,
    received: bool,
    (began, ended): (Instant, Instant),
    metrics: &WorkerMetrics,
    passages: &Passages,
) {
    if let Some(trace) = &delivery.flight.trace
        && received
    {
        trace.wrote(began, ended);
    }
    let Some(delivery) = Arc::into_inner(delivery) else {
        return;
    };
    let flight = delivery.flight;
    let receivers = flight.receivers.into_inner();
    metrics
        .fanout
        .took(ended.saturating_duration_since(flight.taken));
    metrics.receivers.note(receivers);
    if let Some(trace) = flight.trace {
        passages.put(trace.passage(receivers));
    }
}
