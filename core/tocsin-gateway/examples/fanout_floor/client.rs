//! The child process of the bench: a fleet of clients that only read, told by lines on its standard input.

use std::io::{self, BufRead, Read, Write};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// One client: how far it is within a frame, and the session it may resume.
struct Client {
    stream: TcpStream,
    /// Octets of an unfinished header or request head.
    partial: Vec<u8>,
    /// Payload octets still to come.
    skip: usize,
    upgraded: bool,
    id: Option<String>,
}

/// The clients and how many frames all of them have had since the last wait.
struct Fleet {
    clients: Vec<Client>,
    ids: Vec<Option<String>>,
    poll: Poll,
    frames: usize,
}

/// Obeys lines until the input ends; answers each with `ok`.
pub(crate) fn run() -> io::Result<()> {
    let mut fleet = Fleet {
        clients: Vec::new(),
        ids: Vec::new(),
        poll: Poll::new()?,
        frames: 0,
    };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| {
            words
                .get(at)
                .and_then(|w| w.parse::<usize>().ok())
                .unwrap_or(0)
        };
        match words[0] {
            // open COUNT PORT QUERY: connects, upgrades if there is a query, waits for HELLO.
            "open" => fleet.open(number(1), number(2), words.get(3).copied())?,
            "identify" => fleet.each(|_, _| br#"{"op":2,"d":{"token":"t"}}"#.to_vec())?,
            "beat" => fleet.each(|_, _| format!(r#"{{"op":1,"d":{}}}"#, words[1]).into_bytes())?,
            "resume" => fleet.each(|client, ids| {
                let id = ids[client].as_deref().unwrap_or("");
                format!(
                    r#"{{"op":6,"d":{{"token":"t","session_id":"{id}","seq":{}}}}}"#,
                    words[1]
                )
                .into_bytes()
            })?,
            // wait FRAMES: until every client has had so many more.
            "wait" => fleet.wait(number(1))?,
            "cut" => {
                fleet.ids = fleet.clients.drain(..).map(|client| client.id).collect();
                fleet.frames = 0;
            }
            _ => return Err(io::Error::other(line)),
        }
        let mut out = io::stdout().lock();
        out.write_all(b"ok\n")?;
        out.flush()?;
    }
    Ok(())
}

impl Fleet {
    fn open(&mut self, count: usize, port: usize, query: Option<&str>) -> io::Result<()> {
        for at in 0..count {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port as u16))?;
            if let Some(query) = query {
                write!(
                    stream,
                    "GET /?{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                )?;
            }
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let registry = self.poll.registry();
            registry.register(&mut stream, Token(at), Interest::READABLE)?;
            self.clients.push(Client {
                stream,
                partial: Vec::new(),
                skip: 0,
                upgraded: query.is_none(),
                id: None,
            });
        }
        if query.is_some() {
            self.wait(1)?;
        }
        Ok(())
    }

    fn each(&mut self, payload: impl Fn(usize, &[Option<String>]) -> Vec<u8>) -> io::Result<()> {
        for (at, client) in self.clients.iter_mut().enumerate() {
            let payload = payload(at, &self.ids);
            let mut frame = vec![0x81];
            match payload.len() {
                n @ 0..126 => frame.push(0x80 | n as u8),
                n => {
                    frame.push(0x80 | 126);
                    frame.extend_from_slice(&(n as u16).to_be_bytes());
                }
            }
            frame.extend_from_slice(&[0; 4]);
            frame.extend_from_slice(&payload);
            client.stream.write_all(&frame)?;
        }
        Ok(())
    }

    fn wait(&mut self, each: usize) -> io::Result<()> {
        let target = each * self.clients.len();
        let mut events = Events::with_capacity(1_024);
        let mut buffer = vec![0; 64 * 1024];
        while self.frames < target {
            self.poll.poll(&mut events, None)?;
            for event in &events {
                let Some(client) = self.clients.get_mut(event.token().0) else {
                    continue;
                };
                loop {
                    match client.stream.read(&mut buffer) {
                        Ok(0) => return Err(io::Error::other("the server closed a connection")),
                        Ok(n) => {
                            self.frames += client.take(&buffer[..n]);
                            if n < buffer.len() {
                                break;
                            }
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        self.frames -= target;
        Ok(())
    }
}

impl Client {
    /// Counts the frames that end in these octets.
    fn take(&mut self, bytes: &[u8]) -> usize {
        if self.upgraded && self.id.is_none() {
            self.id = find(bytes, b"\"session_id\":\"")
                .and_then(|at| bytes.get(at..at + 32))
                .map(|id| String::from_utf8_lossy(id).into_owned());
        }
        let joined;
        let mut rest = if self.partial.is_empty() {
            bytes
        } else {
            self.partial.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.partial);
            &joined[..]
        };
        if !self.upgraded {
            let Some(end) = find(rest, b"\r\n\r\n") else {
                self.partial = rest.to_vec();
                return 0;
            };
            assert!(rest.starts_with(b"HTTP/1.1 101"), "refused");
            self.upgraded = true;
            rest = &rest[end..];
        }
        let mut ended = 0;
        loop {
            let skipped = self.skip.min(rest.len());
            rest = &rest[skipped..];
            self.skip -= skipped;
            if skipped > 0 && self.skip == 0 {
                ended += 1;
            }
            let (header, length) = match rest {
                [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
                [_, 127, a @ ..] if a.len() >= 8 => {
                    let mut eight = [0; 8];
                    eight.copy_from_slice(&a[..8]);
                    (10, u64::from_be_bytes(eight) as usize)
                }
                [_, n @ 0..=125, ..] => (2, usize::from(*n)),
                _ => {
                    self.partial = rest.to_vec();
                    return ended;
                }
            };
            self.skip = length;
            rest = &rest[header..];
            if rest.is_empty() {
                return ended;
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let at = bytes.windows(what.len()).position(|each| each == what)?;
    Some(at + what.len())
}
