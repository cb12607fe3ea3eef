//! The journal of a worker: what its sessions are given goes into it before it goes to clients, so that a client never
//! has what an heir of its session does not know (ADR 0019).

use tocsin_bus::Scope;
use tocsin_bus::journal::{JournalSink, Position, SessionRecord, Writer};
use tocsin_codec::EncodedDispatch;

use crate::key::SessionKey;
use crate::sessions::{Mode, Session};
use crate::worker::Worker;

/// How often all sessions are listed anew.
const SNAPSHOT_MS: u64 = 15_000;
/// Longer bodies are named only: who misses one begins anew.
const MOST_BODY: usize = 64 * 1024;

/// A worker's journal.
#[derive(Debug)]
pub(crate) struct Journal {
    sink: Box<dyn JournalSink>,
    writer: Writer,
    epoch: u64,
    /// Entries so far.
    number: u64,
    pub(crate) position: Position,
    written: Position,
    /// When which entry was a snapshot, the oldest first.
    snapshots: std::collections::VecDeque<(u64, u64)>,
    next_snapshot_ms: u64,
}

impl Journal {
    /// A journal that begins with a snapshot. `epoch` differs from that of the one before.
    pub(crate) fn new(sink: Box<dyn JournalSink>, epoch: u64, position: Position) -> Self {
        Self {
            sink,
            writer: Writer::default(),
            epoch,
            number: 0,
            position,
            written: Position::default(),
            snapshots: std::collections::VecDeque::new(),
            next_snapshot_ms: 0,
        }
    }

    /// A session begins after this `s`.
    pub(crate) fn begin(&mut self, key: SessionKey, session: &Session, seq: u64) {
        self.writer.begin(&record(key, session, seq));
    }

    /// Sessions were given an event.
    pub(crate) fn given(
        &mut self,
        event: &EncodedDispatch,
        place: Option<(Scope, u64)>,
        slots: &mut [u32],
    ) {
        let whole = event.fragments().is_empty() && event.body().len() <= MOST_BODY;
        let gate = event.gate().map(|gate| (gate.author, &gate.mentions[..]));
        let body = whole.then(|| event.body());
        self.writer.given(event.name(), body, gate, place, slots);
    }

    /// The control plane keeps something else with a session.
    pub(crate) fn memo(&mut self, key: SessionKey, memo: &[u8]) {
        self.writer.memo(key.slot(), memo);
    }

    /// A session has ended.
    pub(crate) fn end(&mut self, key: SessionKey) {
        self.writer.end(key.slot());
    }

    fn write(&mut self, snapshot: bool, keep_from: u64) -> bool {
        self.number += 1;
        self.written = self.position.clone();
        let entry = self.writer.take(self.epoch, snapshot, &self.position);
        self.sink.append(&entry, keep_from)
    }
}

/// The session as its heir has to know it.
fn record(key: SessionKey, session: &Session, seq: u64) -> SessionRecord {
    let kept = session.kept.as_deref();
    SessionRecord {
        slot: key.slot(),
        id: session.id,
        user_id: session.user_id,
        bot: session.bot,
        intents: session.intents.0,
        compress: session.compress,
        shard: kept.and_then(|kept| kept.shard),
        token_digest: session.token_digest,
        seq,
        memo: kept.map(|kept| kept.memo.clone()).unwrap_or_default(),
    }
}

impl Worker {
    /// Writes what this turn gave. Called before any of it is sent.
    pub(crate) fn write_journal(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        let mut good = true;
        if !journal.writer.is_empty() || journal.written != journal.position {
            good = journal.write(false, 0);
        }
        if good && self.now_ms >= journal.next_snapshot_ms {
            let writer = &mut journal.writer;
            self.sessions.each_live(|key, session| {
                if session.mode == Mode::Live {
                    writer.begin(&record(key, session, session.replay.last_seq()));
                }
            });
            journal.next_snapshot_ms = self.now_ms + SNAPSHOT_MS;
            // A client may ask for what it missed as long as its session is kept.
            let kept_ms = self.shared.config.resume_window_ms;
            let since = self.now_ms.saturating_sub(kept_ms);
            while journal.snapshots.get(1).is_some_and(|next| next.0 <= since) {
                journal.snapshots.pop_front();
            }
            journal
                .snapshots
                .push_back((self.now_ms, journal.number + 1));
            let keep_from = journal.snapshots.front().map_or(0, |first| first.1);
            good = journal.write(true, keep_from);
        }
        if !good {
            // The bus brings a new one; until then these sessions end with their node.
            self.journal = None;
        }
    }
}
