//! The gateway under test with its host, the floor beside it, and what the kernel says they cost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tocsin_gateway::command::{Accept, Command, Place, SharedBody};
use tocsin_gateway::{
    Envelope, Fragment, Gateway, GatewayConfig, HostRequest, Scope, token_digest,
};

/// The guild that events are published in.
const GUILD: u64 = 100;
const CHANNEL: u64 = 200;

/// A fleet of clients in a process of its own.
pub(crate) struct Fleet {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Fleet {
    pub(crate) fn start() -> Self {
        let own = std::env::current_exe().expect("own path");
        let mut child = Process::new(own)
            .arg("clients")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child process");
        Self {
            input: child.stdin.take().expect("piped"),
            output: BufReader::new(child.stdout.take().expect("piped")),
            child,
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.input
            .write_all(format!("{line}\n").as_bytes())
            .expect("the child lives");
    }

    pub(crate) fn done(&mut self) {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the child lives");
        assert_eq!(line, "ok\n", "the clients failed");
    }

    pub(crate) fn tell(&mut self, line: &str) {
        self.say(line);
        self.done();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A gateway and a host that accepts everyone into so many guilds.
pub(crate) struct Server {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) port: u16,
    seq: u64,
}

impl Server {
    pub(crate) fn start(guilds: u64) -> Self {
        let gateway = Arc::new(Gateway::new(GatewayConfig::default()));
        gateway.start().expect("start");
        let channels = (0..guilds).map(|guild| Command::SetChannel {
            guild: GUILD + guild,
            channel: CHANNEL + guild,
            cohorts: vec![1 + guild as u32],
        });
        gateway.submit(channels.collect()).expect("running");
        let host = Arc::clone(&gateway);
        std::thread::spawn(move || serve(&host, guilds));
        Self {
            port: gateway.port().expect("port"),
            gateway,
            seq: 0,
        }
    }

    /// So many messages in the first guild's channel, in one batch.
    pub(crate) fn publish(&mut self, count: u64) {
        let batch = (0..count).map(|_| {
            self.seq += 1;
            Command::Publish(Box::new(Envelope {
                scope: Scope { kind: 1, id: GUILD },
                seq: self.seq,
                name: "MESSAGE_CREATE".to_owned(),
                body: body(),
                guild: GUILD,
                channel: CHANNEL,
                users: Vec::new(),
                exclude_user: 0,
                author: 1,
                mentions: Vec::new(),
                gated: true,
                state: false,
                traced: None,
            }))
        });
        self.gateway.submit(batch.collect()).expect("running");
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        let stats = self.gateway.stats().expect("running");
        stats
            .iter()
            .find(|(each, _)| *each == name)
            .expect("a stat")
            .1
    }

    pub(crate) fn until(&self, name: &str, value: u64) {
        while self.stat(name) != value {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The JSON of a message such that its frame, head included, has about 336 octets.
fn body() -> Bytes {
    let content = "a message of the usual length, as people write them when they talk to each other in a channel. Yes, and no: maybe";
    Bytes::from(format!(
        r#"{{"id":"1234567890123456789","channel_id":"200","guild_id":"100","author":{{"id":"1","username":"ada"}},"timestamp":"2026-11-24T20:00:00.000000+00:00","type":0,"content":"{content}","flags":0}}"#
    ))
}

fn serve(gateway: &Gateway, guilds: u64) {
    let filler = "x".repeat(4_000);
    let fragments: Vec<_> = (0..guilds)
        .map(|guild| format!(r#""id":"{}","name":"{filler}""#, GUILD + guild))
        .map(|members| Arc::new(Fragment::new(members.as_bytes())))
        .collect();
    let mut user = 1_000;
    loop {
        let Ok(waiting) = gateway.wait(Duration::from_millis(100)) else {
            return;
        };
        if !waiting {
            continue;
        }
        let Ok(requests) = gateway.drain(256) else {
            return;
        };
        let answers = requests.into_iter().filter_map(|request| {
            let HostRequest::Identify {
                session,
                session_id,
                ..
            } = request
            else {
                return None;
            };
            user += 1;
            Some(Command::Accept(Box::new(Accept {
                session,
                user_id: user,
                bot: true,
                intents: (1 << 29) - 1,
                shard: None,
                token_digest: token_digest("t"),
                compress: false,
                ready: Bytes::from(format!(r#"{{"v":10,"session_id":"{session_id}"}}"#)),
                guilds: (0u32..)
                    .zip(&fragments)
                    .map(|(at, fragment)| Place {
                        guild: GUILD + u64::from(at),
                        cohort: 1 + at,
                        body: Some(SharedBody {
                            first: Bytes::from(format!(r#""joined_at":"{user}""#)),
                            fragments: vec![Arc::clone(fragment)],
                        }),
                    })
                    .collect(),
            })))
        });
        if gateway.submit(answers.collect()).is_err() {
            return;
        }
    }
}

/// Sockets that frames are written to with one `write(2)` each and nothing else.
pub(crate) struct Floor {
    sockets: Vec<TcpStream>,
    frame: Vec<u8>,
}

impl Floor {
    pub(crate) fn start(fleet: &mut Fleet, count: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind");
        let port = listener.local_addr().expect("address").port();
        fleet.say(&format!("open {count} {port} v=10"));
        let accept = |_| {
            let socket = listener.accept().expect("accept").0;
            socket.set_nodelay(true).expect("nodelay");
            socket.set_nonblocking(true).expect("nonblocking");
            socket
        };
        let mut sockets: Vec<TcpStream> = (0..count).map(accept).collect();
        // Sockets that have read and answered, as the gateway's: the kernel acknowledges them otherwise than fresh ones.
        answer(
            &mut sockets,
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02{}",
        );
        fleet.done();
        let payload = format!(
            r#"{{"s":12,"t":"MESSAGE_CREATE","op":0,"d":{}}}"#,
            String::from_utf8_lossy(&body())
        );
        let mut frame = vec![0x81, 126];
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        frame.extend_from_slice(payload.as_bytes());
        Self { sockets, frame }
    }

    /// Octets of one frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame.len()
    }

    /// Answers one heartbeat of every client.
    pub(crate) fn beat(&mut self, fleet: &mut Fleet) {
        fleet.tell("beat 1");
        answer(
            &mut self.sockets,
            b"\x81\x1b{\"t\":null,\"s\":null,\"op\":11}",
        );
        fleet.tell("wait 1");
    }

    /// One event; CPU in ns of this thread.
    pub(crate) fn publish(&mut self) -> u64 {
        let began = cpu_ns("", true);
        for socket in &mut self.sockets {
            socket.write_all(&self.frame).expect("room in the socket");
        }
        cpu_ns("", true) - began
    }
}

/// Reads what each client has sent and answers it.
fn answer(sockets: &mut [TcpStream], with: &[u8]) {
    let mut buffer = [0; 1_024];
    for socket in sockets {
        while socket.read(&mut buffer).is_err() {
            std::thread::yield_now();
        }
        socket.write_all(with).expect("room in the socket");
    }
}

/// CPU in ns of this process's threads whose name begins so, or of the calling one.
pub(crate) fn cpu_ns(prefix: &str, own: bool) -> u64 {
    let spent = |path: &str| -> u64 {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    };
    if own {
        return spent("/proc/thread-self/schedstat");
    }
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    let threads = tasks.flatten().filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with(prefix))
    });
    threads
        .map(|task| spent(&task.path().join("schedstat").to_string_lossy()))
        .sum()
}

/// Resident set of this process in bytes.
pub(crate) fn rss_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or("");
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse::<u64>().ok())
        .unwrap_or(0)
        * 1_024
}
