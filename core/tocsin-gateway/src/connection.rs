//! `Connection`: one TCP socket from accept to drop, and the worker's handling of its readiness.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Token};
use tocsin_proto::CloseCode;
use tocsin_session::Liveness;

use crate::control::Control;
use crate::key::SessionKey;
use crate::timers::TimerKey;
use crate::wire::Wire;
use crate::worker::{FIRST_CONNECTION, Worker};
use crate::writer::{Outbox, WriteCount, Written};

/// What one connection may read in one turn.
const READS_PER_TURN: usize = 4;
/// Who has so many octets to write waits for another turn when this one has written its share.
const LARGE_BYTES: usize = 16 * 1024;
/// How long a peer may leave our close unanswered, and our end of the TCP half-closed.
pub(crate) const CLOSE_TIMEOUT_MS: u64 = 5_000;
/// How long the kernel keeps sending to a peer that acknowledges nothing.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// The code for a socket that ended without a close frame (RFC 6455 §7.1.5).
pub(crate) const NO_CLOSE: u16 = 1006;

/// How far a connection has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The request head is not complete.
    Handshake,
    /// Upgraded, without a session.
    Open,
    /// Identified, waiting for the control plane's answer.
    Identifying(SessionKey),
    /// Carries a session.
    Attached(SessionKey),
    /// A close frame or an HTTP error is queued; only the peer's close frame is of interest.
    Closing {
        /// The code this connection ended with.
        code: u16,
        /// Nothing more is awaited from the peer: half-close once all is written.
        done: bool,
    },
}

/// One connection of a worker.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) peer: IpAddr,
    pub(crate) number: u64,
    pub(crate) stage: Stage,
    pub(crate) wire: Wire,
    pub(crate) outbox: Outbox,
    /// When the stage has lasted too long; `u64::MAX` for never.
    pub(crate) deadline_ms: u64,
    /// The earliest armed timer, `u64::MAX` for none.
    pub(crate) timer_at_ms: u64,
    /// It is on the list of those to write in this turn.
    pub(crate) dirty: bool,
    /// It is on the list of those to write as turns have room for it.
    pub(crate) postponed: bool,
    /// Bytes beyond the limit that READY, guilds or a replay have queued; 0 again once all is written.
    pub(crate) allowance: usize,
    /// Op 7 was sent: close when the deadline is reached.
    pub(crate) leaving: bool,
    /// Nothing is written before; 0 for at once.
    pub(crate) stalled_until_ms: u64,
    /// A fault: the frame of the next event of this name is broken off.
    pub(crate) breaks_at: Option<Box<str>>,
    half_closed: bool,
}

impl Connection {
    /// The session it carries.
    pub(crate) fn session(&self) -> Option<SessionKey> {
        match self.stage {
            Stage::Attached(key) | Stage::Identifying(key) => Some(key),
            _ => None,
        }
    }

    /// Whether frames of the peer are still acted on.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Closing { .. })
    }

    /// Sets when the stage has lasted too long; one that was sent away keeps its deadline.
    pub(crate) fn limit_stage(&mut self, deadline_ms: u64) {
        if !self.leaving {
            self.deadline_ms = deadline_ms;
        }
    }

    /// Whether it has to be put on the list of those to write.
    pub(crate) fn wants_flush(&self) -> bool {
        !self.dirty && !self.outbox.is_blocked()
    }

    /// A connection that goes on at another worker.
    pub(crate) fn into_parts(self) -> (TcpStream, IpAddr, Wire, Outbox) {
        (self.socket, self.peer, self.wire, self.outbox)
    }
}

impl Worker {
    /// Takes in a fresh socket.
    pub(crate) fn open(&mut self, socket: TcpStream, peer: SocketAddr) {
        // Refusals only cost latency or a later discovery of a dead peer.
        let _ = socket.set_nodelay(true);
        let _ = socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(USER_TIMEOUT));
        let wire = Wire::new(&self.shared.config);
        let deadline = self.now_ms + self.shared.config.handshake_timeout_ms;
        let outbox = Outbox::default();
        self.insert(socket, peer.ip(), Stage::Handshake, wire, outbox, deadline);
    }

    /// Gives a socket a place and registers it; `None` when the kernel refuses.
    pub(crate) fn insert(
        &mut self,
        socket: TcpStream,
        peer: IpAddr,
        stage: Stage,
        wire: Wire,
        outbox: Outbox,
        deadline_ms: u64,
    ) -> Option<usize> {
        let entry = self.connections.vacant_entry();
        let index = entry.key();
        self.next_number += 1;
        let connection = entry.insert(Connection {
            socket,
            peer: peer.to_canonical(),
            number: self.next_number,
            stage,
            wire,
            outbox,
            deadline_ms,
            timer_at_ms: u64::MAX,
            dirty: false,
            postponed: false,
            allowance: 0,
            leaving: false,
            stalled_until_ms: 0,
            breaks_at: None,
            half_closed: false,
        });
        let registered = self.poll.registry().register(
            &mut connection.socket,
            Token(index + FIRST_CONNECTION),
            Interest::READABLE | Interest::WRITABLE,
        );
        self.metrics().connections.add(1);
        if registered.is_err() {
            self.drop_connection(index, NO_CLOSE);
            return None;
        }
        self.arm(index);
        Some(index)
    }

    /// Reads what the socket has, up to the turn's budget.
    pub(crate) fn on_readable(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        if buffer.is_empty() {
            // A panic of another connection's handling took it along.
            buffer = vec![0; crate::worker::READ_BUFFER].into_boxed_slice();
        }
        self.read_into(index, &mut buffer);
        self.read_buffer = buffer;
    }

    fn read_into(&mut self, index: usize, buffer: &mut [u8]) {
        for _ in 0..READS_PER_TURN {
            let Some(connection) = self.connections.get_mut(index) else {
                return;
            };
            let number = connection.number;
            match connection.socket.read(buffer) {
                Ok(0) => {
                    self.on_end(index);
                    return;
                }
                Ok(n) => {
                    self.metrics().bytes_in.add(n as u64);
                    self.on_bytes(index, &buffer[..n]);
                    if self
                        .connections
                        .get(index)
                        .is_none_or(|c| c.number != number)
                    {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.drop_connection(index, NO_CLOSE);
                    return;
                }
            }
        }
        self.unread.push(index);
    }

    /// The peer has ended its side: without a close frame that is a bare drop.
    fn on_end(&mut self, index: usize) {
        self.drop_connection(index, NO_CLOSE);
    }

    /// The socket takes output again.
    pub(crate) fn on_writable(&mut self, index: usize) {
        let now = self.now_ms;
        if let Some(connection) = self.connections.get_mut(index)
            && connection.stalled_until_ms <= now
            && connection.outbox.unblock()
        {
            self.mark_dirty(index);
        }
    }

    /// Has the connection written at the end of the turn.
    pub(crate) fn mark_dirty(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index)
            && connection.wants_flush()
        {
            connection.dirty = true;
            self.dirty.push(index);
        }
    }

    /// One write per connection that has something to say; those with much wait once a turn has written its share.
    pub(crate) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            if self.turn_bytes >= self.bytes_per_turn && self.postpone_large(index) {
                continue;
            }
            self.guarded(index, Self::flush);
        }
        // Only a panic marks a connection while flushing; then the turn after this one has the shorter list.
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    /// Has a connection wait for a later turn, if it has much to write: guilds after READY, a long replay.
    fn postpone_large(&mut self, index: usize) -> bool {
        let Some(connection) = self.connections.get_mut(index) else {
            return false;
        };
        if connection.outbox.bytes() < LARGE_BYTES {
            return false;
        }
        connection.dirty = false;
        if !connection.postponed {
            connection.postponed = true;
            self.postponed.push_back(index);
        }
        true
    }

    /// Writes to those who were postponed, as many as a turn has room for, in their order.
    pub(crate) fn flush_postponed(&mut self) {
        for _ in 0..self.writes_per_turn {
            if self.turn_bytes >= self.bytes_per_turn {
                break;
            }
            let Some(index) = self.postponed.pop_front() else {
                break;
            };
            self.flights.resume_one();
            if let Some(connection) = self.connections.get_mut(index) {
                connection.postponed = false;
                self.guarded(index, Self::flush);
            }
        }
        if self.dirty.is_empty() && self.postponed.is_empty() && self.full.is_empty() {
            self.packing.stage.clear();
        }
    }

    fn flush(&mut self, index: usize) {
        if let Some(connection) = self.connections.get(index)
            && connection.wire.is_broken()
            && connection.is_live()
        {
            self.metrics().broken_streams.add(1);
            self.fail(index, CloseCode::UnknownError.code());
        }
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.dirty = false;
        if connection.outbox.is_blocked() {
            return;
        }
        let mut count = WriteCount::default();
        connection.wire.flush_pong(&mut connection.outbox);
        let (stage, scratch) = (&self.packing.stage, &mut self.scratch);
        let written =
            connection
                .outbox
                .write_to(&mut connection.socket, stage, scratch, &mut count);
        let finished = match written {
            Ok(Written::All) => {
                connection.allowance = 0;
                matches!(connection.stage, Stage::Closing { done: true, .. })
            }
            Ok(Written::Blocked) => false,
            Err(_) => {
                self.count_write(count);
                self.drop_connection(index, NO_CLOSE);
                return;
            }
        };
        if finished && !connection.half_closed {
            // Dropping the socket now could reset it before the peer has read the close frame: wait for its end.
            connection.half_closed = true;
            let _ = connection.socket.shutdown(std::net::Shutdown::Write);
        }
        self.count_write(count);
    }

    pub(crate) fn count_write(&mut self, count: WriteCount) {
        self.turn_bytes += count.bytes;
        let metrics = self.metrics();
        metrics.bytes_out.add(count.bytes);
        metrics.writes.add(count.calls);
    }

    /// Closes with a code: what is queued goes first, then the close frame. The session, if any, is detached.
    pub(crate) fn fail(&mut self, index: usize, code: u16) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if matches!(connection.stage, Stage::Closing { .. }) {
            return;
        }
        if matches!(connection.stage, Stage::Handshake) {
            self.drop_connection(index, code);
            return;
        }
        connection.wire.flush_pong(&mut connection.outbox);
        connection.outbox.push_bytes(crate::wire::close_frame(code));
        self.leave(index, code, false);
    }

    /// Enters `Closing` and lets the session go on without this connection.
    pub(crate) fn leave(&mut self, index: usize, code: u16, done: bool) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let session = connection.session();
        connection.stage = Stage::Closing { code, done };
        connection.deadline_ms = self.now_ms + CLOSE_TIMEOUT_MS;
        self.arm(index);
        self.mark_dirty(index);
        if let Some(key) = session {
            self.detach(key, code);
        }
    }

    /// More waits than may: what the socket takes at once does not count, and who is still over is too slow.
    pub(crate) fn relieve(&mut self, index: usize) {
        self.flush(index);
        let limit = self.shared.config.outbound_max_bytes;
        let over = self
            .connections
            .get(index)
            .is_some_and(|c| c.is_live() && c.outbox.bytes() > limit + c.allowance);
        if over {
            self.fail_slow(index);
        }
    }

    /// A client that does not read: its queue goes, the close frame stays.
    fn fail_slow(&mut self, index: usize) {
        self.metrics().slow_clients.add(1);
        if let Some(connection) = self.connections.get_mut(index) {
            connection.outbox.discard_unstarted();
        }
        self.fail(index, CloseCode::UnknownError.code());
    }

    /// Ends the TCP connection now. `code` is what the session, if any, is detached with.
    pub(crate) fn drop_connection(&mut self, index: usize, code: u16) {
        let Some(mut connection) = self.connections.try_remove(index) else {
            return;
        };
        self.forget(&mut connection);
        let (session, code) = match connection.stage {
            Stage::Attached(key) | Stage::Identifying(key) => (Some(key), code),
            Stage::Closing { code, .. } => (None, code),
            Stage::Handshake | Stage::Open => (None, code),
        };
        self.metrics().close(code);
        drop(connection);
        if let Some(key) = session {
            self.detach(key, code);
        }
    }

    /// Takes a socket out of the poll and the counts.
    pub(crate) fn forget(&mut self, connection: &mut Connection) {
        // The socket is closed or moved next, and either way leaves the poll.
        let _ = self.poll.registry().deregister(&mut connection.socket);
        self.metrics().connections.sub(1);
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Arms the connection's timer for the nearest of its deadlines, unless an earlier one is armed.
    pub(crate) fn arm(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let mut at = connection.deadline_ms;
        if connection.is_live() {
            at = at.min(connection.wire.next_heartbeat_ms());
        }
        if connection.stalled_until_ms > self.now_ms {
            at = at.min(connection.stalled_until_ms);
        }
        if at < connection.timer_at_ms {
            connection.timer_at_ms = at;
            let key = TimerKey::Connection(index, connection.number);
            self.timers.arm(at, key);
        }
    }

    /// A timer of the connection fired: something is due, or it is armed anew.
    pub(crate) fn on_deadline(&mut self, index: usize) {
        let now = self.now_ms;
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.timer_at_ms = u64::MAX;
        if connection.stalled_until_ms != 0 && now >= connection.stalled_until_ms {
            connection.stalled_until_ms = 0;
            connection.outbox.unblock();
            self.mark_dirty(index);
        }
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if now >= connection.deadline_ms {
            match connection.stage {
                Stage::Handshake => self.drop_connection(index, NO_CLOSE),
                Stage::Closing { code, .. } => self.drop_connection(index, code),
                _ if connection.leaving => self.fail(index, CloseCode::UnknownError.code()),
                _ => self.fail(index, CloseCode::NotAuthenticated.code()),
            }
            return;
        }
        if connection.is_live() {
            match connection.wire.check_heartbeat(now) {
                Liveness::Fine(_) => {}
                Liveness::Ask(_) => self.send(index, Control::HeartbeatRequest),
                Liveness::Dead => {
                    self.metrics().zombies.add(1);
                    self.fail(index, CloseCode::UnknownError.code());
                    return;
                }
            }
        }
        self.arm(index);
    }
}
