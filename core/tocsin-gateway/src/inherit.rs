//! Sessions of other nodes: asked for by a resume, made ready, and gone on with at one place of the inbox (ADR 0019).
//!
//! A session that is taken over is dormant from its entry into the index to that place, quiet while it is given what its
//! client missed, and live after that. Of several partitions each has such a place, and it is quiet from the first to the
//! last: what comes from those that are still to come is not for it until then.

use std::rc::Rc;
use std::sync::Arc;

use tocsin_codec::EncodedDispatch;
use tocsin_proto::{CloseCode, Intents, SessionId};
use tocsin_session::ReplayLog;

use crate::command::Adopt;
use crate::connection::NO_CLOSE;
use crate::event::LocalEvent;
use crate::fanout::remember;
use crate::host::HostRequest;
use crate::key::SessionKey;
use crate::message::Doubt;
use crate::metrics::ResumeOutcome;
use crate::parts::PartBit;
use crate::sessions::{Kept, Mode, Session};
use crate::worker::Worker;

impl Worker {
    /// A client resumes a session that this node does not have: another may have had it.
    pub(crate) fn ask_for_session(
        &mut self,
        index: usize,
        id: SessionId,
        token_digest: [u8; 32],
        seq: u64,
    ) {
        let Some(session) = self.sessions.reserve_as(index, id) else {
            self.metrics().resume(ResumeOutcome::Busy);
            self.fail(index, CloseCode::UnknownError.code());
            return;
        };
        let request = HostRequest::Claim {
            session,
            session_id: id.to_string(),
            token_digest,
            seq,
        };
        if !self.await_host(index, session, request) {
            self.metrics().resume(ResumeOutcome::Busy);
        }
    }

    /// A session of another node has its place here, and waits for what it was given there.
    pub(crate) fn make_heir(&mut self, adopt: Adopt) {
        let key = adopt.session;
        let Some(reserved) = self.sessions.reserved(key).copied() else {
            return;
        };
        let config = &self.shared.config;
        let (max_events, max_bytes) = (config.replay_max_events, config.replay_max_bytes);
        let session = Session {
            id: reserved.id,
            user_id: adopt.user_id,
            bot: adopt.bot,
            intents: Intents(adopt.intents as u32 & Intents::ALL.0),
            token_digest: adopt.token_digest,
            compress: adopt.compress,
            kept: Some(Box::new(Kept {
                shard: adopt.shard,
                memo: adopt.memo,
                had: adopt.seq,
                open: 0,
            })),
            mode: Mode::Dormant,
            connection: reserved.connection,
            expires_ms: u64::MAX,
            replay: ReplayLog::from_seq(adopt.seq, max_events, max_bytes),
        };
        self.sessions.begin(key, session);
        self.shared.registry.insert(reserved.id, key);
        self.metrics().sessions.add(1);
        for (guild, cohort) in adopt.guilds {
            self.subscriptions.assign(key, guild, cohort, adopt.bot);
        }
        if reserved.connection.is_none() {
            self.detach(key, NO_CLOSE);
        }
    }

    /// What its client missed elsewhere; what comes from this partition is for it from here on.
    pub(crate) fn bequeath(
        &mut self,
        key: SessionKey,
        missed: Vec<Arc<EncodedDispatch>>,
        part: PartBit,
    ) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        if session.mode == Mode::Live {
            return;
        }
        session.mode = Mode::Quiet;
        if let Some(kept) = &mut session.kept {
            kept.open |= part;
        }
        for event in missed {
            let variant = session.variant_of(&event);
            remember(session, &Rc::new(LocalEvent(event)), variant);
        }
    }

    /// What was decided in a guild may not have reached all of its cohort there.
    pub(crate) fn doubt(&mut self, key: SessionKey, guild: u64, required: Intents, doubt: &Doubt) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        if !required.is_empty() && !session.intents.intersects(required) {
            return;
        }
        let cohort = self.subscriptions.cohort_of(key, guild);
        if cohort.is_none_or(|each| each > doubt.newest || doubt.cohorts.contains(&each)) {
            self.disown(key, ResumeOutcome::Changed);
        }
    }

    /// It has all of it: from here on it is a session like others.
    pub(crate) fn revive(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        if session.mode != Mode::Quiet {
            return;
        }
        let seq = session.kept.as_ref().map_or(0, |kept| kept.had);
        if !session.replay.reaches(seq) {
            // More than a replay log holds.
            self.disown(key, ResumeOutcome::Trimmed);
            return;
        }
        session.mode = Mode::Live;
        let index = session.connection.take();
        if let Some(journal) = &mut self.journal {
            // With all that its client has not had: this node may be gone before that arrives.
            journal.begin(key, session, seq);
            for (_, (event, _)) in session.replay.after(seq) {
                journal.given(&event.0, None, &mut [key.slot()]);
            }
        }
        if let Some(index) = index {
            // As for one that lost its connection here.
            self.metrics().detached.add(1);
            self.replay(index, key, seq);
            self.metrics().resume(ResumeOutcome::Inherited);
        }
    }

    /// Another node goes on with it: its connection here is one that was left.
    pub(crate) fn let_go(&mut self, key: SessionKey) {
        self.part(key, CloseCode::UnknownError.code());
        self.end(key, "moved");
    }

    /// What came to it is not certain: its client begins anew.
    pub(crate) fn disown(&mut self, key: SessionKey, outcome: ResumeOutcome) {
        self.metrics().resume(outcome);
        if self.sessions.reserved(key).is_some() {
            self.refuse(key, None);
        } else {
            self.give_up(key);
        }
    }
}
