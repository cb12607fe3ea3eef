//! A Redis of one's own, and a sink that is asked and waited for.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::Connection;
use tocsin_bus::{Envelope, Scope, SessionId};
use tocsin_redis::{Bus, BusConfig, Inheritance, JournalSink, Note, Position, Sink};

/// Ends a test that hangs; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A `redis-server` in a folder of its own, on a Unix socket.
pub(crate) struct Redis {
    folder: PathBuf,
    child: Child,
    args: Vec<String>,
}

impl Redis {
    pub(crate) fn start(args: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!(
            "tocsin-redis-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
        let child = spawn(&folder, &args);
        Self {
            folder,
            child,
            args,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.join("s").display())
    }

    pub(crate) fn connect(&self) -> Connection {
        let client = redis::Client::open(self.url()).expect("a URL");
        let begun = Instant::now();
        loop {
            match client
                .get_connection()
                .and_then(|mut link| redis::cmd("PING").exec(&mut link).map(|()| link))
            {
                Ok(link) => return link,
                Err(error) if begun.elapsed() > PATIENCE => panic!("no Redis: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("to kill it");
        self.child.wait().expect("its end");
    }

    /// Starts it again over what it left on disk, if it left anything.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.folder, &self.args);
        drop(self.connect());
    }

    pub(crate) fn config(&self, node: &str) -> BusConfig {
        drop(self.connect());
        BusConfig::new(&self.url(), node)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(folder: &PathBuf, args: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", "s", "--save", "", "--dir"])
        .arg(folder)
        .args(args)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server 7.0 or newer on the PATH (Debian: redis-server)")
}

#[derive(Default)]
struct Heard {
    events: Vec<Envelope>,
    notes: Vec<Note>,
    position: Position,
    /// With how many events had been heard before.
    inherited: Vec<(usize, Inheritance)>,
    fenced: Vec<SessionId>,
    journal: Option<(Box<dyn JournalSink>, u64)>,
}

/// Remembers all it is told.
#[derive(Default)]
pub(crate) struct Ear {
    heard: Mutex<Heard>,
    more: Condvar,
}

impl Sink for Ear {
    fn events(&self, events: Vec<Envelope>, position: Position) {
        let mut heard = self.heard.lock().expect("heard");
        heard.events.extend(events);
        if heard.position.inbox == position.inbox && !position.is_whole() {
            // A lane's own.
            let entries = Arc::make_mut(&mut heard.position.entries);
            for (entry, &new) in entries.iter_mut().zip(&*position.entries) {
                *entry = new.max(*entry);
            }
        } else if !position.inbox.is_empty() {
            heard.position = position;
        }
        self.more.notify_all();
    }

    fn inherit(&self, inheritance: Inheritance) {
        let mut heard = self.heard.lock().expect("heard");
        let before = heard.events.len();
        heard.inherited.push((before, inheritance));
        self.more.notify_all();
    }

    fn fence(&self, sessions: Vec<SessionId>) {
        self.heard.lock().expect("heard").fenced.extend(sessions);
        self.more.notify_all();
    }

    fn workers(&self) -> usize {
        1
    }

    fn write_to(&self, _: usize, journal: Box<dyn JournalSink>, epoch: u64) {
        self.heard.lock().expect("heard").journal = Some((journal, epoch));
        self.more.notify_all();
    }

    fn note(&self, note: Note) {
        self.heard.lock().expect("heard").notes.push(note);
        self.more.notify_all();
    }
}

impl Ear {
    fn wait<T>(&self, mut found: impl FnMut(&Heard) -> Option<T>) -> T {
        let begun = Instant::now();
        let mut heard = self.heard.lock().expect("heard");
        loop {
            if let Some(found) = found(&heard) {
                return found;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "heard only {:?} and {} events",
                heard.notes,
                heard.events.len()
            );
            heard = self
                .more
                .wait_timeout(heard, Duration::from_millis(100))
                .expect("heard")
                .0;
        }
    }

    /// Waits for a note.
    pub(crate) fn note<T>(&self, mut wanted: impl FnMut(&Note) -> Option<T>) -> T {
        self.wait(|heard| heard.notes.iter().find_map(&mut wanted))
    }

    /// Waits until an incarnation is opened.
    pub(crate) fn opened(&self, number: u64) -> tocsin_redis::Why {
        self.note(|note| match note {
            Note::Opened { incarnation, why } if *incarnation == number => Some(*why),
            _ => None,
        })
    }

    /// Waits for so many events, and returns (scope, seq) of all.
    pub(crate) fn places(&self, count: usize) -> Vec<(u64, u64)> {
        self.wait(|heard| {
            (heard.events.len() >= count).then(|| {
                heard
                    .events
                    .iter()
                    .map(|event| (event.scope.id, event.seq))
                    .collect()
            })
        })
    }

    pub(crate) fn events(&self, count: usize) -> Vec<Envelope> {
        self.wait(|heard| (heard.events.len() >= count).then(|| heard.events.clone()))
    }

    /// Waits until the inboxes of all partitions have been read, with so many entries or more in sum.
    pub(crate) fn position(&self, entries: u64) -> Position {
        self.wait(|heard| {
            let position = &heard.position;
            let far = position.entries.iter().sum::<u64>() >= entries;
            (position.is_whole() && far).then(|| position.clone())
        })
    }

    /// Waits for sessions of another node, and for how many events came before them.
    pub(crate) fn inherited(&self, number: usize) -> (usize, Inheritance) {
        self.wait(|heard| heard.inherited.get(number).cloned())
    }

    /// Waits for the first session that is another node's now.
    pub(crate) fn fenced(&self) -> SessionId {
        self.wait(|heard| heard.fenced.first().copied())
    }

    /// Waits for the journal and takes it.
    pub(crate) fn journal(&self) -> (Box<dyn JournalSink>, u64) {
        self.wait(|heard| heard.journal.is_some().then_some(()));
        let mut heard = self.heard.lock().expect("heard");
        heard.journal.take().expect("it was there")
    }

    pub(crate) fn notes(&self) -> Vec<Note> {
        self.heard.lock().expect("heard").notes.clone()
    }
}

/// A node: its bus and its ear.
pub(crate) struct Node {
    pub(crate) bus: Bus,
    pub(crate) ear: Arc<Ear>,
    tickets: u64,
}

impl Node {
    pub(crate) fn start(config: BusConfig) -> Self {
        let ear = Arc::new(Ear::default());
        let bus = Bus::start(config, Arc::clone(&ear) as Arc<dyn Sink>).expect("a bus");
        Self {
            bus,
            ear,
            tickets: 0,
        }
    }

    /// Registers the scopes for an incarnation and lets it go on.
    pub(crate) fn follow(&mut self, incarnation: u64, scopes: &[u64]) {
        self.ear.opened(incarnation);
        assert!(self.register(incarnation, scopes));
        self.bus.go_on(incarnation);
    }

    pub(crate) fn register(&mut self, incarnation: u64, scopes: &[u64]) -> bool {
        self.register_scopes(incarnation, scopes.iter().map(|&id| scope(id)).collect())
    }

    pub(crate) fn register_scopes(&mut self, incarnation: u64, scopes: Vec<Scope>) -> bool {
        self.tickets += 1;
        let ticket = self.tickets;
        self.bus.register(ticket, incarnation, scopes);
        self.ear.note(|note| match note {
            Note::Registered {
                ticket: answered,
                done,
            } if *answered == ticket => Some(*done),
            _ => None,
        })
    }
}

pub(crate) fn scope(id: u64) -> Scope {
    Scope { kind: 1, id }
}

pub(crate) fn event(id: u64, seq: u64) -> Envelope {
    Envelope {
        scope: scope(id),
        seq,
        name: "MESSAGE_CREATE".into(),
        body: Bytes::from(format!("{{\"id\":\"{seq}\"}}")),
        guild: id,
        channel: 7,
        users: vec![],
        exclude_user: 0,
        author: 5,
        mentions: vec![1, 2],
        gated: true,
        state: false,
        traced: None,
    }
}
