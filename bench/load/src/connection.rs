//! Connection: one client: its socket, what it has been told, and what it waits for.

use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use flate2::{Decompress, FlushDecompress};
use mio::net::TcpStream;

use crate::args::fail;

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
    pub(crate) asked_at: Instant,
    pub(crate) beat_at: Option<Instant>,
    inflater: Option<Decompress>,
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
            asked_at: Instant::now(),
            beat_at: None,
            inflater: None,
        }
    }

    /// Begin a stream of zlib.
    pub(crate) fn inflate(&mut self) {
        self.inflater = Some(Decompress::new(true));
    }

    /// Put what a message of the stream holds into `text`.
    pub(crate) fn inflated(&mut self, message: &[u8], text: &mut Vec<u8>) -> io::Result<()> {
        let inflater = self.inflater.as_mut().ok_or_else(|| fail("no inflater"))?;
        if !message.ends_with(&[0, 0, 0xFF, 0xFF]) {
            return Err(fail("a message of zlib-stream does not end with a flush"));
        }
        text.clear();
        text.reserve(4096);
        let before = inflater.total_in();
        loop {
            let read = (inflater.total_in() - before) as usize;
            if read == message.len() && text.len() < text.capacity() {
                return Ok(());
            }
            if text.len() == text.capacity() {
                text.reserve(65536);
            }
            inflater
                .decompress_vec(&message[read..], text, FlushDecompress::Sync)
                .map_err(|error| fail(format!("zlib-stream: {error}")))?;
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
        self.inflater = None;
        self.partial = Vec::new();
        self.out = Vec::new();
        self.beat_at = None;
    }
}
