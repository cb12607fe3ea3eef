//! `Queue`: what waits to be published, in order and bounded by octets.
//!
//! Invariant: a stored event that finds no room is never forgotten: its scope is named as behind, and the outbox has it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tocsin_bus::{Envelope, Scope};

use crate::entry;

/// The kind of a user's scope (`ScopeKind.USER`).
pub(crate) const USER_SCOPE: u8 = 3;

/// Entries of one call at most: it holds Redis for as long as it takes.
const ENTRIES_PER_CALL: usize = 32;

/// Events of one scope that are published by one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) scope: Scope,
    /// Whose events they are: a node with an interest in any of these gets them.
    pub(crate) interests: Vec<Scope>,
    /// The first one's place; 0 for ephemeral ones.
    pub(crate) first: u64,
    pub(crate) entries: Vec<Vec<u8>>,
}

impl Run {
    pub(crate) const fn ephemeral(&self) -> bool {
        self.first == 0
    }

    fn bytes(&self) -> usize {
        self.entries.iter().map(Vec::len).sum()
    }

    /// Whether an event may go with it.
    fn takes(&self, envelope: &Envelope, interests: &[Scope]) -> bool {
        let next = if self.ephemeral() {
            0
        } else {
            self.first + self.entries.len() as u64
        };
        self.scope == envelope.scope
            && envelope.seq == next
            && self.interests == interests
            && self.entries.len() < ENTRIES_PER_CALL
    }
}

/// Something for the publisher to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    Publish(Run),
    Register {
        ticket: u64,
        node: String,
        scopes: Vec<Scope>,
    },
    Begin {
        scope: Scope,
        after: u64,
        over_hole: bool,
    },
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Publish(run) => run.bytes(),
            Self::Register { scopes, .. } => scopes.len() * size_of::<Scope>(),
            Self::Begin { .. } => 0,
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    jobs: VecDeque<Job>,
    bytes: usize,
    behind: HashSet<Scope>,
    dropped: u64,
    closed: Option<Instant>,
}

/// The queue between those who publish and the publisher's thread.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    ready: Condvar,
    max_bytes: usize,
}

impl Queue {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            inner: Mutex::default(),
            ready: Condvar::new(),
            max_bytes,
        }
    }

    /// Appends events. What finds no room is dropped if it is ephemeral, and left to the outbox if not.
    pub(crate) fn publish<'a>(&self, events: impl IntoIterator<Item = &'a Envelope>) {
        let mut inner = self.lock();
        for envelope in events {
            let entry = entry::encode(envelope);
            let scope = envelope.scope;
            if inner.bytes + entry.len() > self.max_bytes {
                if envelope.seq == 0 {
                    inner.dropped += 1;
                } else {
                    inner.behind.insert(scope);
                }
                continue;
            }
            inner.bytes += entry.len();
            let interests = interests_of(envelope);
            match inner.jobs.back_mut() {
                Some(Job::Publish(run)) if run.takes(envelope, &interests) => {
                    run.entries.push(entry);
                }
                _ => inner.jobs.push_back(Job::Publish(Run {
                    scope,
                    interests,
                    first: envelope.seq,
                    entries: vec![entry],
                })),
            }
        }
        self.ready.notify_one();
    }

    /// Appends a registration, whatever waits.
    pub(crate) fn register(&self, ticket: u64, node: String, scopes: Vec<Scope>) {
        let mut inner = self.lock();
        let job = Job::Register {
            ticket,
            node,
            scopes,
        };
        inner.bytes += job.bytes();
        inner.jobs.push_back(job);
        self.ready.notify_one();
    }

    /// Appends the place after which a scope's log goes on, whatever waits.
    pub(crate) fn begin(&self, scope: Scope, after: u64, over_hole: bool) {
        self.lock().jobs.push_back(Job::Begin {
            scope,
            after,
            over_hole,
        });
        self.ready.notify_one();
    }

    /// Moves up to `limit` jobs, and waits until there are any if asked to; `None` when the queue is closed and empty.
    /// They count as waiting until they are [`done`](Self::done).
    pub(crate) fn take(&self, limit: usize, wait: bool) -> Option<Vec<Job>> {
        let mut inner = self.lock();
        while wait && inner.jobs.is_empty() && inner.closed.is_none() {
            inner = self
                .ready
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if inner.jobs.is_empty() && inner.closed.is_some() {
            return None;
        }
        let count = inner.jobs.len().min(limit);
        Some(inner.jobs.drain(..count).collect())
    }

    /// A job that was taken is over.
    pub(crate) fn done(&self, job: &Job) {
        let mut inner = self.lock();
        inner.bytes = inner.bytes.saturating_sub(job.bytes());
    }

    /// The scopes whose events found no room; said once.
    pub(crate) fn take_behind(&self) -> Vec<Scope> {
        self.lock().behind.drain().collect()
    }

    /// Waits for so long, or until the queue is closed. Returns whether there is time for another attempt.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let inner = self.lock();
        match inner.closed {
            Some(until) => {
                drop(inner);
                let left = until.saturating_duration_since(Instant::now());
                std::thread::sleep(pause.min(left));
                Instant::now() < until
            }
            None => {
                let waited = self
                    .ready
                    .wait_timeout_while(inner, pause, |inner| inner.closed.is_none());
                drop(waited.unwrap_or_else(PoisonError::into_inner));
                true
            }
        }
    }

    /// Takes nothing more; what waits may still be published within `grace`.
    pub(crate) fn close(&self, grace: Duration) {
        self.lock().closed = Some(Instant::now() + grace);
        self.ready.notify_all();
    }

    /// Octets that wait, and ephemeral events that were dropped.
    pub(crate) fn sizes(&self) -> (usize, u64) {
        let inner = self.lock();
        (inner.bytes, inner.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guild's events are for those who follow the guild. Others name their users: nobody follows a DM, which may be new
/// to all of them.
fn interests_of(envelope: &Envelope) -> Vec<Scope> {
    if envelope.guild != 0 || envelope.users.is_empty() {
        return vec![envelope.scope];
    }
    let user = |&id: &u64| Scope {
        kind: USER_SCOPE,
        id,
    };
    envelope.users.iter().map(user).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn envelope(id: u64, seq: u64) -> Envelope {
        Envelope {
            scope: Scope { kind: 1, id },
            seq,
            name: "X".into(),
            body: Bytes::from_static(&[b'x'; 100]),
            guild: id,
            channel: 0,
            users: vec![],
            exclude_user: 0,
            author: 0,
            mentions: vec![],
            gated: false,
            state: false,
            traced: None,
        }
    }

    fn taken(queue: &Queue) -> Vec<Job> {
        queue.take(100, false).unwrap_or_default()
    }

    fn shape(jobs: &[Job]) -> Vec<(u64, u64, usize)> {
        jobs.iter()
            .map(|job| match job {
                Job::Publish(run) => (run.scope.id, run.first, run.entries.len()),
                Job::Register { .. } | Job::Begin { .. } => (0, 0, 0),
            })
            .collect()
    }

    #[test]
    fn what_follows_in_one_scope_goes_in_one_call() {
        let queue = Queue::new(1 << 20);
        queue.publish(&[envelope(1, 5), envelope(1, 6), envelope(2, 1)]);
        queue.publish(&[
            envelope(2, 2),
            envelope(2, 4),
            envelope(2, 0),
            envelope(2, 0),
        ]);
        let jobs = taken(&queue);
        assert_eq!(shape(&jobs), [(1, 5, 2), (2, 1, 2), (2, 4, 1), (2, 0, 2)]);
        let many: Vec<_> = (1..=70).map(|seq| envelope(3, seq)).collect();
        queue.publish(&many);
        assert_eq!(shape(&taken(&queue)), [(3, 1, 32), (3, 33, 32), (3, 65, 6)]);
    }

    #[test]
    fn beyond_the_bound_ephemeral_events_go_and_others_are_the_outboxs() {
        let queue = Queue::new(250);
        queue.publish(&[
            envelope(1, 1),
            envelope(1, 2),
            envelope(1, 3),
            envelope(9, 0),
            envelope(2, 7),
        ]);
        let (waiting, dropped) = queue.sizes();
        assert!(waiting <= 250);
        assert_eq!(dropped, 1);
        let mut behind = queue.take_behind();
        behind.sort_by_key(|scope| scope.id);
        assert_eq!(
            behind.iter().map(|scope| scope.id).collect::<Vec<_>>(),
            [1, 2]
        );
        for job in taken(&queue) {
            queue.done(&job);
        }
        assert_eq!(queue.sizes().0, 0);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_then_nothing() {
        let queue = Queue::new(1 << 20);
        queue.publish(&[envelope(1, 1)]);
        queue.close(Duration::ZERO);
        assert_eq!(taken(&queue).len(), 1);
        assert_eq!(queue.take(10, true), None);
        assert!(!queue.pause(Duration::from_secs(9)));
    }
}
