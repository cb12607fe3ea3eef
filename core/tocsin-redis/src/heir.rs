//! The heir's thread: finds the sessions of other nodes in their journals, and takes them over (ADR 0019).
//!
//! Taking is one step of Redis: the sessions get another owner, and both inboxes a mark. What came before the mark is
//! read from the other node's inbox, what comes after it from this node's own. So it does not matter whether the other
//! node is dead, frozen or well: whatever it still says, it says to connections that were left.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{RedisResult, Value, cmd};
use tocsin_bus::{Doubt, Envelope, Found, Heir, Inheritance, Note};

use crate::config::{BusConfig, millis};
use crate::desk::{Desk, Job, Wanted, mark};
use crate::entry;
use crate::estate::Estate;
use crate::link::Link;
use crate::names::{Claim, Names, Owner};
use crate::reader::{entry_of, inbox_name};
use crate::routes::Routes;
use crate::sink::Sink;

/// Entries of one read.
const COUNT: usize = 1_000;
/// After which pause, and for how long, a journal is read again that does not have yet what the client has.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(300));
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

/// What is known of a session that is looked for: from whom it would be taken, what its owner's key says, and who it is.
type Look = Result<(From, Option<Claim>, Found), Doubt>;

/// What the heir has before it.
#[derive(Default)]
struct Desktop {
    estates: Estates,
    /// What is yet to be answered, and since when.
    asked: Vec<(Wanted, Instant)>,
    held: HashMap<u64, Held>,
}

impl Desktop {
    /// Puts away what nobody came for.
    fn clear(&mut self) {
        self.estates.retain(|_, (_, asked)| asked.elapsed() < KEPT);
        self.held.retain(|_, held| held.since.elapsed() < KEPT);
    }

    /// When to look again without being asked.
    fn pause(&self) -> Option<Duration> {
        (!self.asked.is_empty()).then_some(AGAIN.0)
    }
}

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
        let mut desk = Desktop::default();
        let mut link: Option<Link> = None;
        let mut marks = 0;
        while let Some((jobs, incarnation)) = self.desk.jobs(desk.pause()) {
            desk.clear();
            if link.is_none() {
                link = Link::open(&self.routes, 0, Duration::ZERO).ok();
            }
            let mut groups: HashMap<(From, usize), Vec<(Held, u64)>> = HashMap::new();
            for job in jobs {
                match job {
                    Job::Find(wanted) => desk.asked.push((wanted, Instant::now())),
                    Job::Take(ticket, session, worker) => match desk.held.remove(&ticket) {
                        Some(one) => {
                            let group = groups.entry((one.from, worker)).or_default();
                            group.push((one, session));
                        }
                        None => self.not_taken(session, Doubt::Taken),
                    },
                }
            }
            let mut good = link.is_some();
            good &= self.find_all(link.as_mut(), &mut desk).is_ok();
            for ((from, worker), group) in groups {
                for chunk in group.chunks(TOGETHER) {
                    marks += 1;
                    let place = Place {
                        worker,
                        incarnation,
                        mark: incarnation << 32 | marks,
                    };
                    let left = match &mut link {
                        Some(link) if good => {
                            self.take(link, &mut desk.estates, from, &place, chunk)
                        }
                        _ => Ok(all_of(chunk, Doubt::Away)),
                    };
                    good &= left.is_ok();
                    for (session, doubt) in left.unwrap_or_else(|_| all_of(chunk, Doubt::Away)) {
                        self.not_taken(session, doubt);
                    }
                }
            }
            if !good {
                link = None;
            }
        }
    }

    fn not_taken(&self, session: u64, doubt: Doubt) {
        self.sink.note(Note::NotTaken { session, doubt });
    }

    /// Answers all that were asked for and can be answered now; an error is that of Redis.
    fn find_all(&self, link: Option<&mut Link>, desk: &mut Desktop) -> RedisResult<()> {
        let asked = std::mem::take(&mut desk.asked);
        if asked.is_empty() {
            return Ok(());
        }
        let found = match link {
            // One place of the inbox for all scopes: there is none over several partitions.
            _ if self.names.partitions() != 1 => Ok(vec![Err(Doubt::Place); asked.len()]),
            Some(link) => self.look_for(link, &mut desk.estates, &asked),
            None => Ok(vec![Err(Doubt::Away); asked.len()]),
        };
        let (found, whole) = match found {
            Ok(found) => (found, Ok(())),
            Err(error) => (vec![Err(Doubt::Away); asked.len()], Err(error)),
        };
        for ((wanted, since), found) in asked.into_iter().zip(found) {
            let ticket = wanted.ticket;
            let found = match found {
                // What its client has is on its way to the journal.
                Err(Doubt::Ahead) if since.elapsed() < AGAIN.1 => {
                    desk.asked.push((wanted, since));
                    continue;
                }
                Ok((from, said, found)) => {
                    let since = Instant::now();
                    let one = Held {
                        wanted,
                        from,
                        said,
                        since,
                    };
                    desk.held.insert(ticket, one);
                    Ok(found)
                }
                Err(doubt) => Err(doubt),
            };
            self.sink.note(Note::Found { ticket, found });
        }
        whole
    }

    /// Looks for sessions, each journal read once.
    fn look_for(
        &self,
        link: &mut Link,
        estates: &mut Estates,
        asked: &[(Wanted, Instant)],
    ) -> RedisResult<Vec<Look>> {
        let mut owners = cmd("MGET");
        for (wanted, _) in asked {
            owners.arg(self.names.owner(wanted.id));
        }
        let Value::Array(said) = link.ask(&owners)? else {
            return Ok(vec![Err(Doubt::Away); asked.len()]);
        };
        let mut read = HashSet::new();
        let mut found = Vec::with_capacity(asked.len());
        for ((wanted, _), said) in asked.iter().zip(said) {
            let said = match said {
                Value::BulkString(said) => match Claim::read(&said) {
                    None => {
                        found.push(Err(Doubt::Unknown));
                        continue;
                    }
                    claim => claim,
                },
                _ => None,
            };
            let former = said.filter(|claim| claim.seq == wanted.seq);
            let owner = said.map_or_else(|| Owner::first(wanted.id), |claim| claim.by);
            for each in [Some(owner), former.map(|claim| claim.from)]
                .into_iter()
                .flatten()
            {
                if each.tag != self.config.tag && read.insert(each) {
                    self.refresh(link, each, estates)?;
                }
            }
            found.push(self.look(estates, owner, said, wanted));
        }
        Ok(found)
    }

    /// Looks for a session in the journals that were read.
    fn look(&self, estates: &Estates, owner: Owner, said: Option<Claim>, wanted: &Wanted) -> Look {
        // One of this node's own was here, and has ended.
        if owner.tag == self.config.tag {
            return Err(Doubt::Ended);
        }
        let found = record(estates, owner, wanted);
        let (owner, claimed_by, found) = match (found, said) {
            // Who claimed it is gone, or slow, and its client has nothing of theirs: what the one before them said
            // holds.
            (Err(Doubt::Unknown), Some(claim)) if claim.seq == wanted.seq => {
                let found = record(estates, claim.from, wanted);
                (claim.from, Some(owner), found)
            }
            // What its client has was written before it got it: that is on its way.
            (Err(Doubt::Unknown), Some(_)) => return Err(Doubt::Ahead),
            (found, _) => (owner, None, found),
        };
        found.map(|found| (From { owner, claimed_by }, said, found))
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

    /// Takes sessions over, and returns the keys of those that it did not: the others wait for what goes to the mark.
    fn take(
        &self,
        link: &mut Link,
        estates: &mut Estates,
        from: From,
        place: &Place,
        group: &[(Held, u64)],
    ) -> RedisResult<Vec<(u64, Doubt)>> {
        let mut inboxes = Vec::new();
        if let Some(owner) = from.claimed_by {
            let inbox = self.refresh(link, owner, estates)?.position.inbox.clone();
            if inbox.is_empty() {
                // It could not be told.
                return Ok(all_of(group, Doubt::Place));
            }
            inboxes.push(inbox);
        }
        // Before the mark: what the journal has from here on is behind it.
        let estate = self.refresh(link, from.owner, estates)?;
        let position = estate.position.clone();
        if position.inbox.is_empty() || place.incarnation == 0 {
            return Ok(all_of(group, Doubt::Place));
        }
        inboxes.insert(0, position.inbox.clone());
        let (mut heirs, mut wanted, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for (held, session) in group {
            match estate.share(held.wanted.id, held.wanted.seq) {
                Ok(share) => {
                    wanted.push(held);
                    heirs.push(Heir {
                        session: *session,
                        missed: share.missed,
                        known: share.known,
                    });
                }
                Err(doubt) => left.push((*session, doubt)),
            }
        }
        if wanted.is_empty() {
            return Ok(left);
        }
        let (before, taken) = self.claim(link, from, place, &inboxes, &wanted)?;
        if before == 0 {
            // Without an answer for each an inbox is gone.
            let doubt = if taken.is_empty() {
                Doubt::Place
            } else {
                Doubt::Taken
            };
            left.extend(heirs.iter().map(|heir| (heir.session, doubt)));
            return Ok(left);
        }
        let mut taken = taken.into_iter();
        heirs.retain(|heir| {
            let taken = taken.next().unwrap_or(false);
            if !taken {
                left.push((heir.session, Doubt::Taken));
            }
            taken
        });
        let keys: Vec<_> = heirs.iter().map(|heir| heir.session).collect();
        let tail = self.tail(link, &position.inbox, position.entry, before);
        // Said in any case: the reader waits at the mark.
        let (whole, made) = match tail {
            Ok(tail) => (Ok(()), tail.map(|tail| Inheritance { heirs, tail })),
            Err(error) => (Err(error), None),
        };
        let there = made.is_some();
        let waited_for = self.desk.put(place.mark, made);
        whole?;
        let doubt = match (there, waited_for) {
            (true, true) => return Ok(left),
            (true, false) => Doubt::Late,
            _ => Doubt::Place,
        };
        left.extend(keys.into_iter().map(|session| (session, doubt)));
        Ok(left)
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

/// A session as its journal has it.
fn record(estates: &Estates, owner: Owner, wanted: &Wanted) -> Result<Found, Doubt> {
    let (estate, _) = estates.get(&owner).ok_or(Doubt::Unknown)?;
    let record = estate.find(wanted.id, &wanted.digest, wanted.seq)?;
    Ok(Found {
        user_id: record.user_id,
        intents: record.intents,
        compress: record.compress,
        shard: record.shard,
        memo: record.memo.clone(),
    })
}

fn all_of(group: &[(Held, u64)], doubt: Doubt) -> Vec<(u64, Doubt)> {
    group.iter().map(|&(_, session)| (session, doubt)).collect()
}
