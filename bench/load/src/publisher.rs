//! Publisher: how an event is caused: one byte to a control port, or a message posted to the API.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::args::{Args, fail};
use crate::fleet::unix_us;
use crate::histogram::Histogram;

/// Tokens of publishers count down from here; those of clients count up from 0.
pub(crate) const FIRST_TOKEN: usize = usize::MAX / 2;

struct Post {
    socket: TcpStream,
    posted_at: Option<Instant>,
    reply: Vec<u8>,
}

enum Kind {
    Nobody,
    Control(TcpStream),
    Http {
        posts: Vec<Post>,
        /// One for each channel, which take turns.
        heads: Vec<String>,
        port: u16,
    },
}

pub(crate) struct Publisher {
    kind: Kind,
    content_bytes: usize,
    /// Posted as it is, where the server is no tocsin.
    body: String,
    /// Publishes that the server has confirmed.
    pub(crate) confirmed: usize,
    pub(crate) asked: usize,
    pub(crate) replies: Histogram,
}

fn connect(port: u16, registry: &Registry, token: usize) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let plain = std::net::TcpStream::connect(address)?;
    plain.set_nodelay(true)?;
    plain.set_nonblocking(true)?;
    let mut socket = TcpStream::from_std(plain);
    registry.register(&mut socket, Token(token), Interest::READABLE)?;
    Ok(socket)
}

impl Publisher {
    pub(crate) fn open(args: &Args, registry: &Registry) -> io::Result<Self> {
        let (control, http): (u16, u16) = (args.number("control", 0)?, args.number("http", 0)?);
        let kind = if control != 0 {
            Kind::Control(connect(control, registry, FIRST_TOKEN)?)
        } else if http != 0 {
            let many: usize = args.number("posts-at-once", 16)?;
            let posts = (0..many)
                .map(|index| {
                    Ok(Post {
                        socket: connect(http, registry, FIRST_TOKEN + index)?,
                        posted_at: None,
                        reply: Vec::new(),
                    })
                })
                .collect::<io::Result<_>>()?;
            let heads = args
                .text("channel", "")
                .split(',')
                .map(|channel| {
                    let path = format!("/api/v10/channels/{channel}/messages");
                    format!(
                        "POST {} HTTP/1.1\r\nHost: load\r\nAuthorization: {}\r\n\
                         Content-Type: application/json\r\nContent-Length: ",
                        args.text("post-path", &path),
                        args.text("author", "")
                    )
                })
                .collect();
            Kind::Http {
                posts,
                heads,
                port: http,
            }
        } else {
            Kind::Nobody
        };
        Ok(Self {
            kind,
            content_bytes: args.number("content-bytes", 40)?,
            body: args.text("post-body", "").to_owned(),
            confirmed: 0,
            asked: 0,
            replies: Histogram::new(),
        })
    }

    /// Whether another publish can go out now.
    pub(crate) fn free(&self) -> bool {
        match &self.kind {
            Kind::Nobody => false,
            Kind::Control(_) => true,
            Kind::Http { posts, .. } => posts.iter().any(|post| post.posted_at.is_none()),
        }
    }

    /// Publish an event that was due at `due`. A message's content says when, as its second word, in Unix microseconds.
    pub(crate) fn publish(&mut self, due: Instant) -> io::Result<()> {
        self.asked += 1;
        match &mut self.kind {
            Kind::Nobody => Err(fail("this step needs --control or --http")),
            Kind::Control(socket) => socket.write_all(b"p"),
            Kind::Http { posts, heads, .. } => {
                let head = &heads[self.asked % heads.len()];
                let post = posts
                    .iter_mut()
                    .find(|post| post.posted_at.is_none())
                    .ok_or_else(|| fail("all connections to the API are busy"))?;
                let mut content = format!("{} {} ", self.asked, unix_us(due));
                while content.len() < self.content_bytes {
                    content.push((b'a' + (content.len() * 7 + self.asked) as u8 % 26) as char);
                }
                let body = match self.body.as_str() {
                    "" => format!("{{\"content\":\"{content}\"}}"),
                    body => body.to_owned(),
                };
                post.posted_at = Some(Instant::now());
                post.socket
                    .write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes())
            }
        }
    }

    /// Ask the host to publish `count` events and then to block inside C with the GIL held; it answers afterwards.
    pub(crate) fn hold(&mut self, count: usize) -> io::Result<()> {
        match &mut self.kind {
            Kind::Control(socket) => {
                let mut bytes = vec![b'p'; count];
                bytes.push(b'g');
                socket.write_all(&bytes)
            }
            _ => Err(fail("hold needs --control")),
        }
    }

    /// Read what the server answered on one of the publishers' sockets.
    pub(crate) fn on_readable(&mut self, index: usize, registry: &Registry) -> io::Result<()> {
        let mut buffer = [0; 16384];
        loop {
            let socket = match &mut self.kind {
                Kind::Nobody => return Ok(()),
                Kind::Control(socket) => socket,
                Kind::Http { posts, .. } => &mut posts[index].socket,
            };
            let read = match socket.read(&mut buffer) {
                Ok(0) => return self.reopen(index, registry),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            match &mut self.kind {
                Kind::Nobody => {}
                Kind::Control(_) => self.confirmed += read,
                Kind::Http { posts, .. } => {
                    let post = &mut posts[index];
                    post.reply.extend_from_slice(&buffer[..read]);
                    if let Some(took) = post.answered()? {
                        self.replies.record(took);
                        self.confirmed += 1;
                    }
                }
            }
        }
    }

    /// A server closes connections that were silent for long: another takes the place of one nobody waits at.
    fn reopen(&mut self, index: usize, registry: &Registry) -> io::Result<()> {
        match &mut self.kind {
            Kind::Http { posts, port, .. } if posts[index].posted_at.is_none() => {
                posts[index].socket = connect(*port, registry, FIRST_TOKEN + index)?;
                Ok(())
            }
            _ => Err(fail("the server closed a publisher's connection")),
        }
    }
}

impl Post {
    /// How long the answer took, once it is whole.
    fn answered(&mut self) -> io::Result<Option<Duration>> {
        let Some(end) = memchr::memmem::find(&self.reply, b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = String::from_utf8_lossy(&self.reply[..end]).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(fail(format!(
                "a post failed: {}",
                String::from_utf8_lossy(&self.reply)
            )));
        }
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| fail("an answer without content-length"))?;
        if self.reply.len() < end + 4 + length {
            return Ok(None);
        }
        self.reply.clear();
        Ok(self.posted_at.take().map(|then| then.elapsed()))
    }
}
