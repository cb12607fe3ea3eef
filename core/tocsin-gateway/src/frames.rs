//! What arrives on a connection: the request head, then frames, then commands by their opcode (protocol.md §1).
//!
//! Answers are queued in the order of what they answer; a violation is answered behind them by a close frame.

use bytes::Bytes;
use tocsin_codec::command::{self, DecodeError, Envelope, Resume};
use tocsin_codec::frame::{FrameDecoder, Incoming};
use tocsin_proto::{CloseCode, OpCode};

use crate::connection::{NO_CLOSE, Stage};
use crate::control::Control;
use crate::host::HostRequest;
use crate::key::SessionKey;
use crate::wire::Upgrade;
use crate::worker::Worker;

/// The only client event (op 0) there is.
const TYPING: &str = "TYPING_START";

impl Worker {
    /// Octets from the socket.
    pub(crate) fn on_bytes(&mut self, index: usize, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if let Stage::Handshake = connection.stage {
            self.on_head(index, bytes);
            return;
        }
        connection.wire.decoder.feed(bytes);
        self.on_frames(index);
    }

    /// Handles every complete frame there is.
    pub(crate) fn on_frames(&mut self, index: usize) {
        loop {
            // Looked up each time: handling a frame can drop or move the connection.
            let Some(connection) = self.connections.get_mut(index) else {
                return;
            };
            match connection.wire.decoder.next() {
                Ok(Some(incoming)) => {
                    self.metrics().frames_in.add(1);
                    if !self.on_incoming(index, incoming) {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    if connection.is_live() {
                        self.fail(index, error.close_code().code());
                    } else {
                        // It has been told already; there is no use in waiting for its close frame.
                        self.finish(index);
                    }
                    return;
                }
            }
        }
    }

    fn on_head(&mut self, index: usize, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        match connection.wire.upgrade(bytes) {
            Upgrade::Incomplete => {}
            Upgrade::Refused(response) => {
                connection.outbox.push_bytes(response.into());
                self.leave(index, NO_CLOSE, true);
            }
            Upgrade::Accepted {
                response,
                leftover,
                refused,
            } => {
                connection.outbox.push_bytes(response.into());
                connection.stage = Stage::Open;
                connection.deadline_ms = self.now_ms + self.shared.config.identify_timeout_ms;
                connection.wire.decoder.feed(&leftover);
                connection
                    .wire
                    .begin_heartbeats(self.shared.config.heartbeat_interval_ms, self.now_ms);
                self.mark_dirty(index);
                if let Some(code) = refused {
                    self.fail(index, code.code());
                } else {
                    let interval_ms = self.shared.config.heartbeat_interval_ms;
                    self.send(index, Control::Hello(interval_ms));
                    self.arm(index);
                }
                self.on_frames(index);
            }
        }
    }

    /// One frame; `false` when the rest of the input is not for this connection any more.
    fn on_incoming(&mut self, index: usize, incoming: Incoming) -> bool {
        let Some(connection) = self.connections.get_mut(index) else {
            return false;
        };
        if !connection.is_live() {
            if let Incoming::Close { .. } = incoming {
                self.finish(index);
                return false;
            }
            return true;
        }
        match incoming {
            Incoming::Message { kind, data } => {
                if !connection.wire.may_send(self.now_ms) {
                    self.fail(index, CloseCode::RateLimited.code());
                    return true;
                }
                match connection.wire.decode(kind, &data) {
                    Ok(envelope) => self.on_envelope(index, envelope),
                    Err(_) => self.fail(index, CloseCode::Decode.code()),
                }
            }
            Incoming::Ping(data) => {
                connection.wire.pong(&data, &mut connection.outbox);
                self.mark_dirty(index);
            }
            Incoming::Pong => {}
            Incoming::Close { code } => {
                self.on_client_close(index, code);
                return false;
            }
        }
        true
    }

    /// The client begins the closing handshake: 1000 and 1001 end its session, all else keeps it (protocol.md §1.4).
    fn on_client_close(&mut self, index: usize, code: Option<u16>) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.wire.flush_pong(&mut connection.outbox);
        connection
            .outbox
            .push_bytes(crate::wire::close_answer(code));
        let session = connection.session();
        let ends = matches!(code, Some(1000 | 1001));
        if ends {
            connection.stage = Stage::Open;
        }
        self.leave(index, code.unwrap_or(1005), true);
        if ends && let Some(key) = session {
            self.end_by_client(key);
        }
    }

    /// The closing handshake is over: write what is left, half-close, and wait for the peer's end.
    fn finish(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index) {
            if let Stage::Closing { done, .. } = &mut connection.stage {
                *done = true;
            }
            // Input after a close frame is not looked at (RFC 6455 §5.5.1).
            connection.wire.decoder = FrameDecoder::new(connection.wire.limits);
            self.mark_dirty(index);
        }
    }

    fn on_envelope(&mut self, index: usize, envelope: Envelope) {
        self.metrics().op(envelope.op);
        let Some(op) = OpCode::from_u64(envelope.op).filter(|op| op.from_client()) else {
            self.fail(index, CloseCode::UnknownOpcode.code());
            return;
        };
        match op {
            OpCode::Heartbeat | OpCode::QosHeartbeat => self.on_heartbeat(index, &envelope.d),
            OpCode::Identify => self.on_identify(index, envelope.d),
            OpCode::Resume => match Resume::decode(&envelope.d) {
                Ok(resume) => self.on_resume(index, &resume),
                Err(error) => self.fail(index, data_error(error).code()),
            },
            _ => self.on_command(index, op, envelope),
        }
    }

    fn on_heartbeat(&mut self, index: usize, d: &[u8]) {
        let seq = match command::heartbeat_seq(d) {
            Ok(seq) => seq,
            Err(error) => {
                self.fail(index, data_error(error).code());
                return;
            }
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.wire.beat(self.now_ms);
        connection.outbox.give_back();
        if let (Stage::Attached(key), Some(seq)) = (&connection.stage, seq) {
            let key = *key;
            self.acknowledge(key, seq);
        }
        self.send(index, Control::HeartbeatAck);
    }

    fn on_identify(&mut self, index: usize, d: Box<[u8]>) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        if connection.session().is_some() {
            self.fail(index, CloseCode::AlreadyAuthenticated.code());
            return;
        }
        let peer = connection.peer.to_string();
        let version = connection.wire.version;
        let Some((session, session_id)) = self.sessions.reserve(index) else {
            self.fail(index, CloseCode::UnknownError.code());
            return;
        };
        let request = HostRequest::Identify {
            session,
            session_id: session_id.to_string(),
            d: Bytes::from(d),
            peer,
            version,
        };
        self.await_host(index, session, request);
    }

    /// Asks the host about a connection's reserved session; it waits for the answer. `false`: the host has too much to
    /// do, and the connection is closed.
    pub(crate) fn await_host(
        &mut self,
        index: usize,
        session: SessionKey,
        request: HostRequest,
    ) -> bool {
        if self.shared.host.push(request).is_err() {
            self.sessions.free(session);
            self.fail(index, CloseCode::UnknownError.code());
            return false;
        }
        if let Some(connection) = self.connections.get_mut(index) {
            connection.stage = Stage::Identifying(session);
            connection.limit_stage(u64::MAX);
        }
        true
    }

    fn on_command(&mut self, index: usize, op: OpCode, envelope: Envelope) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let Stage::Attached(session) = connection.stage else {
            self.fail(index, CloseCode::NotAuthenticated.code());
            return;
        };
        let d = match op {
            OpCode::Dispatch => {
                if envelope.t.as_deref() != Some(TYPING) {
                    self.fail(index, CloseCode::UnknownOpcode.code());
                    return;
                }
                let mut d = format!(r#"{{"t":"{TYPING}","d":"#).into_bytes();
                d.extend_from_slice(&envelope.d);
                d.push(b'}');
                Bytes::from(d)
            }
            OpCode::PresenceUpdate
            | OpCode::VoiceStateUpdate
            | OpCode::RequestGuildMembers
            | OpCode::GuildSubscriptions
            | OpCode::RequestSoundboardSounds
            | OpCode::GuildSubscriptionsBulk
            | OpCode::RequestChannelInfo => Bytes::from(envelope.d),
            // Known, and of no effect here (protocol.md §1.3).
            _ => return,
        };
        let request = HostRequest::Command {
            session,
            op: op as u8,
            d,
        };
        if self.shared.host.push(request).is_err() {
            self.fail(index, CloseCode::UnknownError.code());
        }
    }

    /// Queues a payload that is no dispatch.
    pub(crate) fn send(&mut self, index: usize, control: Control) {
        if let Some(connection) = self.connections.get_mut(index) {
            let stage = &mut self.packing.stage;
            connection
                .wire
                .control(control, stage, &mut connection.outbox);
            self.after_queueing(index);
        }
    }

    /// What a begin or a resume has queued is no sign of a slow client: it does not count against the limit.
    pub(crate) fn allow_queued(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.allowance = connection.outbox.bytes();
        }
        self.mark_dirty(index);
    }

    /// Marks the connection dirty, or closes it when too much waits.
    pub(crate) fn after_queueing(&mut self, index: usize) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let limit = self.shared.config.outbound_max_bytes + connection.allowance;
        if connection.outbox.bytes() > limit {
            self.relieve(index);
        } else {
            self.mark_dirty(index);
        }
    }
}

/// An envelope that is none is 4002; data that does not fit a known opcode is 4001 (protocol.md §1.4).
fn data_error(error: DecodeError) -> CloseCode {
    match error {
        DecodeError::Data => CloseCode::UnknownOpcode,
        _ => CloseCode::Decode,
    }
}
