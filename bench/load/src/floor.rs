//! Floor: accepts WebSockets and writes prebuilt frames, one send(2) for each receiver, and does nothing else.
//!
//! It is what a gateway would cost if sessions, order, sight and replay were free.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use serde_json::json;

use crate::args::{Args, fail};
use crate::connection::{ACCEPT, KEY};
use crate::frame;

const WS: Token = Token(0);
const CONTROL: Token = Token(1);
const FIRST: usize = 2;

struct Peer {
    socket: TcpStream,
    request: Vec<u8>,
    open: bool,
}

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let bytes: usize = args.number("bytes", 336)?;
    let local = |port: u16| TcpListener::bind(([127, 0, 0, 1], port).into());
    let (mut listener, mut control) = (local(0)?, local(0)?);
    let ready = json!({
        "pid": std::process::id(),
        "port": listener.local_addr()?.port(),
        "control": control.local_addr()?.port(),
    });
    let mut stdout = io::stdout();
    writeln!(stdout, "{ready}")?;
    stdout.flush()?;
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, WS, Interest::READABLE)?;
    poll.registry()
        .register(&mut control, CONTROL, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let mut publisher: Option<(TcpStream, Token)> = None;
    let frame = frame::unmasked_text(&payload(bytes));
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                WS => accept(&listener, &poll, &mut peers)?,
                CONTROL => {
                    let (mut socket, _) = control.accept()?;
                    socket.set_nodelay(true)?;
                    let token = Token(usize::MAX - 1);
                    poll.registry()
                        .register(&mut socket, token, Interest::READABLE)?;
                    publisher = Some((socket, token));
                }
                token => match &mut publisher {
                    Some((socket, own)) if *own == token => {
                        if !serve_publisher(socket, &frame, &mut peers)? {
                            return Ok(());
                        }
                    }
                    _ => {
                        let slot = &mut peers[token.0 - FIRST];
                        if slot.as_mut().is_some_and(|peer| !serve_peer(peer)) {
                            *slot = None;
                        }
                    }
                },
            }
        }
    }
}

/// A JSON text of just this length, as a dispatch would be.
fn payload(bytes: usize) -> Vec<u8> {
    let mut text = br#"{"s":1,"t":"MESSAGE_CREATE","op":0,"d":{"content":""#.to_vec();
    let end = br#""}}"#;
    text.resize(bytes.saturating_sub(end.len()).max(text.len()), b'x');
    text.extend_from_slice(end);
    text
}

fn accept(listener: &TcpListener, poll: &Poll, peers: &mut Vec<Option<Peer>>) -> io::Result<()> {
    loop {
        let (mut socket, _) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        socket.set_nodelay(true)?;
        let token = Token(FIRST + peers.len());
        poll.registry()
            .register(&mut socket, token, Interest::READABLE)?;
        peers.push(Some(Peer {
            socket,
            request: Vec::new(),
            open: false,
        }));
    }
}

/// False when the peer has gone.
fn serve_peer(peer: &mut Peer) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match peer.socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) if peer.open => {}
            Ok(read) => {
                peer.request.extend_from_slice(&buffer[..read]);
                if !peer.request.ends_with(b"\r\n\r\n") {
                    continue;
                }
                // The generator always sends the same key, so the answer needs no hash.
                if memchr::memmem::find(&peer.request, KEY.as_bytes()).is_none() {
                    return false;
                }
                peer.request = Vec::new();
                peer.open = true;
                let reply = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
                );
                return peer.socket.write_all(reply.as_bytes()).is_ok();
            }
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// One frame to each peer for each byte read. False when the publisher has gone.
fn serve_publisher(
    socket: &mut TcpStream,
    frame: &[u8],
    peers: &mut [Option<Peer>],
) -> io::Result<bool> {
    let mut buffer = [0; 256];
    loop {
        let read = match socket.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        for _ in 0..read {
            for peer in peers.iter_mut().flatten().filter(|peer| peer.open) {
                send(&mut peer.socket, frame)?;
            }
        }
        socket.write_all(&buffer[..read])?;
    }
}

fn send(socket: &mut TcpStream, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match socket.write(rest) {
            Ok(0) => return Err(fail("a peer takes nothing")),
            Ok(sent) => rest = &rest[sent..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_micros(50));
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
