//! `Reach`: which workers have sessions in which guilds, so that an event goes to those only. Only the dispatcher asks it.
//!
//! Invariant: a worker with a session in a guild, as the orders given so far leave it, is named for that guild. One
//! whose session has ended is named until the notice of it has come.

use foldhash::HashMap;

use crate::key::SessionKey;

/// Stands for a guild as long as it has sessions; one that comes again has another.
type Ticket = u32;

#[derive(Debug)]
struct Guild {
    id: u64,
    /// Sessions by worker.
    sessions: Box<[u32]>,
}

/// Guilds to workers.
#[derive(Debug)]
pub(crate) struct Reach {
    workers: usize,
    tickets: HashMap<u64, Ticket>,
    guilds: HashMap<Ticket, Guild>,
    /// Every accepted session and the guilds it was put into; some of those may be gone.
    sessions: HashMap<u64, Vec<Ticket>>,
    last: Ticket,
}

impl Reach {
    /// No session yet.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers,
            tickets: HashMap::default(),
            guilds: HashMap::default(),
            sessions: HashMap::default(),
            last: 0,
        }
    }

    /// A session begins, in these guilds.
    pub(crate) fn begin(&mut self, key: SessionKey, guilds: impl ExactSizeIterator<Item = u64>) {
        let known = Vec::with_capacity(guilds.len());
        self.sessions.entry(key.as_u64()).or_insert(known);
        for guild in guilds {
            self.enter(key, guild);
        }
    }

    /// Whether the session has begun and is not gone.
    pub(crate) fn knows(&self, key: SessionKey) -> bool {
        self.sessions.contains_key(&key.as_u64())
    }

    /// A session is put into a guild; nothing if it has ended or never began, as its worker does.
    pub(crate) fn enter(&mut self, key: SessionKey, guild: u64) {
        let worker = key.worker();
        if worker >= self.workers || !self.sessions.contains_key(&key.as_u64()) {
            return;
        }
        let ticket = self.ticket(guild);
        let (guilds, sessions) = (&mut self.guilds, &mut self.sessions);
        let (Some(known), Some(found)) = (sessions.get_mut(&key.as_u64()), guilds.get_mut(&ticket))
        else {
            return;
        };
        if known.contains(&ticket) {
            return;
        }
        found.sessions[worker] += 1;
        if known.len() == known.capacity() {
            known.retain(|each| guilds.contains_key(each));
        }
        known.push(ticket);
    }

    /// The guild's ticket, a new one if it has no session.
    fn ticket(&mut self, guild: u64) -> Ticket {
        if let Some(&ticket) = self.tickets.get(&guild) {
            return ticket;
        }
        self.last = self.last.wrapping_add(1);
        while self.guilds.contains_key(&self.last) {
            self.last = self.last.wrapping_add(1);
        }
        self.tickets.insert(guild, self.last);
        let sessions = vec![0; self.workers].into_boxed_slice();
        let made = Guild {
            id: guild,
            sessions,
        };
        self.guilds.insert(self.last, made);
        self.last
    }

    /// A session is taken out of a guild.
    pub(crate) fn leave(&mut self, key: SessionKey, guild: u64) {
        if let Some(&ticket) = self.tickets.get(&guild)
            && let Some(known) = self.sessions.get_mut(&key.as_u64())
            && let Some(at) = known.iter().position(|&each| each == ticket)
        {
            known.swap_remove(at);
            self.count_out(key, ticket);
        }
    }

    /// Whether a session was put into a guild and not taken out.
    pub(crate) fn is_in(&self, key: SessionKey, guild: u64) -> bool {
        self.tickets.get(&guild).is_some_and(|ticket| {
            let known = self.sessions.get(&key.as_u64());
            known.is_some_and(|known| known.contains(ticket))
        })
    }

    /// A session is gone.
    pub(crate) fn end(&mut self, key: SessionKey) {
        for ticket in self.sessions.remove(&key.as_u64()).unwrap_or_default() {
            self.count_out(key, ticket);
        }
    }

    /// A guild is gone with everyone's membership of it.
    pub(crate) fn remove_guild(&mut self, guild: u64) {
        if let Some(ticket) = self.tickets.remove(&guild) {
            self.guilds.remove(&ticket);
        }
    }

    /// Whether the worker has sessions in the guild.
    pub(crate) fn has(&self, guild: u64, worker: usize) -> bool {
        self.tickets
            .get(&guild)
            .and_then(|ticket| self.guilds.get(ticket)?.sessions.get(worker))
            .is_some_and(|&count| count > 0)
    }

    fn count_out(&mut self, key: SessionKey, ticket: Ticket) {
        if let Some(found) = self.guilds.get_mut(&ticket)
            && let Some(count) = found.sessions.get_mut(key.worker())
        {
            *count = count.saturating_sub(1);
            if found.sessions.iter().all(|&count| count == 0) {
                let id = found.id;
                self.remove_guild(id);
            }
        }
    }

    /// How many guilds and sessions it holds.
    #[cfg(test)]
    fn sizes(&self) -> (usize, usize) {
        (self.guilds.len() + self.tickets.len(), self.sessions.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    const WORKERS: u8 = 3;

    #[derive(Debug, Clone)]
    enum Op {
        Begin(u8, u32, Vec<u64>),
        Enter(u8, u32, u64),
        Leave(u8, u32, u64),
        End(u8, u32),
        RemoveGuild(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let (worker, slot, guild) = (0..WORKERS, 0..4u32, 1..5u64);
        let session = (worker, slot);
        prop_oneof![
            3 => (session.clone(), proptest::collection::vec(guild.clone(), 0..4)).prop_map(|((w, s), g)| Op::Begin(w, s, g)),
            4 => (session.clone(), guild.clone()).prop_map(|((w, s), g)| Op::Enter(w, s, g)),
            2 => (session.clone(), guild.clone()).prop_map(|((w, s), g)| Op::Leave(w, s, g)),
            2 => session.prop_map(|(w, s)| Op::End(w, s)),
            1 => guild.prop_map(Op::RemoveGuild),
        ]
    }

    proptest! {
        #[test]
        fn a_guild_reaches_exactly_the_workers_that_have_sessions_in_it(ops in proptest::collection::vec(op(), 1..120)) {
            let mut reach = Reach::new(WORKERS.into());
            let mut model: BTreeMap<(u8, u32), BTreeSet<u64>> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Begin(worker, slot, guilds) => {
                        model.entry((worker, slot)).or_default().extend(&guilds);
                        reach.begin(SessionKey::new(worker, 1, slot), guilds.into_iter());
                    }
                    Op::Enter(worker, slot, guild) => {
                        if let Some(known) = model.get_mut(&(worker, slot)) {
                            known.insert(guild);
                        }
                        reach.enter(SessionKey::new(worker, 1, slot), guild);
                    }
                    Op::Leave(worker, slot, guild) => {
                        if let Some(known) = model.get_mut(&(worker, slot)) {
                            known.remove(&guild);
                        }
                        reach.leave(SessionKey::new(worker, 1, slot), guild);
                    }
                    Op::End(worker, slot) => {
                        model.remove(&(worker, slot));
                        reach.end(SessionKey::new(worker, 1, slot));
                    }
                    Op::RemoveGuild(guild) => {
                        model.values_mut().for_each(|known| _ = known.remove(&guild));
                        reach.remove_guild(guild);
                    }
                }
                for guild in 1..5 {
                    for worker in 0..WORKERS {
                        let expected = model.iter().any(|((w, _), known)| *w == worker && known.contains(&guild));
                        prop_assert_eq!(reach.has(guild, worker.into()), expected);
                    }
                }
            }
            for worker in 0..WORKERS {
                (0..4).for_each(|slot| reach.end(SessionKey::new(worker, 1, slot)));
            }
            prop_assert_eq!(reach.sizes(), (0, 0));
        }
    }

    #[test]
    fn a_session_that_never_began_or_of_no_worker_reaches_nothing() {
        let mut reach = Reach::new(2);
        reach.enter(SessionKey::new(0, 1, 0), 7);
        reach.begin(SessionKey::new(9, 1, 0), [7].into_iter());
        assert!(!reach.has(7, 0) && !reach.has(7, 9));
        reach.end(SessionKey::new(9, 1, 0));
        assert_eq!(reach.sizes(), (0, 0));
    }
}
