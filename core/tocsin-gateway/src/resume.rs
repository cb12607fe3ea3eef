//! Resume (op 6), wholly in Rust: find the session, move the socket to its worker, replay, RESUMED (protocol.md §1.6).

use std::net::IpAddr;

use bytes::Bytes;
use mio::net::TcpStream;
use subtle::ConstantTimeEq;
use tocsin_codec::Resume;
use tocsin_proto::{CloseCode, SessionId};

use crate::connection::Stage;
use crate::host::HostRequest;
use crate::key::SessionKey;
use crate::message::WorkerMessage;
use crate::metrics::ResumeOutcome;
use crate::sessions::Mode;
use crate::token::token_digest;
use crate::wire::Wire;
use crate::worker::Worker;
use crate::writer::Outbox;

/// A connection on its way to the worker that owns the session it resumes.
pub(crate) struct Moved {
    socket: TcpStream,
    peer: IpAddr,
    wire: Wire,
    /// What was queued and not yet written.
    pending: Vec<u8>,
    session: SessionKey,
    token_digest: [u8; 32],
    seq: u64,
}

impl Worker {
    /// Op 6 on a connection of this worker.
    pub(crate) fn on_resume(&mut self, index: usize, resume: &Resume) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        match connection.stage {
            Stage::Open => {}
            Stage::Attached(_) => {
                self.metrics().resume(ResumeOutcome::Misplaced);
                self.fail(index, CloseCode::AlreadyAuthenticated.code());
                return;
            }
            _ => {
                self.metrics().resume(ResumeOutcome::Misplaced);
                self.fail(index, CloseCode::NotAuthenticated.code());
                return;
            }
        }
        if self.shared.host.is_full() {
            // Each resume is news for the host: one more would wait behind a queue that does not move.
            self.metrics().resume(ResumeOutcome::Busy);
            self.fail(index, CloseCode::UnknownError.code());
            return;
        }
        let digest = token_digest(&resume.token);
        let id = resume.session_id.parse::<SessionId>().ok();
        let owner = id.and_then(|id| self.shared.registry.get(&id));
        match owner {
            None => match id {
                Some(id) if self.shared.config.session_tag.is_some() => {
                    self.ask_for_session(index, id, digest, resume.seq);
                }
                _ => self.refuse_resume(index, ResumeOutcome::Unknown),
            },
            Some(key) if key.worker() == self.index => {
                self.resume_here(index, key, &digest, resume.seq);
            }
            Some(key) => self.send_over(index, key, digest, resume.seq),
        }
    }

    fn refuse_resume(&mut self, index: usize, outcome: ResumeOutcome) {
        self.metrics().resume(outcome);
        self.offer_again(index, false);
    }

    /// Hands the socket to the session's worker, with all it has read and not written.
    fn send_over(&mut self, index: usize, session: SessionKey, token_digest: [u8; 32], seq: u64) {
        let Some(mut connection) = self.connections.try_remove(index) else {
            return;
        };
        self.forget(&mut connection);
        let (socket, peer, mut wire, mut outbox) = connection.into_parts();
        wire.flush_pong(&mut outbox);
        let moved = Moved {
            socket,
            peer,
            wire,
            pending: outbox.into_bytes(&self.packing.stage),
            session,
            token_digest,
            seq,
        };
        self.shared
            .connections
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.shared.mailboxes[session.worker()].put(WorkerMessage::Adopt(Box::new(moved)));
    }

    /// Takes a socket another worker handed over and goes on where that one stopped.
    pub(crate) fn adopt(&mut self, moved: Moved) {
        let mut outbox = Outbox::default();
        if !moved.pending.is_empty() {
            outbox.push_bytes(moved.pending.into_boxed_slice());
        }
        let Some(index) = self.insert(
            moved.socket,
            moved.peer,
            Stage::Open,
            moved.wire,
            outbox,
            u64::MAX,
        ) else {
            return;
        };
        self.mark_dirty(index);
        self.resume_here(index, moved.session, &moved.token_digest, moved.seq);
        self.on_frames(index);
        if self.drain.is_some() {
            self.send_away(index);
        }
    }

    /// Resumes a session of this worker, or says op 9.
    fn resume_here(&mut self, index: usize, key: SessionKey, digest: &[u8; 32], seq: u64) {
        let refusal = match self.sessions.get(key) {
            // One answer for "no such session" and "another's token": it is no oracle.
            Some(session)
                if session.mode == Mode::Live && bool::from(session.token_digest.ct_eq(digest)) =>
            {
                if seq > session.replay.last_seq() {
                    Some(ResumeOutcome::Ahead)
                } else if session.replay.reaches(seq) {
                    None
                } else {
                    Some(ResumeOutcome::Trimmed)
                }
            }
            _ => Some(ResumeOutcome::Unknown),
        };
        match refusal {
            Some(ResumeOutcome::Ahead) => {
                self.metrics().resume(ResumeOutcome::Ahead);
                self.fail(index, CloseCode::InvalidSeq.code());
            }
            Some(outcome) => self.refuse_resume(index, outcome),
            None => self.replay(index, key, seq),
        }
    }

    /// The session goes on with this connection: what was missed, RESUMED, then whatever comes.
    pub(crate) fn replay(&mut self, index: usize, key: SessionKey, seq: u64) {
        let previous = self.sessions.get(key).and_then(|s| s.connection);
        if let Some(previous) = previous {
            self.fail(previous, CloseCode::UnknownError.code());
        }
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.stage = Stage::Attached(key);
        connection.limit_stage(u64::MAX);
        connection.wire.standalone = session.compress;
        session.connection = Some(index);
        let (packing, outbox) = (&mut self.packing, &mut connection.outbox);
        packing.end();
        for (s, (event, variant)) in session.replay.after(seq) {
            connection
                .wire
                .dispatch(s, *variant, event, packing, outbox);
        }
        session.replay.acknowledge(seq);
        self.metrics().detached.sub(1);
        self.metrics().resume(ResumeOutcome::Resumed);
        self.dispatch_own(key, "RESUMED", Bytes::from_static(b"{}"));
        self.allow_queued(index);
        self.arm(index);
        self.shared
            .host
            .push_always(HostRequest::Attached { session: key });
    }
}
