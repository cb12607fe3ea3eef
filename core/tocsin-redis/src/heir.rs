//! The heir's thread: finds the sessions of other nodes in their journals, and takes them over (ADR 0019).
//!
//! Taking is one step of Redis: the sessions get another owner, and both inboxes a mark. What came before the mark is
//! read from the other node's inbox, what comes after it from this node's own. So it does not matter whether the other
//! node is dead, frozen or well: whatever it still says, it says to connections that were left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{RedisResult, Value, cmd};
use tocsin_bus::{Envelope, Found, Heir, Inheritance, Note};

use crate::config::{BusConfig, millis};
use crate::desk::{Desk, Job, Wanted, hex, mark};
use crate::entry;
use crate::error::BusError;
use crate::estate::{Doubt, Estate};
use crate::link::Link;
use crate::names::Names;
use crate::reader::{entry_of, inbox_name};
use crate::sink::Sink;

/// Entries of one read.
const COUNT: usize = 1_000;
/// How often, and after which pause, a journal is read again that does not have yet what the client has.
const AGAIN: (usize, Duration) = (6, Duration::from_millis(50));
/// How long what was read of a journal is kept after it was last asked for.
const KEPT: Duration = Duration::from_secs(120);
/// Sessions that are taken by one mark.
const TOGETHER: usize = 256;
/// A session that was found, until it is taken.
struct Held {
    wanted: Wanted,
    owner: String,
    since: Instant,
}

pub(crate) struct Heirs {
    pub(crate) config: Arc<BusConfig>,
    pub(crate) names: Names,
    pub(crate) desk: Arc<Desk>,
    pub(crate) sink: Arc<dyn Sink>,
}

impl Heirs {
    /// Works until told to end.
    pub(crate) fn run(self) {
        let mut link: Option<Link> = None;
        let mut estates: HashMap<String, (Estate, Instant)> = HashMap::new();
        let mut held: HashMap<u64, Held> = HashMap::new();
        let mut marks = 0;
        while let Some((jobs, incarnation)) = self.desk.jobs() {
            estates.retain(|_, (_, asked)| asked.elapsed() < KEPT);
            held.retain(|_, held| held.since.elapsed() < KEPT);
            if link.is_none() {
                link = Link::open(&self.config, Duration::ZERO).ok();
            }
            let mut good = link.is_some();
            let mut groups: HashMap<(String, usize), Vec<(Held, u64)>> = HashMap::new();
            for job in jobs {
                match job {
                    Job::Find(wanted) => {
                        let ticket = wanted.ticket;
                        let found = match &mut link {
                            Some(link) if good => self.find(link, &mut estates, &wanted),
                            _ => Ok(None),
                        };
                        good &= found.is_ok();
                        let found = found.ok().flatten().map(|(owner, found)| {
                            let since = Instant::now();
                            let one = Held {
                                wanted,
                                owner,
                                since,
                            };
                            held.insert(ticket, one);
                            found
                        });
                        self.sink.note(Note::Found { ticket, found });
                    }
                    Job::Take(ticket, session, worker) => match held.remove(&ticket) {
                        Some(one) => {
                            let group = groups.entry((one.owner.clone(), worker)).or_default();
                            group.push((one, session));
                        }
                        None => self.sink.note(Note::NotTaken { session }),
                    },
                }
            }
            for ((owner, worker), group) in groups {
                for chunk in group.chunks(TOGETHER) {
                    marks += 1;
                    let number = incarnation << 32 | marks;
                    let taken = match &mut link {
                        Some(link) if good => self.take(
                            link,
                            &mut estates,
                            (&owner, worker, number, incarnation),
                            chunk,
                        ),
                        _ => Ok(false),
                    };
                    good &= taken.is_ok();
                    if !taken.unwrap_or(false) {
                        for (_, session) in chunk {
                            self.sink.note(Note::NotTaken { session: *session });
                        }
                    }
                }
            }
            if !good {
                link = None;
            }
        }
    }

    /// Reads what is new in a journal.
    fn refresh(
        &self,
        link: &mut Link,
        owner: &str,
        estates: &mut HashMap<String, (Estate, Instant)>,
    ) -> RedisResult<()> {
        let (estate, asked) = estates
            .entry(owner.to_owned())
            .or_insert_with(|| (Estate::default(), Instant::now()));
        *asked = Instant::now();
        loop {
            let read = link.ask(
                cmd("XRANGE")
                    .arg(self.names.journal(owner))
                    .arg(format!("1-{}", estate.last + 1))
                    .arg("+")
                    .arg("COUNT")
                    .arg(COUNT),
            )?;
            let Value::Array(entries) = read else {
                return Ok(());
            };
            let count = entries.len();
            for each in entries {
                if let Some((id, _, octets)) = entry_of(each) {
                    estate.take(&id, &octets);
                }
            }
            if count < COUNT {
                return Ok(());
            }
        }
    }

    fn find(
        &self,
        link: &mut Link,
        estates: &mut HashMap<String, (Estate, Instant)>,
        wanted: &Wanted,
    ) -> RedisResult<Option<(String, Found)>> {
        // One place of the inbox for all scopes: there is none over several partitions.
        if self.names.partitions() != 1 {
            return Ok(None);
        }
        let owner = link.ask(cmd("GET").arg(self.names.owner(&hex(&wanted.id))))?;
        let owner = match owner {
            Value::BulkString(owner) => String::from_utf8_lossy(&owner).into_owned(),
            _ => format!("{}:{}", hex(&wanted.id[..4]), wanted.id[4]),
        };
        let own = hex(&self.config.tag);
        if owner.split(':').next() == Some(own.as_str()) {
            // It was here, and has ended.
            return Ok(None);
        }
        for attempt in 0..AGAIN.0 {
            if attempt > 0 {
                std::thread::sleep(AGAIN.1);
            }
            self.refresh(link, &owner, estates)?;
            let Some((estate, _)) = estates.get(&owner) else {
                return Ok(None);
            };
            let record = estate.session(&wanted.id, &wanted.digest);
            let share = record.and_then(|record| {
                let share = estate.share(&wanted.id, wanted.seq)?;
                Ok((record, share))
            });
            match share {
                Ok((record, _)) => {
                    let found = Found {
                        user_id: record.user_id,
                        intents: record.intents,
                        compress: record.compress,
                        shard: record.shard,
                        memo: record.memo.clone(),
                    };
                    return Ok(Some((owner, found)));
                }
                // What the client has is on its way to the journal.
                Err(Doubt::Ahead) => {}
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    fn take(
        &self,
        link: &mut Link,
        estates: &mut HashMap<String, (Estate, Instant)>,
        (owner, worker, number, incarnation): (&str, usize, u64, u64),
        group: &[(Held, u64)],
    ) -> Result<bool, BusError> {
        // Before the mark: what the journal has from here on is behind it.
        self.refresh(link, owner, estates)?;
        let Some((estate, _)) = estates.get(owner) else {
            return Ok(false);
        };
        let position = estate.position.clone();
        let own = inbox_name(&self.config.node, incarnation);
        if position.inbox.is_empty() || incarnation == 0 {
            return Ok(false);
        }
        let (mut heirs, mut ids) = (Vec::new(), Vec::new());
        for (held, session) in group {
            let Ok(share) = estate.share(&held.wanted.id, held.wanted.seq) else {
                self.sink.note(Note::NotTaken { session: *session });
                continue;
            };
            ids.push(held.wanted.id);
            heirs.push(Heir {
                session: *session,
                missed: share.missed,
                known: share.known,
            });
        }
        if heirs.is_empty() {
            return Ok(true);
        }
        let tag = owner.split(':').next().unwrap_or_default();
        let mut command = cmd("FCALL");
        command
            .arg("tocsin_sessions_1_claim")
            .arg(3 + ids.len())
            .arg(self.names.inboxes(0) + &own)
            .arg(&*position.inbox)
            .arg(self.names.taken_from(tag));
        for id in &ids {
            command.arg(self.names.owner(&hex(id)));
        }
        command
            .arg(format!("{}:{worker}", hex(&self.config.tag)))
            .arg(owner)
            .arg(millis(self.config.claim_ttl))
            .arg(mark(&own, number, &ids));
        for id in &ids {
            command.arg(hex(id));
        }
        let place = match link.ask(&command)? {
            Value::Array(answer) => match answer.first() {
                Some(Value::Int(place)) if *place > 0 => u64::try_from(*place).unwrap_or(0),
                _ => 0,
            },
            _ => 0,
        };
        if place == 0 {
            return Ok(heirs.len() < group.len() && self.not_taken(&heirs));
        }
        let tail = self.tail(link, &position.inbox, position.entry, place);
        let broken = tail.as_ref().err().is_some();
        let made = tail.ok().flatten().map(|tail| Inheritance {
            heirs: heirs.clone(),
            tail,
        });
        let whole = made.is_some();
        let waited_for = self.desk.put(number, made);
        if !(whole && waited_for) {
            self.not_taken(&heirs);
        }
        if broken {
            return Err(BusError::Answer);
        }
        Ok(true)
    }

    /// Says so of all of them.
    fn not_taken(&self, heirs: &[Heir]) -> bool {
        for heir in heirs {
            let session = heir.session;
            self.sink.note(Note::NotTaken { session });
        }
        true
    }

    /// The events in an inbox between two places; `None` if some are gone.
    fn tail(
        &self,
        link: &mut Link,
        inbox: &str,
        after: u64,
        before: u64,
    ) -> RedisResult<Option<Vec<Envelope>>> {
        let mut events = Vec::new();
        let mut last = after;
        while last + 1 < before {
            let read = link.ask(
                cmd("XRANGE")
                    .arg(inbox)
                    .arg(format!("1-{}", last + 1))
                    .arg(format!("1-{}", before - 1))
                    .arg("COUNT")
                    .arg(COUNT),
            )?;
            let Value::Array(entries) = read else {
                return Ok(None);
            };
            if entries.is_empty() {
                return Ok(None);
            }
            for each in entries {
                let Some((id, kind, octets)) = entry_of(each) else {
                    return Ok(None);
                };
                if crate::cursor::number_of(&id) != Some(last + 1) {
                    return Ok(None);
                }
                last += 1;
                if kind == b"e" {
                    match entry::decode(&octets) {
                        Ok(envelope) => events.push(envelope),
                        Err(_) => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(events))
    }
}
