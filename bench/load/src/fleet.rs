//! Fleet: all clients of a run on one epoll: connects them, reads what they get, and keeps them alive.

mod payload;

use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::args::{Args, fail};
use crate::connection::{ACCEPT, Connection, KEY, State};
use crate::histogram::Histogram;
use crate::publisher::{FIRST_TOKEN, Publisher};
use crate::roam::Roam;
use crate::stream::{Stream, Transport};
use crate::window::Window;
use crate::{etf, frame};

const BEAT_SCAN: Duration = Duration::from_millis(200);
/// Guilds up to this size come with all their members.
const LARGE: u8 = 250;
/// Shorter terms than this are acknowledgements, never events.
const EVENT_MIN: usize = 80;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// Frames are only counted.
    Plain,
    Json,
    /// Frames are told apart by their order and length.
    Etf,
}

pub(crate) struct Fleet {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) publisher: Publisher,
    pub(crate) window: Option<Window>,
    /// How late messages were whose content says when they were due.
    pub(crate) heard: Option<Histogram>,
    /// Connections that came to the state the present step waits for.
    pub(crate) reached: usize,
    /// From asking (identify, resume) to its end.
    pub(crate) answers: Histogram,
    /// Bytes read since the step began.
    pub(crate) bytes: u64,
    /// Events replayed by resumes.
    pub(crate) replayed: u64,
    /// PRESENCE_UPDATE and GUILD_MEMBER_LIST_UPDATE that came since the step began.
    pub(crate) presences: u64,
    pub(crate) lists: u64,
    /// Sessions that were told by op 9 that they are gone, since the step began.
    pub(crate) invalidated: u64,
    /// Where to go when a connection ends.
    pub(crate) roam: Roam,
    /// Changes of status that went out.
    pub(crate) flapped: usize,
    /// Sessions that were ended in order to begin anew; those that did so count in `reached`.
    pub(crate) left: usize,
    /// Whether a session that was ended begins anew at once.
    pub(crate) returning: bool,
    wire: Wire,
    transport: Transport,
    /// Sent after the upgrade, where a peer wants to be greeted.
    hello: String,
    /// How the message begins that says a greeted peer is ready.
    opens_with: String,
    /// What the last compressed message held.
    text: Vec<u8>,
    request: String,
    pub(crate) port: u16,
    sources: u8,
    token: String,
    tokens: usize,
    intents: u32,
    guilds: u32,
    beat_every: Duration,
    scanned_at: Instant,
    /// When each heartbeat of an open loop was due, in Unix seconds, and after how many milliseconds it was acknowledged.
    pub(crate) acknowledged: Vec<(f64, f64)>,
}

impl Fleet {
    pub(crate) fn new(args: &Args) -> io::Result<Self> {
        let (encoding, compress) = (args.text("encoding", "json"), args.text("compress", "none"));
        let plain = args.text("protocol", "discord") == "plain";
        let wire = match (plain, encoding, compress) {
            (true, _, _) => Wire::Plain,
            (_, "json", _) => Wire::Json,
            (_, "etf", _) => Wire::Etf,
            _ => return Err(fail(format!("no such encoding: {encoding}"))),
        };
        let transport = match compress {
            "none" => Transport::None,
            "zlib-stream" => Transport::Zlib,
            "zstd-stream" => Transport::Zstd,
            _ => return Err(fail(format!("no such compression: {compress}"))),
        };
        let mut path = args.text("path", "/").to_owned();
        if !plain {
            path = format!("/?v=10&encoding={encoding}");
            if compress != "none" {
                path = format!("{path}&compress={compress}");
            }
        }
        let port = args.number("port", 0)?;
        let poll = Poll::new()?;
        let publisher = Publisher::open(args, poll.registry())?;
        let count: usize = args.number("connections", 1)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            scratch: vec![0; 256 * 1024],
            connections: (0..count).map(|_| Connection::new()).collect(),
            publisher,
            window: None,
            heard: None,
            reached: 0,
            answers: Histogram::new(),
            bytes: 0,
            replayed: 0,
            presences: 0,
            lists: 0,
            invalidated: 0,
            roam: Roam::new(args),
            flapped: 0,
            left: 0,
            returning: false,
            wire,
            transport,
            hello: args.text("hello", "").to_owned(),
            opens_with: args.text("opens-with", "").to_owned(),
            text: Vec::new(),
            request: format!(
                "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
            ),
            port,
            sources: args.number("sources", 8)?,
            token: args.text("token", "load-{n}").to_owned(),
            tokens: args.number("tokens", count)?,
            intents: args.number("intents", 1 | 1 << 9 | 1 << 15)?,
            guilds: args.number("guilds", 1)?,
            beat_every: Duration::from_millis(args.number("heartbeat-ms", 41_250)?),
            scanned_at: Instant::now(),
            acknowledged: Vec::new(),
        })
    }

    /// Begin to connect from one of several loopback addresses, so that ports do not run out.
    pub(crate) fn connect(&mut self, index: usize) -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let source = 2 + (index % usize::from(self.sources.max(1))) as u8;
        socket.bind(&SocketAddr::from(([127, 0, 0, source], 0)).into())?;
        if self.roam.offers() {
            self.port = self.roam.port()?;
        }
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        match socket.connect(&server.into()) {
            Ok(()) => {}
            // EINPROGRESS
            Err(error) if error.raw_os_error() == Some(115) => {}
            Err(error) => return Err(error),
        }
        let mut socket = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut socket, Token(index), interest)?;
        let connection = &mut self.connections[index];
        connection.socket = Some(socket);
        connection.state = State::Upgrading;
        connection.dispatches = 0;
        connection.stream = Stream::of(self.transport);
        connection.send(self.request.as_bytes())
    }

    pub(crate) fn identify(&mut self, index: usize) -> io::Result<()> {
        let n = index % self.tokens + 1;
        let token = self.token.replace("{n}", &n.to_string());
        let intents = self.intents;
        let message = if self.wire == Wire::Etf {
            frame::masked(2, &etf::identify(&token, intents, LARGE))
        } else {
            let text = serde_json::json!({"op": 2, "d": {
                "token": token, "intents": intents, "compress": false, "large_threshold": LARGE,
                "properties": {"os": "linux", "browser": "load", "device": "load"},
            }});
            frame::masked(1, text.to_string().as_bytes())
        };
        self.ask(index, State::Identifying, &message)
    }

    pub(crate) fn resume(&mut self, index: usize) -> io::Result<()> {
        if self.wire != Wire::Json {
            return Err(fail("resume needs JSON: it must know its session's id"));
        }
        let connection = &self.connections[index];
        let token = self
            .token
            .replace("{n}", &(index % self.tokens + 1).to_string());
        let text = serde_json::json!({"op": 6, "d": {
            "token": token, "session_id": connection.session_id, "seq": connection.seq,
        }});
        let message = frame::masked(1, text.to_string().as_bytes());
        self.ask(index, State::Resuming, &message)
    }

    /// Send a heartbeat out of turn and wait for its acknowledgement: the server may then forget what it holds for a
    /// resume.
    pub(crate) fn beat_now(&mut self, index: usize) -> io::Result<()> {
        let message = heartbeat(self.wire, self.connections[index].seq);
        self.ask(index, State::Beating, &message)
    }

    /// Send a heartbeat that was due at `due`, whether or not the one before has been acknowledged.
    pub(crate) fn beat_due(&mut self, index: usize, due: Instant) -> io::Result<()> {
        let message = heartbeat(self.wire, self.connections[index].seq);
        let connection = &mut self.connections[index];
        connection.beats.push_back(due);
        connection.send(&message)
    }

    fn acknowledge(&mut self, index: usize, now: Instant) {
        if let Some(due) = self.connections[index].beats.pop_front() {
            let took = now.saturating_duration_since(due);
            self.acknowledged
                .push((unix_s() - took.as_secs_f64(), took.as_secs_f64() * 1e3));
        }
    }

    /// Whether all have got so many events, but those that were told to begin anew.
    pub(crate) fn have_all(&self, count: usize) -> bool {
        let mut all = self.connections.iter();
        all.all(|each| each.anew || each.delivered >= count)
    }

    /// The connections that have got the fewest events, for who asks why nothing goes on.
    pub(crate) fn behind(&self) -> String {
        let least = self.connections.iter().map(|each| each.delivered).min();
        let slow = self.connections.iter().enumerate();
        let mut slow = slow.filter(|(_, each)| Some(each.delivered) == least);
        let many = slow.clone().count();
        match slow.next() {
            Some((index, each)) => format!(
                "{many} have {} events, such as {index}, which is {:?}",
                each.delivered, each.state
            ),
            None => String::new(),
        }
    }

    /// End a session for good: the server forgets what a resume would need.
    pub(crate) fn close(&mut self, index: usize) -> io::Result<()> {
        let message = frame::masked(frame::CLOSE, &1000_u16.to_be_bytes());
        self.ask(index, State::Closing, &message)
    }

    fn closed(&mut self, index: usize) -> io::Result<()> {
        self.connections[index].reset()?;
        if self.returning {
            return self.connect(index);
        }
        self.reached += 1;
        Ok(())
    }

    fn ask(&mut self, index: usize, state: State, message: &[u8]) -> io::Result<()> {
        let connection = &mut self.connections[index];
        connection.state = state;
        connection.dispatches = 0;
        connection.asked_at = Instant::now();
        connection.send(message)
    }

    /// Wait for the network at most `wait`, and serve it.
    pub(crate) fn pump(&mut self, wait: Duration) -> io::Result<()> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = match self.poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            other => other,
        };
        let mut outcome = polled;
        for event in &events {
            if outcome.is_err() {
                break;
            }
            let Token(token) = event.token();
            outcome = if token >= FIRST_TOKEN {
                self.publisher
                    .on_readable(token - FIRST_TOKEN, self.poll.registry())
            } else {
                let written = if event.is_writable() {
                    self.connections[token].flush()
                } else {
                    Ok(())
                };
                let served = written.and_then(|()| {
                    if event.is_readable() {
                        self.read(token)
                    } else {
                        Ok(())
                    }
                });
                served.or_else(|error| self.broken(token, error))
            };
        }
        self.events = events;
        outcome?;
        let now = Instant::now();
        self.go_on(now)?;
        if now - self.scanned_at >= BEAT_SCAN {
            self.scanned_at = now;
            self.beat(now)?;
        }
        Ok(())
    }

    fn beat(&mut self, now: Instant) -> io::Result<()> {
        for connection in &mut self.connections {
            if connection.beat_at.is_some_and(|due| due <= now) {
                connection.beat_at = Some(now + self.beat_every);
                let message = heartbeat(self.wire, connection.seq);
                match connection.send(&message) {
                    // What has ended shows when it is read.
                    Err(error) if self.roam.bears(&error) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, index: usize) -> io::Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let outcome = self.read_into(index, &mut scratch);
        self.scratch = scratch;
        outcome
    }

    fn read_into(&mut self, index: usize, scratch: &mut [u8]) -> io::Result<()> {
        loop {
            let Some(socket) = &mut self.connections[index].socket else {
                return Ok(());
            };
            let read = match socket.read(scratch) {
                Ok(0) if self.connections[index].state == State::Closing => {
                    return self.closed(index);
                }
                Ok(0) => {
                    let what = format!("connection {index} was closed by the server");
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, what));
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let now = Instant::now();
            self.bytes += read as u64;
            if let Some(window) = &mut self.window {
                window.reads += 1;
            }
            let mut partial = std::mem::take(&mut self.connections[index].partial);
            let rest = if partial.is_empty() {
                let taken = self.take(index, &scratch[..read], now)?;
                scratch[taken..read].to_vec()
            } else {
                partial.extend_from_slice(&scratch[..read]);
                let taken = self.take(index, &partial, now)?;
                partial.drain(..taken);
                partial
            };
            if self.connections[index].socket.is_none() {
                return Ok(());
            }
            self.connections[index].partial = rest;
            // A short read has emptied the socket: the next byte makes a new edge.
            if read < scratch.len() {
                return Ok(());
            }
        }
    }

    /// Handle what is whole in `bytes`; return how much that was.
    fn take(&mut self, index: usize, bytes: &[u8], now: Instant) -> io::Result<usize> {
        let mut at = 0;
        if self.connections[index].state == State::Upgrading
            && self.connections[index].beat_at.is_none()
            && bytes.starts_with(b"HTTP/")
        {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
                return Ok(0);
            };
            let head = &bytes[..end];
            if !head.starts_with(b"HTTP/1.1 101")
                || memchr::memmem::find(head, ACCEPT.as_bytes()).is_none()
            {
                return Err(fail(format!(
                    "no upgrade: {}",
                    String::from_utf8_lossy(head)
                )));
            }
            at = end + 4;
            if self.wire == Wire::Plain {
                if self.hello.is_empty() {
                    self.opened(index)?;
                } else {
                    let hello = frame::masked(1, self.hello.as_bytes());
                    self.connections[index].send(&hello)?;
                }
            }
        }
        while let Some((opcode, range)) = frame::next(&bytes[at..]) {
            let payload = &bytes[at + range.start..at + range.end];
            match opcode {
                frame::PING => {}
                frame::CLOSE if self.connections[index].state == State::Closing => {
                    self.closed(index)?;
                    return Ok(bytes.len());
                }
                frame::CLOSE if self.roam.bears_ends() => {
                    self.gone(index, now);
                    return Ok(bytes.len());
                }
                frame::CLOSE => {
                    let code = payload
                        .first_chunk()
                        .map_or(1005, |two| u16::from_be_bytes(*two));
                    return Err(fail(format!(
                        "connection {index} was closed with {code} while {:?}",
                        self.connections[index].state
                    )));
                }
                _ => self.on_message(index, payload, range.end, now)?,
            }
            at += range.end;
        }
        Ok(at)
    }

    fn opened(&mut self, index: usize) -> io::Result<()> {
        if self.returning {
            return self.identify(index);
        }
        self.connections[index].state = State::Open;
        self.reached += 1;
        Ok(())
    }

    fn ready(&mut self, index: usize, now: Instant) {
        let spread = self
            .beat_every
            .mul_f64((index as f64 + 1.0) / self.connections.len() as f64);
        let connection = &mut self.connections[index];
        connection.state = State::Ready;
        connection.beat_at = Some(now + spread);
        self.answers
            .record(now.saturating_duration_since(connection.asked_at));
        self.reached += 1;
    }
}

/// The wall clock: it joins what two processes of one machine saw.
pub(crate) fn unix_s() -> f64 {
    since_1970().as_secs_f64()
}

/// What the wall clock showed at a moment not long ago, in microseconds.
pub(crate) fn unix_us(at: Instant) -> u64 {
    let us = since_1970().saturating_sub(at.elapsed()).as_micros();
    u64::try_from(us).unwrap_or(u64::MAX)
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn heartbeat(wire: Wire, seq: u64) -> Vec<u8> {
    if wire == Wire::Etf {
        frame::masked(2, &etf::heartbeat(seq as u32))
    } else {
        frame::masked(1, format!("{{\"op\":1,\"d\":{seq}}}").as_bytes())
    }
}
