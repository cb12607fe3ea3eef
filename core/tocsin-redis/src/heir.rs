//! The heir's thread: finds the sessions of other nodes in their journals, and takes them over (ADR 0019).
//!
//! Taking is one step of Redis: the sessions get another owner, and both inboxes a mark. Where there are several
//! partitions, one step in each follows, with a mark of the same number. What came before the mark of a partition is
//! read from the other node's inbox there, what comes after it from this node's own. So it does not matter whether the
//! other node is dead, frozen or well: whatever it still says, it says to connections that were left.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{RedisResult, Value, cmd};
use tocsin_bus::{Doubt, Found, Heir, Inheritance, Note};

use crate::config::BusConfig;
use crate::desk::{Desk, Job, Wanted};
use crate::estate::Estate;
use crate::link::Link;
use crate::links::Links;
use crate::marks::Inboxes;
use crate::names::{Claim, Names, Owner};
use crate::reader::entry_of;
use crate::routes::Routes;
use crate::sink::Sink;

/// Entries of one read.
pub(crate) const COUNT: usize = 1_000;
/// After which pause, and for how long, a journal is read again that does not have yet what the client has.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(300));
/// How long what was read of a journal is kept after it was last asked for.
const KEPT: Duration = Duration::from_secs(120);
/// Sessions that are taken by one mark.
const TOGETHER: usize = 256;

/// A session that was found, until it is taken.
pub(crate) struct Held {
    pub(crate) wanted: Wanted,
    from: From,
    /// What the key of its owner says.
    pub(crate) said: Option<Claim>,
    since: Instant,
}

/// From whom a session is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct From {
    /// In whose journal it is.
    pub(crate) owner: Owner,
    /// Who claimed it since, and has not given it anything.
    pub(crate) claimed_by: Option<Owner>,
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

/// Where sessions are taken over: a worker of this node, and marks of one number in its inboxes.
pub(crate) struct Place {
    pub(crate) worker: usize,
    pub(crate) incarnation: u64,
    pub(crate) mark: u64,
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
        let mut links: Option<Links> = None;
        let mut marks = 0;
        while let Some((jobs, incarnation)) = self.desk.jobs(desk.pause()) {
            desk.clear();
            if links.is_none() {
                links = Links::open(&self.routes).ok();
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
            let mut good = links.is_some();
            good &= self.find_all(links.as_mut(), &mut desk).is_ok();
            for ((from, worker), group) in groups {
                for chunk in group.chunks(TOGETHER) {
                    marks += 1;
                    let place = Place {
                        worker,
                        incarnation,
                        mark: incarnation << 32 | marks,
                    };
                    let left = match &mut links {
                        Some(links) if good => {
                            self.take(links, &mut desk.estates, from, &place, chunk)
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
                links = None;
            }
        }
    }

    fn not_taken(&self, session: u64, doubt: Doubt) {
        self.sink.note(Note::NotTaken { session, doubt });
    }

    /// Answers all that were asked for and can be answered now; an error is that of Redis.
    fn find_all(&self, links: Option<&mut Links>, desk: &mut Desktop) -> RedisResult<()> {
        let asked = std::mem::take(&mut desk.asked);
        if asked.is_empty() {
            return Ok(());
        }
        let found = match links {
            Some(links) => self.look_for(links.first(), &mut desk.estates, &asked),
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

    /// Takes sessions over, and returns the keys of those that it did not: the others wait for what goes to the marks.
    fn take(
        &self,
        links: &mut Links,
        estates: &mut Estates,
        from: From,
        place: &Place,
        group: &[(Held, u64)],
    ) -> RedisResult<Vec<(u64, Doubt)>> {
        let mut inboxes = Inboxes::new();
        if let Some(owner) = from.claimed_by {
            let estate = self.refresh(links.first(), owner, estates)?;
            let inbox = estate.position.inbox.clone();
            if inbox.is_empty() {
                // It could not be told.
                return Ok(all_of(group, Doubt::Place));
            }
            inboxes.push(inbox);
        }
        // Before the marks: what the journal has from here on is behind them.
        let estate = self.refresh(links.first(), from.owner, estates)?;
        let position = estate.position.clone();
        // Another Redis, or the same begun anew, may have lost entries and given their numbers to others.
        if !position.is_whole()
            || position.entries.len() != self.names.partitions() as usize
            || position.redis != links.redis
            || place.incarnation == 0
        {
            return Ok(all_of(group, Doubt::Place));
        }
        inboxes.insert(0, position.inbox.clone());
        let (mut shares, mut wanted, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for (held, session) in group {
            match estate.share(held.wanted.id, held.wanted.seq) {
                Ok(share) => {
                    wanted.push(held);
                    shares.push((*session, share));
                }
                Err(doubt) => left.push((*session, doubt)),
            }
        }
        if wanted.is_empty() {
            return Ok(left);
        }
        let (before, taken) = self.claim(links.first(), from, place, &inboxes, &wanted)?;
        if before == 0 {
            // Without an answer for each an inbox is gone.
            let doubt = if taken.is_empty() {
                Doubt::Place
            } else {
                Doubt::Taken
            };
            left.extend(shares.iter().map(|(session, _)| (*session, doubt)));
            return Ok(left);
        }
        let mut taken = taken.into_iter();
        let mut ids = Vec::new();
        let mut each = wanted.iter();
        shares.retain(|(session, _)| {
            let taken = taken.next().unwrap_or(false);
            let id = each.next().map(|held| held.wanted.id);
            if taken {
                ids.extend(id);
            } else {
                left.push((*session, Doubt::Taken));
            }
            taken
        });
        let keys: Vec<_> = shares.iter().map(|(session, _)| *session).collect();
        let mut before = Some(before);
        for partition in 0..self.names.partitions() {
            let made = self.part(
                links,
                partition,
                before.take(),
                place,
                &inboxes,
                &ids,
                &position,
            );
            let (whole, made) = match made {
                Ok(tail) => (Ok(()), tail),
                Err(error) => (Err(error), None),
            };
            let there = made.is_some();
            let made = made.map(|tail| {
                let places = tail.iter().map(|each| (each.scope, each.seq)).collect();
                let had = estate.had(&ids, &places);
                let heirs = shares
                    .iter()
                    .zip(had)
                    .map(|((session, missed), known)| Heir {
                        session: *session,
                        missed: Arc::clone(missed),
                        known,
                    });
                Inheritance {
                    partition,
                    partitions: self.names.partitions(),
                    heirs: heirs.collect(),
                    tail,
                }
            });
            // Said in any case: the reader waits at the mark, if there is one.
            let waited_for = self.desk.put(place.mark, partition, made);
            whole?;
            let doubt = match (there, waited_for) {
                (true, true) => continue,
                (true, false) => Doubt::Late,
                _ => Doubt::Place,
            };
            left.extend(keys.into_iter().map(|session| (session, doubt)));
            break;
        }
        Ok(left)
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
