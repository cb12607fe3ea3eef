//! Connection: one client: its socket, what it has been told, and what it waits for.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use crate::stream::Stream;

/// The key of RFC 6455 §1.3 and its answer: a load generator gains nothing from a random one.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Closed,
    /// The request is out, the answer is not in.
    Upgrading,
    /// HELLO is in, or with the plain protocol the answer to the upgrade.
    Open,
    Identifying,
    Resuming,
    /// A heartbeat is out, its acknowledgement is not in.
    Beating,
    /// READY and all guilds are in, or RESUMED.
    Ready,
    /// Our close frame is out, the server's answer is not in.
    Closing,
}

pub(crate) struct Connection {
    pub(crate) socket: Option<TcpStream>,
    pub(crate) state: State,
    /// Bytes read that are no whole frame yet.
    pub(crate) partial: Vec<u8>,
    /// Bytes that the socket would not take yet.
    out: Vec<u8>,
    pub(crate) session_id: String,
    pub(crate) seq: u64,
    /// Dispatches since identify or resume began.
    pub(crate) dispatches: u32,
    /// Events of the present window that have come.
    pub(crate) delivered: usize,
    /// Op 9 told it to begin anew in this stretch: it has not got all events.
    pub(crate) anew: bool,
    pub(crate) asked_at: Instant,
    pub(crate) beat_at: Option<Instant>,
    /// When each heartbeat of an open loop was due that is not acknowledged yet.
    pub(crate) beats: VecDeque<Instant>,
    pub(crate) stream: Option<Stream>,
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self {
            socket: None,
            state: State::Closed,
            partial: Vec::new(),
            out: Vec::new(),
            session_id: String::new(),
            seq: 0,
            dispatches: 0,
            delivered: 0,
            anew: false,
            asked_at: Instant::now(),
            beat_at: None,
            beats: VecDeque::new(),
            stream: None,
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.extend_from_slice(bytes);
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Some(socket) = &mut self.socket else {
            return Ok(());
        };
        while !self.out.is_empty() {
            match socket.write(&self.out) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.out.shrink_to_fit();
        Ok(())
    }

    /// Close at once with a reset, so that no port stays behind in TIME_WAIT.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO))?;
        }
        self.cut();
        Ok(())
    }

    /// Forget the socket; the session is kept for a resume.
    pub(crate) fn cut(&mut self) {
        self.socket = None;
        self.state = State::Closed;
        self.stream = None;
        self.partial = Vec::new();
        self.out = Vec::new();
        self.beat_at = None;
        self.beats.clear();
    }
}
