//! Sessions from accept to end: begin, acknowledge, detach, expire, end (protocol.md §1.6).

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tocsin_codec::EncodedDispatch;
use tocsin_proto::{CloseCode, Intents};
use tocsin_session::ReplayLog;

use crate::command::Accept;
use crate::connection::Stage;
use crate::control::Control;
use crate::dispatcher::Item;
use crate::event::LocalEvent;
use crate::host::HostRequest;
use crate::key::SessionKey;
use crate::sessions::{Kept, Mode, Session};
use crate::timers::TimerKey;
use crate::worker::Worker;

impl Worker {
    /// A session begins: READY, then its guilds, each subscribed before any later event.
    pub(crate) fn begin(&mut self, accept: Accept) {
        let key = accept.session;
        let Some(reserved) = self.sessions.reserved(key).copied() else {
            if self.sessions.get(key).is_none() {
                // It was ended meanwhile, so the dispatcher has to forget it again.
                self.shared.inbox.put(Item::SessionEnded(key));
            }
            return;
        };
        let Some(connection) = reserved.connection else {
            self.sessions.free(key);
            self.report_end(key, "orphan");
            return;
        };
        let config = &self.shared.config;
        let session = Session {
            id: reserved.id,
            user_id: accept.user_id,
            bot: accept.bot,
            intents: Intents(accept.intents as u32 & Intents::ALL.0),
            token_digest: accept.token_digest,
            compress: accept.compress,
            kept: config.session_tag.map(|_| {
                let shard = accept.shard;
                Box::new(Kept {
                    shard,
                    ..Kept::default()
                })
            }),
            mode: Mode::Live,
            connection: Some(connection),
            expires_ms: u64::MAX,
            replay: ReplayLog::new(config.replay_max_events, config.replay_max_bytes),
        };
        if let Some(journal) = &mut self.journal {
            journal.begin(key, &session, 0);
        }
        self.sessions.begin(key, session);
        self.shared.registry.insert(reserved.id, key);
        self.metrics().sessions.add(1);
        if let Some(connection) = self.connections.get_mut(connection) {
            connection.stage = Stage::Attached(key);
            connection.limit_stage(u64::MAX);
            connection.wire.standalone = accept.compress;
        }
        let index = connection;
        self.dispatch_own(key, "READY", accept.ready);
        for place in accept.guilds {
            self.subscriptions
                .assign(key, place.guild, place.cohort, accept.bot);
            if let Some(body) = place.body {
                self.give_own(key, body.event("GUILD_CREATE"));
            }
        }
        self.allow_queued(index);
        self.arm(index);
    }

    /// An identify is refused: by a close, or by op 9 and another chance.
    pub(crate) fn refuse(&mut self, key: SessionKey, close_code: Option<u16>) {
        let Some(reserved) = self.sessions.reserved(key).copied() else {
            return;
        };
        self.sessions.free(key);
        let Some(index) = reserved.connection else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(index) {
            connection.stage = Stage::Open;
        }
        match close_code {
            Some(code) => self.fail(index, code),
            None => self.offer_again(index, false),
        }
    }

    /// Op 9: the connection stays and may identify or resume, within the identify timeout.
    pub(crate) fn offer_again(&mut self, index: usize, resumable: bool) {
        let deadline = self.now_ms + self.shared.config.identify_timeout_ms;
        if let Some(connection) = self.connections.get_mut(index) {
            connection.stage = Stage::Open;
            connection.limit_stage(deadline);
        }
        self.send(index, Control::InvalidSession(resumable));
        self.arm(index);
    }

    /// Gives a session an event that only it gets.
    pub(crate) fn dispatch_own(&mut self, key: SessionKey, name: &str, body: Bytes) {
        self.give_own(key, EncodedDispatch::new(name, body, None));
    }

    fn give_own(&mut self, key: SessionKey, event: EncodedDispatch) {
        self.give(key, &Rc::new(LocalEvent(Arc::new(event))));
    }

    /// The control plane keeps something with a session.
    pub(crate) fn keep_memo(&mut self, key: SessionKey, memo: Bytes) {
        if let Some(session) = self.sessions.get(key) {
            if let Some(journal) = &mut self.journal {
                journal.memo(key, &memo);
            }
            if let Some(kept) = &mut session.kept {
                kept.memo = memo;
            }
        }
    }

    /// A heartbeat says what has arrived: the replay log lets go of it.
    pub(crate) fn acknowledge(&mut self, key: SessionKey, seq: u64) {
        if let Some(session) = self.sessions.get(key) {
            session.replay.acknowledge(seq);
        }
    }

    /// A session loses its connection; without a READY it has nothing to resume and waits for the host's answer.
    pub(crate) fn detach(&mut self, key: SessionKey, close_code: u16) {
        let expires_ms = self.now_ms + self.shared.config.resume_window_ms;
        if let Some(reserved) = self.sessions.reserved(key) {
            reserved.connection = None;
        } else if let Some(session) = self.sessions.get(key) {
            session.connection = None;
            session.expires_ms = expires_ms;
            self.timers.arm(expires_ms, TimerKey::Session(key.as_u64()));
            self.metrics().detached.add(1);
            self.shared.host.push_always(HostRequest::Detached {
                session: key,
                close_code,
            });
        }
    }

    /// A resume window may be over.
    pub(crate) fn on_expiry(&mut self, key: u64) {
        let key = SessionKey::from_u64(key);
        let now_ms = self.now_ms;
        let expired = self
            .sessions
            .get(key)
            .is_some_and(|s| s.connection.is_none() && s.expires_ms <= now_ms);
        if expired {
            self.end(key, "expired");
        }
    }

    /// The client closed with 1000 or 1001: its session ends with the connection.
    pub(crate) fn end_by_client(&mut self, key: SessionKey) {
        if let Some(reserved) = self.sessions.reserved(key) {
            reserved.connection = None;
        } else {
            if let Some(session) = self.sessions.get(key) {
                session.connection = None;
                self.metrics().detached.add(1);
            }
            self.end(key, "client");
        }
    }

    /// Ends a session for good. Its connection, if any, is the caller's to close first.
    pub(crate) fn end(&mut self, key: SessionKey, reason: &'static str) {
        let Some(session) = self.sessions.free(key) else {
            return;
        };
        if let Some(journal) = &mut self.journal {
            journal.end(key);
        }
        self.shared.registry.remove(&session.id);
        self.subscriptions.remove_session(key);
        self.metrics().sessions.sub(1);
        if session.connection.is_none() {
            self.metrics().detached.sub(1);
        }
        self.report_end(key, reason);
    }

    fn report_end(&self, key: SessionKey, reason: &'static str) {
        self.metrics().end(reason);
        self.shared.inbox.put(Item::SessionEnded(key));
        self.shared.host.push_always(HostRequest::Closed {
            session: key,
            reason,
        });
    }

    /// The host ends a session: its connection is closed with the code, or cut for 0.
    pub(crate) fn end_by_host(&mut self, key: SessionKey, close_code: u16) {
        if let Some(reserved) = self.sessions.reserved(key).copied() {
            if close_code != 0 {
                self.refuse(key, Some(close_code));
            } else {
                self.sessions.free(key);
                if let Some(index) = reserved.connection {
                    self.drop_connection(index, crate::connection::NO_CLOSE);
                }
            }
            return;
        }
        self.part(key, close_code);
        self.end(key, "host");
    }

    /// Op 9 to a live session; `false` ends it, and the connection may identify anew.
    pub(crate) fn invalidate(&mut self, key: SessionKey, resumable: bool) {
        self.invalidate_for(key, resumable, "host");
    }

    /// Events for a session are lost: it ends, and its client begins anew.
    pub(crate) fn give_up(&mut self, key: SessionKey) {
        self.invalidate_for(key, false, "lost");
    }

    fn invalidate_for(&mut self, key: SessionKey, resumable: bool, reason: &'static str) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        if let Some(index) = session.connection {
            self.offer_again(index, resumable);
            self.detach(key, CloseCode::UnknownError.code());
        }
        if !resumable {
            self.end(key, reason);
        }
    }

    /// Takes a session's connection away: closed with a code, or cut for 0. The session is kept, detached.
    pub(crate) fn part(&mut self, key: SessionKey, close_code: u16) {
        let Some(index) = self.carrier(key) else {
            return;
        };
        if close_code == 0 {
            self.drop_connection(index, crate::connection::NO_CLOSE);
        } else {
            self.fail(index, close_code);
        }
    }

    /// Op 7: the client is to connect anew and resume; the server closes if it does not (protocol.md §1.3).
    pub(crate) fn reconnect(&mut self, key: SessionKey) {
        if let Some(index) = self.carrier(key) {
            self.send_away(index);
        }
    }

    /// Holds all output of a session's connection back for a while.
    pub(crate) fn stall(&mut self, key: SessionKey, for_ms: u64) {
        let Some(index) = self.carrier(key) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(index) {
            connection.stalled_until_ms = self.now_ms + for_ms;
            connection.outbox.hold(&self.packing.stage);
        }
        self.arm(index);
    }

    fn carrier(&mut self, key: SessionKey) -> Option<usize> {
        self.sessions.get(key)?.connection
    }
}
