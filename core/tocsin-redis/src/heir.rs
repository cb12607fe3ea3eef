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
use crate::desk::{Desk, Job, Wanted, mark};
use crate::entry;
use crate::estate::{Doubt, Estate};
use crate::link::Link;
use crate::names::{Claim, Names, Owner};
use crate::reader::{entry_of, inbox_name};
use crate::routes::Routes;
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
    from: From,
    /// What the key of its owner says.
    said: Option<Claim>,
    since: Instant,
}

/// From whom a session is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct From {
    /// In whose journal it is.
    owner: Owner,
    /// Who claimed it since, and has not given it anything.
    claimed_by: Option<Owner>,
}

/// What was read of journals, and when it was last asked for.
type Estates = HashMap<Owner, (Estate, Instant)>;

/// Where sessions are taken over: a worker of this node, and a mark in an inbox of it.
struct Place {
    worker: usize,
    incarnation: u64,
    mark: u64,
}

pub(crate) struct Heirs {
    pub(crate) config: Arc<BusConfig>,
    pub(crate) names: Names,
    pub(crate) routes: Arc<Routes>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) sink: Arc<dyn Sink>,
}

impl Heirs {
    /// Works until told to end.
    pub(crate) fn run(self) {
        let mut link: Option<Link> = None;
        let mut estates = Estates::new();
        let mut held: HashMap<u64, Held> = HashMap::new();
        let mut marks = 0;
        while let Some((jobs, incarnation)) = self.desk.jobs() {
            estates.retain(|_, (_, asked)| asked.elapsed() < KEPT);
            held.retain(|_, held| held.since.elapsed() < KEPT);
            if link.is_none() {
                link = Link::open(&self.routes, 0, Duration::ZERO).ok();
            }
            let mut good = link.is_some();
            let mut groups: HashMap<(From, usize), Vec<(Held, u64)>> = HashMap::new();
            for job in jobs {
                match job {
                    Job::Find(wanted) => {
                        let ticket = wanted.ticket;
                        let found = match &mut link {
                            Some(link) if good => self.find(link, &mut estates, &wanted),
                            _ => Ok(None),
                        };
                        good &= found.is_ok();
                        let found = found.ok().flatten().map(|(from, said, found)| {
                            let one = Held {
                                wanted,
                                from,
                                said,
                                since: Instant::now(),
                            };
                            held.insert(ticket, one);
                            found
                        });
                        self.sink.note(Note::Found { ticket, found });
                    }
                    Job::Take(ticket, session, worker) => match held.remove(&ticket) {
                        Some(one) => {
                            let group = groups.entry((one.from, worker)).or_default();
                            group.push((one, session));
                        }
                        None => self.sink.note(Note::NotTaken { session }),
                    },
                }
            }
            for ((from, worker), group) in groups {
                for chunk in group.chunks(TOGETHER) {
                    marks += 1;
                    let place = Place {
                        worker,
                        incarnation,
                        mark: incarnation << 32 | marks,
                    };
                    let taken = match &mut link {
                        Some(link) if good => self.take(link, &mut estates, from, &place, chunk),
                        _ => Ok(Vec::new()),
                    };
                    good &= taken.is_ok();
                    let taken = taken.unwrap_or_default();
                    for &(_, session) in chunk {
                        if !taken.contains(&session) {
                            self.sink.note(Note::NotTaken { session });
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
    fn refresh<'a>(
        &self,
        link: &mut Link,
        owner: Owner,
        estates: &'a mut Estates,
    ) -> RedisResult<&'a Estate> {
        let (estate, asked) = estates
            .entry(owner)
            .or_insert_with(|| (Estate::default(), Instant::now()));
        *asked = Instant::now();
        loop {
            let read = link.ask(
                cmd("XRANGE")
                    .arg(self.names.journal(&owner))
                    .arg(format!("1-{}", estate.last + 1))
                    .arg("+")
                    .arg("COUNT")
                    .arg(COUNT),
            )?;
            let Value::Array(entries) = read else {
                return Ok(estate);
            };
            let count = entries.len();
            for each in entries {
                if let Some((id, _, octets)) = entry_of(each) {
                    estate.take(&id, &octets);
                }
            }
            if count < COUNT {
                return Ok(estate);
            }
        }
    }

    fn find(
        &self,
        link: &mut Link,
        estates: &mut Estates,
        wanted: &Wanted,
    ) -> RedisResult<Option<(From, Option<Claim>, Found)>> {
        // One place of the inbox for all scopes: there is none over several partitions.
        if self.names.partitions() != 1 {
            return Ok(None);
        }
        let said = match link.ask(cmd("GET").arg(self.names.owner(wanted.id)))? {
            Value::BulkString(said) => match Claim::read(&said) {
                None => return Ok(None),
                claim => claim,
            },
            _ => None,
        };
        let owner = said.map_or_else(|| Owner::first(wanted.id), |claim| claim.by);
        // One of this node's own was here, and has ended.
        if owner.tag == self.config.tag {
            return Ok(None);
        }
        let mut from = From {
            owner,
            claimed_by: None,
        };
        for attempt in 0..AGAIN.0 {
            if attempt > 0 {
                std::thread::sleep(AGAIN.1);
            }
            let mut found = self.look(link, estates, owner, wanted)?;
            if let (Err(Doubt::Unknown), Some(claim)) = (&found, said) {
                if claim.seq == wanted.seq {
                    // Who claimed it is gone, or slow, and its client has nothing of theirs: what the one before them
                    // said holds.
                    from = From {
                        owner: claim.from,
                        claimed_by: Some(owner),
                    };
                    found = self.look(link, estates, claim.from, wanted)?;
                } else {
                    // What its client has was written before: it is on its way.
                    found = Err(Doubt::Ahead);
                }
            }
            match found {
                Ok(found) => return Ok(Some((from, said, found))),
                // What the client has is on its way to the journal.
                Err(Doubt::Ahead) => {}
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Looks for a session in a journal.
    fn look(
        &self,
        link: &mut Link,
        estates: &mut Estates,
        owner: Owner,
        wanted: &Wanted,
    ) -> RedisResult<Result<Found, Doubt>> {
        let estate = self.refresh(link, owner, estates)?;
        let record = estate.find(wanted.id, &wanted.digest, wanted.seq);
        Ok(record.map(|record| Found {
            user_id: record.user_id,
            intents: record.intents,
            compress: record.compress,
            shard: record.shard,
            memo: record.memo.clone(),
        }))
    }

    /// Takes sessions over, and returns the keys of those that wait for what goes to the mark.
    fn take(
        &self,
        link: &mut Link,
        estates: &mut Estates,
        from: From,
        place: &Place,
        group: &[(Held, u64)],
    ) -> RedisResult<Vec<u64>> {
        let mut inboxes = Vec::new();
        if let Some(owner) = from.claimed_by {
            let inbox = self.refresh(link, owner, estates)?.position.inbox.clone();
            if inbox.is_empty() {
                // It could not be told.
                return Ok(Vec::new());
            }
            inboxes.push(inbox);
        }
        // Before the mark: what the journal has from here on is behind it.
        let estate = self.refresh(link, from.owner, estates)?;
        let position = estate.position.clone();
        if position.inbox.is_empty() || place.incarnation == 0 {
            return Ok(Vec::new());
        }
        inboxes.insert(0, position.inbox.clone());
        let (mut heirs, mut wanted) = (Vec::new(), Vec::new());
        for (held, session) in group {
            if let Ok(share) = estate.share(held.wanted.id, held.wanted.seq) {
                wanted.push(held);
                heirs.push(Heir {
                    session: *session,
                    missed: share.missed,
                    known: share.known,
                });
            }
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (before, taken) = self.claim(link, from, place, &inboxes, &wanted)?;
        if before == 0 {
            return Ok(Vec::new());
        }
        let mut taken = taken.into_iter();
        heirs.retain(|_| taken.next().unwrap_or(false));
        let taken = heirs.iter().map(|heir| heir.session).collect();
        let tail = self.tail(link, &position.inbox, position.entry, before);
        // Said in any case: the reader waits at the mark.
        let (whole, made) = match tail {
            Ok(tail) => (Ok(()), tail.map(|tail| Inheritance { heirs, tail })),
            Err(error) => (Err(error), None),
        };
        let there = made.is_some();
        let waited_for = self.desk.put(place.mark, made);
        whole?;
        Ok(if there && waited_for {
            taken
        } else {
            Vec::new()
        })
    }

    /// Makes this node the owner and marks all inboxes; the mark's place in the first of `inboxes`, or 0, and which of
    /// the sessions it became the owner of.
    fn claim(
        &self,
        link: &mut Link,
        from: From,
        place: &Place,
        inboxes: &[Arc<str>],
        wanted: &[&Held],
    ) -> RedisResult<(u64, Vec<bool>)> {
        let own = inbox_name(&self.config.node, place.incarnation);
        let by = Owner {
            tag: self.config.tag,
            worker: place.worker,
        };
        let mut command = cmd("FCALL");
        command
            .arg("tocsin_sessions_2_claim")
            .arg(1 + 2 * inboxes.len() + wanted.len())
            .arg(self.names.inboxes(0) + &own);
        for inbox in inboxes {
            command.arg(&**inbox);
        }
        for owner in [Some(from.owner), from.claimed_by].into_iter().flatten() {
            command.arg(self.names.taken_from(owner.tag));
        }
        for held in wanted {
            command.arg(self.names.owner(held.wanted.id));
        }
        let ids: Vec<_> = wanted.iter().map(|held| held.wanted.id).collect();
        command
            .arg(inboxes.len())
            .arg(millis(self.config.claim_ttl))
            .arg(mark(&own, place.mark, &ids));
        for held in wanted {
            let claim = Claim {
                by,
                from: from.owner,
                seq: held.wanted.seq,
            };
            command
                .arg(held.wanted.id.to_string())
                .arg(held.said.map(|said| said.to_string()).unwrap_or_default())
                .arg(claim.to_string());
        }
        let Value::Array(answer) = link.ask(&command)? else {
            return Ok((0, Vec::new()));
        };
        let mut numbers = answer.iter().map(|each| match each {
            Value::Int(number) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        });
        let before = numbers.next().unwrap_or(0);
        Ok((before, numbers.map(|taken| taken == 1).collect()))
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
