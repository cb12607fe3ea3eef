//! Counters of the workers and the dispatcher.
//!
//! Each counter has one writing thread, so an increment is a plain load and store.

mod exposition;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::histogram::{Counts, Times};

pub(crate) use exposition::mailboxes;

/// A number that one thread writes and anyone reads.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    /// Takes `n` off a gauge.
    pub(crate) fn sub(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_sub(n),
            Ordering::Relaxed,
        );
    }

    /// Replaces the value.
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Reads the value.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a resume ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ResumeOutcome {
    /// Replayed.
    Resumed,
    /// Unknown, expired, or another token's session.
    Unknown,
    /// The replay log no longer reaches back.
    Trimmed,
    /// A sequence never sent: 4007.
    Ahead,
    /// Another node's session, gone on with here.
    Inherited,
    /// Another node's session that cannot be had: `tocsin_takeovers_total` says why.
    Uncertain,
    /// The control plane has too much to do.
    Busy,
    /// The connection has, or waits for, a session: 4005 or 4003.
    Misplaced,
    /// Another node's session, in a guild of which something is being decided.
    Undecided,
    /// Another node's session, in a guild that changed meanwhile.
    Changed,
}

const RESUME_NAMES: [&str; 10] = [
    "resumed",
    "unknown",
    "trimmed",
    "ahead",
    "inherited",
    "uncertain",
    "busy",
    "misplaced",
    "undecided",
    "changed",
];
/// Why sessions end: `HostRequest::Closed` says what each is.
const END_REASONS: [&str; 6] = ["client", "expired", "orphan", "host", "moved", "lost"];
const OPCODES: usize = 44;
/// 1000-1015, 4000-4015, then all others.
const CLOSE_CODES: usize = 33;

/// What one worker counts.
#[derive(Debug, Default)]
pub(crate) struct WorkerMetrics {
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
    pub(crate) accept_failures: Counter,
    pub(crate) connections: Counter,
    pub(crate) sessions: Counter,
    pub(crate) detached: Counter,
    pub(crate) dispatches: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) writes: Counter,
    pub(crate) frames_in: Counter,
    pub(crate) slow_clients: Counter,
    pub(crate) broken_streams: Counter,
    pub(crate) zombies: Counter,
    pub(crate) panics: Counter,
    /// Connections to be written to as turns have room for it.
    pub(crate) postponed: Counter,
    /// From the dispatcher's orders to their taking.
    pub(crate) waits: Times,
    pub(crate) turns: Times,
    pub(crate) writing: Times,
    /// Of events that this worker was the last to write.
    pub(crate) fanout: Times,
    pub(crate) receivers: Counts,
    ops: Ops,
    closes: Closes,
    resumes: [Counter; RESUME_NAMES.len()],
    ends: [Counter; END_REASONS.len()],
}

#[derive(Debug)]
struct Ops([Counter; OPCODES + 1]);

impl Default for Ops {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

#[derive(Debug)]
struct Closes([Counter; CLOSE_CODES]);

impl Default for Closes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

fn close_slot(code: u16) -> usize {
    match code {
        1000..=1015 => usize::from(code - 1000),
        4000..=4015 => usize::from(code - 4000) + 16,
        _ => CLOSE_CODES - 1,
    }
}

fn close_name(slot: usize) -> String {
    match slot {
        0..=15 => (1000 + slot).to_string(),
        16..=31 => (3984 + slot).to_string(),
        _ => "other".to_owned(),
    }
}

impl WorkerMetrics {
    /// Counts a command by its opcode.
    pub(crate) fn op(&self, op: u64) {
        let slot = usize::try_from(op).map_or(OPCODES, |op| op.min(OPCODES));
        self.ops.0[slot].add(1);
    }

    /// Counts the end of a connection: the code it ended with, 1006 for a bare drop.
    pub(crate) fn close(&self, code: u16) {
        self.closes.0[close_slot(code)].add(1);
    }

    /// Counts the end of a session.
    pub(crate) fn end(&self, reason: &str) {
        if let Some(slot) = END_REASONS.iter().position(|each| *each == reason) {
            self.ends[slot].add(1);
        }
    }

    /// Counts a resume.
    pub(crate) fn resume(&self, outcome: ResumeOutcome) {
        self.resumes[outcome as usize].add(1);
    }
}

/// What the dispatcher counts.
#[derive(Debug, Default)]
pub(crate) struct DispatcherMetrics {
    pub(crate) batches: Counter,
    pub(crate) commands: Counter,
    pub(crate) events: Counter,
    pub(crate) held: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) gaps: Counter,
    pub(crate) overflows: Counter,
    pub(crate) panics: Counter,
    pub(crate) queue: Counter,
    /// Of the oldest item of each turn.
    pub(crate) waits: Times,
}

/// Everything that is counted in one gateway.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) workers: Vec<WorkerMetrics>,
    pub(crate) dispatcher: DispatcherMetrics,
}

impl Metrics {
    /// Zeros for `workers` workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| WorkerMetrics::default()).collect(),
            dispatcher: DispatcherMetrics::default(),
        }
    }
}
