//! The reader's thread: makes the node's inbox, keeps it alive, and gives its entries to the sink in order.
//!
//! Invariant: what is given to the sink within one incarnation has no hole. Whatever makes that uncertain ends the
//! incarnation, and its inbox is never read again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::{Value, cmd};
use tocsin_bus::journal::Position;
use tocsin_bus::{Envelope, Note, Why};

use crate::config::{BusConfig, millis};
use crate::cursor::{Cursor, Misplaced};
use crate::desk::{Desk, read_mark};
use crate::entry;
use crate::error::BusError;
use crate::figures::Figures;
use crate::journal::RedisJournal;
use crate::link::{Backoff, Identity, Link};
use crate::names::{Names, Owner};
use crate::outages::Watch;
use crate::routes::Routes;
use crate::sink::Sink;
use crate::steering::Steering;

/// How long one read waits for entries.
const BLOCK: Duration = Duration::from_millis(500);
/// Entries of one read at most.
const COUNT: usize = 512;

pub(crate) struct Reader {
    pub(crate) config: Arc<BusConfig>,
    pub(crate) names: Names,
    pub(crate) routes: Arc<Routes>,
    /// Those of its lane.
    pub(crate) partitions: Vec<u32>,
    pub(crate) watch: Watch,
    pub(crate) steering: Arc<Steering>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) desk: Arc<Desk>,
    /// The workers' journals have to be begun anew.
    pub(crate) journals_lost: Arc<AtomicBool>,
    pub(crate) sink: Arc<dyn Sink>,
}

/// One partition's inbox.
struct Inbox {
    partition: u32,
    key: String,
    cursor: Cursor,
    /// When which entry had been read, the oldest first: what retention trims by.
    read_at: VecDeque<(Instant, u64)>,
}

/// A lane's part of an incarnation: its inboxes, of one name.
struct Part {
    number: u64,
    identity: Identity,
    inboxes: Vec<Inbox>,
    /// The key of the inbox in the first partition, and what stands for the Redis of all: known when it has begun.
    first: Arc<str>,
    redis: u32,
    /// Its beginning was told.
    begun: bool,
    touched: Instant,
}

/// Why a turn ended early.
enum Ended {
    /// The connection broke; the incarnation may go on.
    Link(BusError),
    /// The incarnation is over.
    Incarnation(Why),
}

impl From<redis::RedisError> for Ended {
    fn from(error: redis::RedisError) -> Self {
        Self::Link(error.into())
    }
}

impl Reader {
    /// Works until told to stop.
    pub(crate) fn run(mut self) {
        let mut backoff = Backoff::new(&format!("{}/{}", self.config.node, self.partitions[0]));
        let mut part: Option<Part> = None;
        while !self.steering.stopped() {
            let ended = match Link::open(&self.routes, self.partitions[0], BLOCK) {
                Ok(mut link) => self.go_on(&mut link, &mut part, &mut backoff),
                Err(error) => Some(error),
            };
            let Some(ended) = ended else { return };
            self.figures.losses.fetch_add(1, Ordering::Relaxed);
            self.watch.lost(&ended.to_string());
            self.steering.pause(backoff.pause());
        }
    }

    /// Reads until the connection is of no more use, and returns why; `None`: told to stop.
    fn go_on(
        &mut self,
        link: &mut Link,
        part: &mut Option<Part>,
        backoff: &mut Backoff,
    ) -> Option<BusError> {
        if let Some(part) = part
            && part.identity != link.identity
        {
            self.steering.over(part.number, Why::Restart);
            // One of an older Redis may be written to still, and nobody would find it.
            self.journals_lost.store(true, Ordering::Relaxed);
        }
        loop {
            let (number, why) = self.steering.current();
            if part.as_ref().is_none_or(|part| part.number != number) {
                match self.begin(link, number, why) {
                    Ok(begun) => *part = Some(begun),
                    Err(error) => {
                        // Whether the inbox is there is not known, and its name is not used twice.
                        if !error.refused() {
                            self.steering.over(number, why);
                        }
                        return Some(error);
                    }
                }
            }
            let Some(current) = part else {
                continue;
            };
            self.watch.back();
            match self.turn(link, current) {
                Ok(()) if self.steering.stopped() => return None,
                Ok(()) => backoff.reset(),
                Err(Ended::Incarnation(reason)) => {
                    if reason == Why::Gap {
                        self.figures.gaps.fetch_add(1, Ordering::Relaxed);
                    }
                    self.steering.over(number, reason);
                }
                Err(Ended::Link(error)) => {
                    // While a slot moves, what is published may miss an inbox that has gone ahead or stayed behind.
                    if error.redirected() {
                        self.steering.over(number, Why::Restart);
                    }
                    return Some(error);
                }
            }
        }
    }

    /// Makes this lane's part of an incarnation. The last lane to do so tells of it.
    fn begin(&self, link: &mut Link, number: u64, why: Why) -> Result<Part, BusError> {
        let part = self.open(link, number)?;
        if why != Why::First && self.has_journals() {
            self.fence(link)?;
        }
        let redis = part.identity.digest(self.partitions[0]);
        if self.steering.opened(number, redis) {
            self.desk.reads(number);
            self.sink.note(Note::Opened {
                incarnation: number,
                why,
            });
        }
        Ok(part)
    }

    /// Whether its lane has the partition of the journals and of what was taken over.
    fn has_journals(&self) -> bool {
        self.partitions[0] == 0
    }

    /// Sessions that were taken over while this node did not read its inbox.
    fn fence(&self, link: &mut Link) -> Result<(), BusError> {
        let taken = self.names.taken_from(self.config.tag);
        let Value::Array(ids) = link.ask(cmd("SMEMBERS").arg(taken))? else {
            return Err(BusError::Answer);
        };
        let ids = ids.iter().filter_map(|id| match id {
            Value::BulkString(id) => std::str::from_utf8(id).ok()?.parse().ok(),
            _ => None,
        });
        let ids: Vec<_> = ids.collect();
        if !ids.is_empty() {
            self.sink.fence(ids);
        }
        Ok(())
    }

    /// Gives each worker a journal. Without one its sessions end with the node, as ever.
    fn open_journals(&self, incarnation: u64) {
        for worker in 0..self.sink.workers() {
            let tag = self.config.tag;
            let key = self.names.journal(&Owner { tag, worker });
            let lost = Arc::clone(&self.journals_lost);
            match RedisJournal::open(&self.routes, key, lost) {
                Ok(journal) => {
                    let epoch = self.figures.journals.fetch_add(1, Ordering::Relaxed);
                    let epoch = incarnation << 32 | epoch;
                    self.sink.write_to(worker, Box::new(journal), epoch);
                }
                Err(_) => self.journals_lost.store(true, Ordering::Relaxed),
            }
        }
    }

    /// How far this lane's inboxes were read.
    fn position(&self, current: &Part) -> Position {
        let entries = match &current.inboxes[..] {
            [inbox] if self.names.partitions() == 1 => [inbox.cursor.number()].into(),
            inboxes => {
                let mut entries = vec![0; self.names.partitions() as usize];
                for inbox in inboxes {
                    entries[inbox.partition as usize] = inbox.cursor.number();
                }
                entries.into()
            }
        };
        Position {
            inbox: Arc::clone(&current.first),
            entries,
            redis: current.redis,
        }
    }

    fn open(&self, link: &mut Link, number: u64) -> Result<Part, BusError> {
        let name = inbox_name(&self.config.node, number);
        let mut inboxes = Vec::new();
        for &partition in &self.partitions {
            let key = self.names.inboxes(partition) + &name;
            let opened = link.ask(
                cmd("FCALL")
                    .arg("tocsin_bus_2_open")
                    .arg(1)
                    .arg(&key)
                    .arg(millis(self.config.inbox_ttl)),
            )?;
            match opened {
                Value::Int(1) => {}
                // The name is taken: the next attempt has another one.
                _ => return Err(BusError::Answer),
            }
            inboxes.push(Inbox {
                partition,
                key,
                cursor: Cursor::at(1),
                read_at: VecDeque::new(),
            });
        }
        self.figures.inboxes.fetch_add(1, Ordering::Relaxed);
        Ok(Part {
            number,
            identity: link.identity.clone(),
            inboxes,
            first: (self.names.inboxes(0) + &name).into(),
            redis: 0,
            begun: false,
            touched: Instant::now(),
        })
    }

    /// Keeps the inboxes alive when it is time, and reads once.
    fn turn(&self, link: &mut Link, current: &mut Part) -> Result<(), Ended> {
        if self.has_journals() && self.journals_lost.swap(false, Ordering::Relaxed) {
            self.open_journals(current.number);
        }
        // Before reading: a node that was frozen must find out that it was given up before it says anything.
        if current.touched.elapsed() >= self.config.inbox_ttl / 4 {
            self.touch(link, current)?;
        }
        if !self.steering.released(current.number, BLOCK) {
            return Ok(());
        }
        if !current.begun {
            let Some(redis) = self.steering.redis(current.number) else {
                return Ok(());
            };
            (current.begun, current.redis) = (true, redis);
            self.sink.events(Vec::new(), self.position(current));
        }
        let mut command = cmd("XREAD");
        command
            .arg("COUNT")
            .arg(COUNT)
            .arg("BLOCK")
            .arg(millis(BLOCK))
            .arg("STREAMS");
        for inbox in &current.inboxes {
            command.arg(&inbox.key);
        }
        for inbox in &current.inboxes {
            command.arg(inbox.cursor.id());
        }
        let read = link.ask(&command)?;
        // A node that was frozen while it waited: what it has read may be another's to send by now.
        if current.touched.elapsed() >= self.config.inbox_ttl {
            return Err(Ended::Incarnation(Why::Expired));
        }
        match read {
            Value::Nil => self.still_there(link, current),
            Value::Array(streams) => self.take(current, streams),
            _ => Err(Ended::Link(BusError::Answer)),
        }
    }

    /// Nothing came: there is nothing, or no inbox to read from.
    fn still_there(&self, link: &mut Link, current: &Part) -> Result<(), Ended> {
        let mut command = cmd("EXISTS");
        for inbox in &current.inboxes {
            command.arg(&inbox.key);
        }
        match link.ask(&command)? {
            Value::Int(count) if count as usize == current.inboxes.len() => Ok(()),
            _ => Err(Ended::Incarnation(Why::Expired)),
        }
    }

    fn touch(&self, link: &mut Link, current: &mut Part) -> Result<(), Ended> {
        let now = Instant::now();
        for inbox in &mut current.inboxes {
            inbox.read_at.push_back((now, inbox.cursor.number()));
            let mut keep = 1;
            while let Some((at, number)) = inbox.read_at.front() {
                if now.duration_since(*at) < self.config.retention {
                    break;
                }
                keep = *number;
                inbox.read_at.pop_front();
            }
            let touched = link.ask(
                cmd("FCALL")
                    .arg("tocsin_bus_2_touch")
                    .arg(1)
                    .arg(&inbox.key)
                    .arg(millis(self.config.inbox_ttl))
                    .arg(keep),
            )?;
            if touched != Value::Int(1) {
                return Err(Ended::Incarnation(Why::Expired));
            }
        }
        current.touched = now;
        // A node that nothing happens on says now and then how far it is.
        if current.begun {
            self.sink.events(Vec::new(), self.position(current));
        }
        Ok(())
    }

    fn take(&self, current: &mut Part, streams: Vec<Value>) -> Result<(), Ended> {
        let mut events = Vec::new();
        let mut ended = Ok(());
        for stream in streams {
            let (key, entries) = pair(stream).ok_or(Ended::Link(BusError::Answer))?;
            let (Value::BulkString(key), Value::Array(entries)) = (key, entries) else {
                return Err(Ended::Link(BusError::Answer));
            };
            let mut inboxes = current.inboxes.iter();
            let at = inboxes
                .position(|inbox| inbox.key.as_bytes() == key)
                .ok_or(Ended::Link(BusError::Answer))?;
            for each in entries {
                let (id, kind, octets) = entry_of(each).ok_or(Ended::Link(BusError::Answer))?;
                match current.inboxes[at].cursor.step(&id) {
                    Ok(()) => {}
                    Err(Misplaced::Again(_)) => continue,
                    Err(_) => {
                        // What came before the hole is good.
                        ended = Err(Ended::Incarnation(Why::Gap));
                        break;
                    }
                }
                if kind == b"c" {
                    // What was there before a mark goes before it.
                    self.give(current, std::mem::take(&mut events));
                    self.at_mark(current, current.inboxes[at].partition, &octets);
                    continue;
                }
                match entry::decode(&octets) {
                    Ok(envelope) => events.push(envelope),
                    Err(_) => {
                        self.figures.unreadable.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
        self.give(current, events);
        ended
    }

    /// Gives what was read up to where the inboxes' cursors are.
    fn give(&self, current: &Part, events: Vec<Envelope>) {
        let count = events.len() as u64;
        self.figures.read.fetch_add(count, Ordering::Relaxed);
        self.sink.events(events, self.position(current));
    }

    fn at_mark(&self, current: &Part, partition: u32, octets: &[u8]) {
        let Some((inbox, mark, sessions)) = read_mark(octets) else {
            self.figures.unreadable.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if inbox != inbox_name(&self.config.node, current.number) {
            self.desk.fence_once(inbox, mark, || {
                let count = sessions.len() as u64;
                self.figures.fenced.fetch_add(count, Ordering::Relaxed);
                self.sink.fence(sessions);
            });
        } else if let Some(inheritance) = self.desk.at_mark(mark, partition) {
            if partition == 0 {
                let count = inheritance.heirs.len() as u64;
                self.figures.inherited.fetch_add(count, Ordering::Relaxed);
            }
            self.sink.inherit(inheritance);
        }
    }
}

/// What an inbox is called: the node's name and which of its inboxes it is.
pub(crate) fn inbox_name(node: &str, incarnation: u64) -> String {
    format!("{node}.{incarnation}")
}

fn pair(value: Value) -> Option<(Value, Value)> {
    let Value::Array(items) = value else {
        return None;
    };
    let [first, second] = <[Value; 2]>::try_from(items).ok()?;
    Some((first, second))
}

/// The id, the field and the octets of `[id, [field, octets]]`.
pub(crate) fn entry_of(value: Value) -> Option<(Vec<u8>, Vec<u8>, Bytes)> {
    let (id, fields) = pair(value)?;
    let (field, octets) = pair(fields)?;
    match (id, field, octets) {
        (Value::BulkString(id), Value::BulkString(field), Value::BulkString(octets)) => {
            Some((id, field, octets.into()))
        }
        _ => None,
    }
}
