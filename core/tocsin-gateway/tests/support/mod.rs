//! Rig of the integration tests: a gateway, a plain Rust host that answers its requests, and a raw client.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of the rig"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tocsin_codec::etf::{Rules, etf_to_json, term_of_json};
use tocsin_gateway::command::{Accept, Command, Dispatch, Place, SharedBody, Target};
use tocsin_gateway::{
    Envelope, Fragment, Gateway, GatewayConfig, HostRequest, Scope, SessionKey, token_digest,
};

/// The guild, its channel and the cohort of everyone whom the host accepts.
pub const GUILD: u64 = 100;
pub const CHANNEL: u64 = 200;
pub const COHORT: u32 = 1;
/// Every intent.
pub const ALL: u64 = (1 << 29) - 1;
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway with its host. The host accepts `user-N` as user N, a bot; `person-N` as a person; `blind-N` as a bot
/// without MESSAGE_CONTENT; `large-N` into a guild with a long name, `ten-N` into ten guilds; refuses `bad` with 4004 and `later` by op 9; leaves `never` without an answer.
pub struct Rig {
    pub gateway: Arc<Gateway>,
    pub port: u16,
    requests: Receiver<HostRequest>,
    stop: Arc<AtomicBool>,
    host: Option<JoinHandle<()>>,
}

impl Rig {
    pub fn start(config: GatewayConfig) -> Self {
        let gateway = Arc::new(Gateway::new(config));
        gateway.start().expect("start");
        let (sender, requests) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let host = {
            let (gateway, stop) = (Arc::clone(&gateway), Arc::clone(&stop));
            std::thread::spawn(move || serve(&gateway, &stop, &sender))
        };
        Self {
            port: gateway.port().expect("port"),
            gateway,
            requests,
            stop,
            host: Some(host),
        }
    }

    /// The next request that the host does not answer by itself, IDENTIFY excepted.
    pub fn request(&self) -> HostRequest {
        loop {
            match self.requests.recv_timeout(PATIENCE) {
                Ok(HostRequest::Identify { .. }) => {}
                Ok(request) => return request,
                Err(error) => panic!("no request: {error}"),
            }
        }
    }

    /// The next IDENTIFY, whatever else comes before it.
    pub fn identify(&self) -> SessionKey {
        loop {
            match self.requests.recv_timeout(PATIENCE) {
                Ok(HostRequest::Identify { session, .. }) => return session,
                Ok(_) => {}
                Err(error) => panic!("no identify: {error}"),
            }
        }
    }

    /// Whether no request arrives for a while.
    pub fn is_quiet(&self, for_ms: u64) -> bool {
        let waited = self.requests.recv_timeout(Duration::from_millis(for_ms));
        matches!(waited, Err(RecvTimeoutError::Timeout))
    }

    pub fn submit(&self, commands: Vec<Command>) {
        self.gateway.submit(commands).expect("running");
    }

    /// Publishes a message in the channel.
    pub fn publish(&self, seq: u64, content: &str) {
        self.submit(vec![message(seq, content)]);
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.port, "v=10&encoding=json")
    }

    /// A connected client with a session that has READY and GUILD_CREATE behind it.
    pub fn session(&self, token: &str) -> (Client, String) {
        let mut client = self.connect();
        let id = client.begin(token);
        (client, id)
    }

    /// Waits until a stat has reached a value.
    pub fn until(&self, name: &str, value: u64) {
        let began = std::time::Instant::now();
        while self.stat(name) < value {
            assert!(began.elapsed() < PATIENCE, "{name} never reached {value}");
            std::thread::yield_now();
        }
    }

    pub fn stat(&self, name: &str) -> u64 {
        let stats = self.gateway.stats().expect("running");
        stats
            .iter()
            .find(|(each, _)| *each == name)
            .expect("a stat")
            .1
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(host) = self.host.take() {
            host.join().expect("host thread");
        }
        self.gateway.stop();
    }
}

fn serve(gateway: &Gateway, stop: &AtomicBool, seen: &Sender<HostRequest>) {
    while !stop.load(Ordering::Acquire) {
        if !gateway.wait(Duration::from_millis(20)).expect("running") {
            continue;
        }
        for request in gateway.drain(256).expect("running") {
            if let HostRequest::Identify {
                session,
                session_id,
                d,
                ..
            } = &request
            {
                let commands = answer(*session, session_id, d);
                gateway.submit(commands).expect("running");
            }
            let _ = seen.send(request);
        }
    }
}

fn answer(session: SessionKey, session_id: &str, d: &[u8]) -> Vec<Command> {
    let d: Value = serde_json::from_slice(d).expect("JSON");
    let token = d["token"].as_str().unwrap_or("bad");
    match token {
        "bad" => vec![Command::Reject {
            session,
            close_code: 4004,
        }],
        "later" => vec![Command::InvalidSession { session }],
        "never" => Vec::new(),
        _ => vec![
            Command::SetChannel {
                guild: GUILD,
                channel: CHANNEL,
                cohorts: vec![COHORT],
            },
            accept(session, session_id, token),
        ],
    }
}

pub fn accept(session: SessionKey, session_id: &str, token: &str) -> Command {
    let (kind, user) = token.split_once('-').expect("kind-user");
    let filler = if kind == "large" { 300_000 } else { 0 };
    let fragments = [
        "\"id\":\"100\"".to_owned(),
        String::new(),
        format!("\"name\":\"{}\"", "n".repeat(filler)),
    ];
    let intents = if kind == "blind" {
        ALL & !(1 << 15)
    } else {
        ALL
    };
    Command::Accept(Box::new(Accept {
        session,
        user_id: user.parse().expect("a number"),
        bot: kind != "person",
        intents,
        shard: None,
        token_digest: token_digest(token),
        compress: false,
        ready: Bytes::from(json!({"v": 10, "session_id": session_id}).to_string()),
        guilds: (0..if kind == "ten" { 10 } else { 1 })
            .map(|at| Place {
                guild: GUILD + u64::from(at),
                cohort: COHORT + at,
                body: Some(SharedBody {
                    first: Bytes::from_static(b"\"joined_at\":\"now\""),
                    fragments: fragments
                        .iter()
                        .map(|members| Arc::new(Fragment::new(members.as_bytes())))
                        .collect(),
                }),
            })
            .collect(),
    }))
}

/// A message of user 1 in the channel.
pub fn message(seq: u64, content: &str) -> Command {
    Command::Publish(Box::new(envelope(
        "MESSAGE_CREATE",
        seq,
        &json!({ "content": content }),
    )))
}

/// A dispatch with nothing special about it.
pub fn dispatch(name: &str, body: Bytes, target: Target, guild: u64) -> Dispatch {
    Dispatch {
        name: name.to_owned(),
        body,
        target,
        guild,
        exclude_user: 0,
        author: 0,
        mentions: Vec::new(),
        gated: false,
        ungated: false,
        bots_only: false,
    }
}

pub fn envelope(name: &str, seq: u64, d: &Value) -> Envelope {
    Envelope {
        scope: Scope { kind: 1, id: GUILD },
        seq,
        name: name.to_owned(),
        body: Bytes::from(d.to_string()),
        guild: GUILD,
        channel: CHANNEL,
        users: Vec::new(),
        exclude_user: 0,
        author: 1,
        mentions: Vec::new(),
        gated: true,
        state: false,
        traced: None,
    }
}

/// A WebSocket client that knows no more than frames.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub fn connect(port: u16, query: &str) -> Self {
        let mut client = Self::raw(port);
        let head = format!(
            "GET /?{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        client.write(head.as_bytes());
        let end = loop {
            if let Some(at) = client.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(client.fill(), "closed in the handshake");
        };
        assert!(client.buffer.starts_with(b"HTTP/1.1 101"));
        client.buffer.drain(..end);
        client
    }

    /// Octets of memory it keeps.
    pub fn footprint(&self) -> usize {
        size_of::<Self>() + self.buffer.capacity()
    }

    pub fn raw(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("read timeout");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// One octet, whatever it belongs to.
    pub fn byte(&mut self) -> u8 {
        while self.buffer.is_empty() {
            assert!(self.fill(), "ended");
        }
        self.buffer.remove(0)
    }

    /// All octets up to the end of the TCP connection.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether nothing has arrived.
    pub fn is_silent(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a mode");
        let silent = self.buffer.is_empty() && self.stream.peek(&mut [0]).is_err();
        self.stream.set_nonblocking(false).expect("a mode");
        silent
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("write");
    }

    fn fill(&mut self) -> bool {
        let mut piece = [0; 65_536];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&piece[..n]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing arrived: {error}"),
        }
    }

    /// A masked frame.
    pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            n @ 0..126 => frame.push(0x80 | n as u8),
            n => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(n as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        frame
    }

    pub fn send(&mut self, payload: &Value) {
        self.write(&Self::frame(1, payload.to_string().as_bytes()));
    }

    /// A payload as a term, which makes it a binary frame.
    pub fn send_term(&mut self, payload: &Value) {
        let term = term_of_json(payload.to_string().as_bytes()).expect("a term");
        self.write(&Self::frame(2, &term));
    }

    /// The next payload, which must be a term in a binary frame.
    pub fn term(&mut self) -> Value {
        match self.frame_in() {
            Some((2, term)) => {
                let json = etf_to_json(&term, Rules::LENIENT).expect("a term");
                serde_json::from_slice(&json).expect("JSON")
            }
            other => panic!("no binary frame: {other:?}"),
        }
    }

    pub fn close(&mut self, code: u16) {
        self.write(&Self::frame(8, &code.to_be_bytes()));
    }

    /// Ends the TCP connection with a reset.
    pub fn cut(self) {
        self.stream
            .shutdown(std::net::Shutdown::Both)
            .expect("shutdown");
    }

    /// The next frame, or `None` at the end.
    pub fn frame_in(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((opcode, start, end)) = complete(&self.buffer) {
                let payload = self.buffer[start..end].to_vec();
                self.buffer.drain(..end);
                return Some((opcode, payload));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// The next payload, which must be text.
    pub fn receive(&mut self) -> Value {
        match self.frame_in() {
            Some((1, payload)) => serde_json::from_slice(&payload).expect("JSON"),
            other => panic!("no text frame: {other:?}"),
        }
    }

    /// A dispatch with the name and number; its `d`.
    pub fn dispatch(&mut self, name: &str, s: u64) -> Value {
        let payload = self.receive();
        assert_eq!(
            (
                payload["op"].as_u64(),
                payload["t"].as_str(),
                payload["s"].as_u64()
            ),
            (Some(0), Some(name), Some(s)),
            "{payload}"
        );
        payload["d"].clone()
    }

    /// A payload with the opcode; its `d`.
    pub fn op(&mut self, op: u64) -> Value {
        let payload = self.receive();
        assert_eq!(payload["op"].as_u64(), Some(op), "{payload}");
        payload["d"].clone()
    }

    /// The close code, once all before it was skipped.
    pub fn close_code(&mut self) -> u16 {
        loop {
            match self.frame_in() {
                Some((8, payload)) => return u16::from_be_bytes([payload[0], payload[1]]),
                Some(_) => {}
                None => panic!("ended without a close frame"),
            }
        }
    }

    /// Whether the server ends the TCP connection.
    pub fn ends(&mut self) -> bool {
        self.frame_in().is_none()
    }

    /// HELLO, identify, READY as 1 and GUILD_CREATE as 2; the session's id.
    pub fn begin(&mut self, token: &str) -> String {
        self.op(10);
        self.begin_again(token)
    }

    /// The same without HELLO, which came before.
    pub fn begin_again(&mut self, token: &str) -> String {
        self.send(&json!({"op": 2, "d": {"token": token}}));
        let ready = self.dispatch("READY", 1);
        self.dispatch("GUILD_CREATE", 2);
        ready["session_id"].as_str().expect("an id").to_owned()
    }

    /// HELLO and resume.
    pub fn resume(&mut self, token: &str, session_id: &str, seq: u64) {
        self.op(10);
        self.resume_again(token, session_id, seq);
    }

    pub fn resume_again(&mut self, token: &str, session_id: &str, seq: u64) {
        self.send(&json!({"op": 6, "d": {"token": token, "session_id": session_id, "seq": seq}}));
    }
}

fn complete(buffer: &[u8]) -> Option<(u8, usize, usize)> {
    let (&first, &second) = (buffer.first()?, buffer.get(1)?);
    assert_eq!(second & 0x80, 0, "server frames are not masked");
    let (start, length) = match second {
        126 => (
            4,
            u64::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?)),
        ),
        127 => (10, u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)),
        n => (2, u64::from(n)),
    };
    let end = start + usize::try_from(length).ok()?;
    (buffer.len() >= end).then_some((first & 0x0f, start, end))
}
