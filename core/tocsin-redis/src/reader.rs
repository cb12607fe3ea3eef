//! The reader's thread: makes the node's inbox, keeps it alive, and gives its entries to the sink in order.
//!
//! Invariant: what is given to the sink within one incarnation has no hole. Whatever makes that uncertain ends the
//! incarnation, and its inbox is never read again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::{Value, cmd};
use tocsin_bus::journal::Position;
use tocsin_bus::{Note, Why};

use crate::config::{BusConfig, millis};
use crate::cursor::{Cursor, Misplaced};
use crate::desk::{Desk, read_mark};
use crate::entry;
use crate::error::BusError;
use crate::figures::Figures;
use crate::journal::RedisJournal;
use crate::link::{Backoff, Identity, Link};
use crate::names::{Names, Owner};
use crate::sink::Sink;

/// How long one read waits for entries.
const BLOCK: Duration = Duration::from_millis(500);
/// Entries of one read at most.
const COUNT: usize = 512;

/// What the reader and those who steer it share.
#[derive(Debug, Default)]
pub(crate) struct Steering {
    pub(crate) stop: AtomicBool,
    released: Mutex<u64>,
    changed: Condvar,
}

impl Steering {
    /// The incarnation may be read.
    pub(crate) fn release(&self, incarnation: u64) {
        let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        *released = (*released).max(incarnation);
        self.changed.notify_all();
    }

    pub(crate) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits for so long; whether the incarnation may be read then.
    fn released(&self, incarnation: u64, wait: Duration) -> bool {
        let released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        let (released, _) = self
            .changed
            .wait_timeout_while(released, wait, |released| {
                *released < incarnation && !self.stopped()
            })
            .unwrap_or_else(PoisonError::into_inner);
        *released >= incarnation
    }

    fn pause(&self, pause: Duration) {
        self.released(u64::MAX, pause);
    }
}

pub(crate) struct Reader {
    pub(crate) config: Arc<BusConfig>,
    pub(crate) names: Names,
    pub(crate) steering: Arc<Steering>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) desk: Arc<Desk>,
    /// The workers' journals have to be begun anew.
    pub(crate) journals_lost: Arc<AtomicBool>,
    pub(crate) sink: Arc<dyn Sink>,
}

/// One partition's inbox.
struct Inbox {
    key: String,
    cursor: Cursor,
    /// When which entry had been read, the oldest first: what retention trims by.
    read_at: VecDeque<(Instant, u64)>,
}

/// The node's inboxes of one name.
struct Incarnation {
    number: u64,
    identity: Identity,
    inboxes: Vec<Inbox>,
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
    pub(crate) fn run(self) {
        let mut backoff = Backoff::new(&self.config.node);
        let mut incarnation: Option<Incarnation> = None;
        let mut why = Why::First;
        let mut number = 0;
        let mut away = false;
        while !self.steering.stopped() {
            let mut link = match Link::open(&self.config, BLOCK) {
                Ok(link) => link,
                Err(error) => {
                    self.lost(&error, &mut away);
                    self.steering.pause(backoff.pause());
                    continue;
                }
            };
            if incarnation
                .as_ref()
                .is_some_and(|each| each.identity != link.identity)
            {
                incarnation = None;
                why = Why::Restart;
            }
            let ended = loop {
                let current = match &mut incarnation {
                    Some(current) => current,
                    none => {
                        number += 1;
                        match self.open(&mut link, number) {
                            Ok(opened) => {
                                let current = none.insert(opened);
                                if why != Why::First
                                    && let Err(error) = self.fence(&mut link)
                                {
                                    break error;
                                }
                                self.desk.reads(number);
                                self.sink.note(Note::Opened {
                                    incarnation: number,
                                    why,
                                });
                                current
                            }
                            Err(error) => break error,
                        }
                    }
                };
                if std::mem::take(&mut away) {
                    self.sink.note(Note::Back);
                }
                match self.turn(&mut link, current) {
                    Ok(()) if self.steering.stopped() => return,
                    Ok(()) => backoff.reset(),
                    Err(Ended::Incarnation(reason)) => {
                        if reason == Why::Gap {
                            self.figures.gaps.fetch_add(1, Ordering::Relaxed);
                        }
                        incarnation = None;
                        why = reason;
                    }
                    Err(Ended::Link(error)) => break error,
                }
            };
            self.lost(&ended, &mut away);
            self.steering.pause(backoff.pause());
        }
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
            match RedisJournal::open(&self.config, key, lost) {
                Ok(journal) => {
                    let epoch = self.figures.journals.fetch_add(1, Ordering::Relaxed);
                    let epoch = incarnation << 32 | epoch;
                    self.sink.write_to(worker, Box::new(journal), epoch);
                }
                Err(_) => self.journals_lost.store(true, Ordering::Relaxed),
            }
        }
    }

    fn position(&self, current: &Incarnation) -> Position {
        // Of several inboxes there is no one place.
        match &current.inboxes[..] {
            [inbox] => Position {
                inbox: inbox.key.as_str().into(),
                entry: inbox.cursor.number(),
            },
            _ => Position::default(),
        }
    }

    fn lost(&self, error: &BusError, away: &mut bool) {
        self.figures.losses.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(away, true) {
            self.sink.note(Note::Away(error.to_string()));
        }
    }

    fn open(&self, link: &mut Link, number: u64) -> Result<Incarnation, BusError> {
        let name = inbox_name(&self.config.node, number);
        let mut inboxes = Vec::new();
        for partition in 0..self.names.partitions() {
            let key = self.names.inboxes(partition) + &name;
            let opened = link.ask(
                cmd("FCALL")
                    .arg("tocsin_bus_1_open")
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
                key,
                cursor: Cursor::at(1),
                read_at: VecDeque::new(),
            });
        }
        self.figures.inboxes.fetch_add(1, Ordering::Relaxed);
        Ok(Incarnation {
            number,
            identity: link.identity.clone(),
            inboxes,
            begun: false,
            touched: Instant::now(),
        })
    }

    /// Keeps the inboxes alive when it is time, and reads once.
    fn turn(&self, link: &mut Link, current: &mut Incarnation) -> Result<(), Ended> {
        if self.journals_lost.swap(false, Ordering::Relaxed) {
            self.open_journals(current.number);
        }
        // Before reading: a node that was frozen must find out that it was given up before it says anything.
        if current.touched.elapsed() >= self.config.inbox_ttl / 4 {
            self.touch(link, current)?;
        }
        if !self.steering.released(current.number, BLOCK) {
            return Ok(());
        }
        if !std::mem::replace(&mut current.begun, true) {
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
    fn still_there(&self, link: &mut Link, current: &Incarnation) -> Result<(), Ended> {
        let mut command = cmd("EXISTS");
        for inbox in &current.inboxes {
            command.arg(&inbox.key);
        }
        match link.ask(&command)? {
            Value::Int(count) if count as usize == current.inboxes.len() => Ok(()),
            _ => Err(Ended::Incarnation(Why::Expired)),
        }
    }

    fn touch(&self, link: &mut Link, current: &mut Incarnation) -> Result<(), Ended> {
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
                    .arg("tocsin_bus_1_touch")
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
        Ok(())
    }

    fn take(&self, current: &mut Incarnation, streams: Vec<Value>) -> Result<(), Ended> {
        let mut events = Vec::new();
        let mut marks: Vec<(usize, Bytes)> = Vec::new();
        let mut ended = Ok(());
        for stream in streams {
            let (key, entries) = pair(stream).ok_or(Ended::Link(BusError::Answer))?;
            let (Value::BulkString(key), Value::Array(entries)) = (key, entries) else {
                return Err(Ended::Link(BusError::Answer));
            };
            let inbox = current
                .inboxes
                .iter_mut()
                .find(|inbox| inbox.key.as_bytes() == key)
                .ok_or(Ended::Link(BusError::Answer))?;
            for each in entries {
                let (id, kind, octets) = entry_of(each).ok_or(Ended::Link(BusError::Answer))?;
                match inbox.cursor.step(&id) {
                    Ok(()) => {}
                    Err(Misplaced::Again(_)) => continue,
                    Err(_) => {
                        // What came before the hole is good.
                        ended = Err(Ended::Incarnation(Why::Gap));
                        break;
                    }
                }
                if kind == b"c" {
                    marks.push((events.len(), octets));
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
        let count = events.len() as u64;
        self.figures.read.fetch_add(count, Ordering::Relaxed);
        // What was there before a mark goes before it.
        let mut done = 0;
        for (at, octets) in marks {
            let before: Vec<_> = events.drain(..at - done).collect();
            done = at;
            if !before.is_empty() {
                // The place is that of the whole read, which is further on: told with the last of it.
                self.sink.events(before, Position::default());
            }
            self.at_mark(current, &octets);
        }
        self.sink.events(events, self.position(current));
        ended
    }
}

impl Reader {
    fn at_mark(&self, current: &Incarnation, octets: &[u8]) {
        let Some((inbox, mark, sessions)) = read_mark(octets) else {
            self.figures.unreadable.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if inbox != inbox_name(&self.config.node, current.number) {
            self.figures
                .fenced
                .fetch_add(sessions.len() as u64, Ordering::Relaxed);
            self.sink.fence(sessions);
        } else if let Some(inheritance) = self.desk.at_mark(mark) {
            let count = inheritance.heirs.len() as u64;
            self.figures.inherited.fetch_add(count, Ordering::Relaxed);
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
