//! `HostQueue`: requests to the control plane, bounded, with one wake-up descriptor.
//!
//! The descriptor is written only when the queue goes from drained to waiting, so a burst costs one system call. Changes
//! of presence may wait for one another: the host then looks for them by itself.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tocsin_bus::Note;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::histogram::Times;
use crate::key::SessionKey;

/// The opcode of a change of presence.
const PRESENCE: u8 = 3;
/// So many requests wake the host whatever they are.
const PATIENCE: usize = 256;

/// Something only the control plane can decide, or must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRequest {
    /// A client identified; answered by `accept`, `reject` or `invalid_session`.
    Identify {
        /// The slot reserved for the session.
        session: SessionKey,
        /// 32 hex digits, already decided.
        session_id: String,
        /// The payload as JSON.
        d: Bytes,
        /// The client's address without its port.
        peer: String,
        /// The protocol version of its connection, 9 or 10.
        version: u8,
    },
    /// A client resumes a session that this node does not have; answered by `adopt` or `invalid_session`.
    Claim {
        /// The slot reserved for the session.
        session: SessionKey,
        /// The session it resumes.
        session_id: String,
        /// SHA-256 of the bare token.
        token_digest: [u8; 32],
        /// The last `s` its client has.
        seq: u64,
    },
    /// An operation that is policy (protocol.md §1.3).
    Command {
        /// Who sent it.
        session: SessionKey,
        /// The opcode.
        op: u8,
        /// The payload as JSON; for op 0 the object `{"t":..,"d":..}`.
        d: Bytes,
    },
    /// A state-changing event: its scope is held until `resolve(ticket)`.
    Policy {
        /// Names the held scope in the answer.
        ticket: u64,
        /// 1 guild, 2 channel, 3 user.
        scope_kind: u8,
        /// The scope's id.
        scope_id: u64,
        /// Place in the scope's log.
        seq: u64,
        /// Event name.
        name: String,
        /// The JSON of `d`.
        body: Bytes,
    },
    /// The session has ended for good.
    Closed {
        /// Which one.
        session: SessionKey,
        /// Why: `client`, `expired`, `orphan` (its client left before READY), `host`, `moved` to another node, or
        /// `lost` (events of its guild are lost).
        reason: &'static str,
    },
    /// The session's socket is gone; it may be resumed.
    Detached {
        /// Which one.
        session: SessionKey,
        /// The code it was closed with, 1006 for none.
        close_code: u16,
    },
    /// The session was resumed on a new socket.
    Attached {
        /// Which one.
        session: SessionKey,
    },
    /// The bus between nodes has something to say.
    Bus(Note),
    /// Messages of guilds that came over the bus: the guild, the channel, the author and the JSON of each.
    Messages(Vec<(u64, u64, u64, Bytes)>),
}

/// The queue is full: the newest comer is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostFull;

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<HostRequest>,
    pending: bool,
    /// Changes of presence wake nobody.
    patient: bool,
    /// The last wake-up that was not answered.
    woken: Option<Instant>,
}

/// Many workers push, one host drains.
#[derive(Debug)]
pub struct HostQueue {
    state: Mutex<State>,
    wake: OwnedFd,
    max: usize,
    refused: AtomicU64,
    /// From a wake-up to its answer; noted with the state locked.
    waits: Times,
}

impl HostQueue {
    /// Makes an empty queue for at most `max` client requests.
    ///
    /// # Errors
    /// The kernel has no descriptor left.
    pub fn new(max: usize) -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self {
            state: Mutex::default(),
            wake,
            max,
            refused: AtomicU64::new(0),
            waits: Times::default(),
        })
    }

    /// The descriptor that is readable while requests wait.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }

    /// Waits until requests wait; `false` when none came in time.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let mut fds = [PollFd::new(&self.wake, PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).ok();
        poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
    }

    /// Queues what a client asked for, unless `max` requests wait already.
    pub(crate) fn push(&self, request: HostRequest) -> Result<(), HostFull> {
        let mut state = self.lock();
        if state.requests.len() >= self.max {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(HostFull);
        }
        self.append(&mut state, request);
        Ok(())
    }

    /// Queues what must not be lost: ends of sessions and held scopes. Bounded by the sessions and scopes there are.
    pub(crate) fn push_always(&self, request: HostRequest) {
        let mut state = self.lock();
        self.append(&mut state, request);
    }

    /// Takes up to `max` requests in order. An empty answer is possible after a wake-up.
    pub fn drain(&self, max: usize) -> Vec<HostRequest> {
        let mut state = self.lock();
        if let Some(woken) = state.woken.take() {
            self.waits.took(woken.elapsed());
        }
        let count = max.min(state.requests.len());
        let taken = state.requests.drain(..count).collect();
        if state.requests.is_empty() {
            state.pending = false;
            // EAGAIN only says that the descriptor was not readable.
            let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
        }
        taken
    }

    /// Lets changes of presence wait until something else wakes the host or it drains by itself, or each wake it again.
    /// Those that wait already are not told of: who switches it off drains after that.
    pub fn let_presences_wait(&self, patient: bool) {
        self.lock().patient = patient;
    }

    /// How many requests wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().requests.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether another client request would be refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.max
    }

    pub(crate) fn waits(&self) -> &Times {
        &self.waits
    }

    /// How many requests were refused because the queue was full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn append(&self, state: &mut State, request: HostRequest) {
        let may_wait = state.patient
            && matches!(request, HostRequest::Command { op: PRESENCE, .. })
            && state.requests.len() < PATIENCE;
        state.requests.push_back(request);
        if !state.pending && !may_wait {
            state.pending = true;
            state.woken = Some(Instant::now());
            // The counter cannot overflow: it is read back to zero before the next write.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(op: u8) -> HostRequest {
        HostRequest::Command {
            session: SessionKey::new(0, 1, 0),
            op,
            d: Bytes::new(),
        }
    }

    fn is_awake(queue: &HostQueue) -> bool {
        queue.wait(Duration::ZERO)
    }

    #[test]
    fn presences_wait_for_one_another_once_they_are_let_and_nothing_else_does() {
        let queue = HostQueue::new(10_000).expect("a descriptor");
        queue.push(command(PRESENCE)).expect("room");
        assert!(is_awake(&queue));
        assert_eq!(queue.drain(10).len(), 1);
        queue.let_presences_wait(true);
        queue.push(command(PRESENCE)).expect("room");
        assert!(!is_awake(&queue));
        queue.push(command(8)).expect("room");
        assert!(is_awake(&queue));
        assert_eq!(
            queue.drain(10),
            [command(PRESENCE), command(8)],
            "in their order"
        );
        for _ in 0..=PATIENCE {
            assert!(!is_awake(&queue));
            queue.push(command(PRESENCE)).expect("room");
        }
        assert!(is_awake(&queue), "too many to wait");
        assert_eq!(queue.drain(10_000).len(), PATIENCE + 1);
        queue.let_presences_wait(false);
        queue.push(command(PRESENCE)).expect("room");
        assert!(is_awake(&queue));
    }
}
