//! `SubscriptionIndex`: one worker's sessions by guild, channel and cohort.
//!
//! A cohort is the sessions of a guild with the same permission inputs; ids are unique over all guilds and never
//! used again. Asking allocates nothing, but for who holds roles. Joining, leaving and moving look through the session's guilds, and through
//! the guild's cohorts when one of them empties; they never look through a cohort's sessions.
//!
//! A role is kept as a channel is: what has its id are the cohorts that hold it.
//!
//! A person's session may be passive in a guild: it is in its cohort, in a list apart, so that an event which only those
//! who look at the guild get never touches it. Bots are in a list apart too, for what only they get.
//!
//! Hashes are foldhash's, seeded by each process: ids that a user could choose do not meet in one bucket by design.
//!
//! Invariant: a cohort belongs to one guild. What would mix two guilds is refused: nobody sees more by a mistake.

use std::hash::Hash;

use foldhash::{HashMap, HashMapExt};

/// A cohort's id, made by the control plane.
pub type CohortId = u32;

/// Which sessions of a guild, a channel or some cohorts are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that are not passive.
    Active,
    /// All.
    All,
    /// Bots.
    Bots,
}

/// The lists of a cohort.
const ACTIVE: usize = 0;
const PASSIVE: usize = 1;
const BOTS: usize = 2;

/// A session's membership of one guild, and where it stands in its cohort.
#[derive(Debug, Clone, Copy)]
struct Membership {
    guild: u64,
    cohort: CohortId,
    /// Four times the position in its list of the cohort, and the list's number.
    place: u32,
}

impl Membership {
    fn list(self) -> usize {
        (self.place & 3) as usize
    }

    fn position(self) -> usize {
        (self.place >> 2) as usize
    }
}

#[derive(Debug, Default)]
struct Guild {
    /// Cohorts that have sessions here.
    cohorts: Vec<CohortId>,
    /// Who may view each channel, and who holds each role; may name cohorts without sessions here.
    channels: HashMap<u64, Box<[CohortId]>>,
}

#[derive(Debug)]
struct Cohort<K> {
    guild: u64,
    /// The active people, the passive people and the bots.
    lists: [Vec<K>; 3],
}

impl<K> Cohort<K> {
    fn is_empty(&self) -> bool {
        self.lists.iter().all(Vec::is_empty)
    }

    fn members(&self, which: Which) -> impl Iterator<Item = &K> {
        let [active, passive, bots] = self.lists.each_ref().map(Vec::as_slice);
        let none: &[K] = &[];
        let (active, passive) = match which {
            Which::Active => (active, none),
            Which::All => (active, passive),
            Which::Bots => (none, none),
        };
        [active, passive, bots].into_iter().flatten()
    }
}

/// The index. `K` names a session; it is the caller's.
#[derive(Debug)]
pub struct SubscriptionIndex<K> {
    guilds: HashMap<u64, Guild>,
    /// Those that have sessions here.
    cohorts: HashMap<CohortId, Cohort<K>>,
    sessions: HashMap<K, Vec<Membership>>,
}

impl<K> Default for SubscriptionIndex<K> {
    fn default() -> Self {
        Self {
            guilds: HashMap::new(),
            cohorts: HashMap::new(),
            sessions: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> SubscriptionIndex<K> {
    /// Sets who may view a channel. A cohort named twice counts once.
    pub fn set_channel(&mut self, guild: u64, channel: u64, cohorts: &[CohortId]) {
        let mut cohorts = cohorts.to_vec();
        cohorts.sort_unstable();
        cohorts.dedup();
        let guild = self.guilds.entry(guild).or_default();
        guild.channels.insert(channel, cohorts.into_boxed_slice());
    }

    /// Forgets a channel: nobody may view it.
    pub fn remove_channel(&mut self, guild: u64, channel: u64) {
        if let Some(found) = self.guilds.get_mut(&guild) {
            found.channels.remove(&channel);
            self.drop_if_empty(guild);
        }
    }

    /// Forgets a guild with its channels and everyone's membership of it.
    pub fn remove_guild(&mut self, guild: u64) {
        let Some(found) = self.guilds.remove(&guild) else {
            return;
        };
        for cohort in found.cohorts {
            let lists = self.cohorts.remove(&cohort).map(|each| each.lists);
            for session in lists.into_iter().flatten().flatten() {
                self.forget_membership(session, guild);
            }
        }
    }

    /// Puts a session into a cohort of a guild, out of the one it was in before. With a cohort that has sessions in
    /// another guild, the session ends up in none. Who was passive stays so; who comes anew is active. A session is a
    /// bot's in all its guilds, or in none.
    pub fn assign(&mut self, session: K, guild: u64, cohort: CohortId, bot: bool) {
        let list = match self.membership(session, guild) {
            Some(found) if found.cohort == cohort => return,
            Some(found) => found.list(),
            None if bot => BOTS,
            None => ACTIVE,
        };
        self.put(session, guild, cohort, list);
    }

    /// Makes a person's session passive in a guild, or active; nothing if it is not in it. Bots are active always.
    pub fn set_passive(&mut self, session: K, guild: u64, passive: bool) {
        let list = if passive { PASSIVE } else { ACTIVE };
        if let Some(found) = self.membership(session, guild)
            && found.list() != list
            && found.list() != BOTS
        {
            self.put(session, guild, found.cohort, list);
        }
    }

    fn put(&mut self, session: K, guild: u64, cohort: CohortId, list: usize) {
        self.unassign(session, guild);
        let found = self.cohorts.entry(cohort).or_insert_with(|| Cohort {
            guild,
            lists: [Vec::new(), Vec::new(), Vec::new()],
        });
        if found.guild != guild {
            return;
        }
        if found.is_empty() {
            self.guilds.entry(guild).or_default().cohorts.push(cohort);
        }
        let place = (found.lists[list].len() as u32) << 2 | list as u32;
        found.lists[list].push(session);
        self.sessions.entry(session).or_default().push(Membership {
            guild,
            cohort,
            place,
        });
    }

    /// Takes a session out of a guild.
    pub fn unassign(&mut self, session: K, guild: u64) {
        if let Some(membership) = self.forget_membership(session, guild) {
            self.leave_cohort(membership);
        }
    }

    /// Takes a session out of everything.
    pub fn remove_session(&mut self, session: K) {
        for membership in self.sessions.remove(&session).unwrap_or_default() {
            self.leave_cohort(membership);
        }
    }

    /// The cohort of a session in a guild.
    #[must_use]
    pub fn cohort_of(&self, session: K, guild: u64) -> Option<CohortId> {
        self.membership(session, guild).map(|each| each.cohort)
    }

    /// Whether a session is passive in a guild; not if it is not in it.
    #[must_use]
    pub fn is_passive(&self, session: K, guild: u64) -> bool {
        self.membership(session, guild)
            .is_some_and(|each| each.list() == PASSIVE)
    }

    /// Whether a session may view a channel.
    #[must_use]
    pub fn may_view(&self, session: K, guild: u64, channel: u64) -> bool {
        let channels = self.guilds.get(&guild).map(|guild| &guild.channels);
        let cohorts = channels.and_then(|channels| channels.get(&channel));
        self.cohort_of(session, guild)
            .zip(cohorts)
            .is_some_and(|(cohort, cohorts)| cohorts.binary_search(&cohort).is_ok())
    }

    /// Whether a session holds one of some roles of a guild. Ids that name none are held by nobody.
    #[must_use]
    pub fn holds(&self, session: K, guild: u64, roles: &[u64]) -> bool {
        roles
            .iter()
            .any(|&role| self.may_view(session, guild, role))
    }

    /// The passive sessions that may view a channel and hold one of some roles, each once.
    pub fn passive_holders(
        &self,
        guild: u64,
        channel: u64,
        roles: &[u64],
    ) -> impl Iterator<Item = K> {
        let channels = self.guilds.get(&guild).map(|guild| &guild.channels);
        let of = |id| channels.and_then(|channels| channels.get(&id));
        let holders: Vec<&[CohortId]> = roles
            .iter()
            .filter_map(|&role| of(role).map(|found| &found[..]))
            .collect();
        let viewers = of(channel).filter(|_| !holders.is_empty());
        viewers
            .into_iter()
            .flatten()
            .filter(move |cohort| {
                holders
                    .iter()
                    .any(|each| each.binary_search(cohort).is_ok())
            })
            .filter_map(|cohort| self.cohorts.get(cohort))
            .filter(move |cohort| cohort.guild == guild)
            .flat_map(|cohort| &cohort.lists[PASSIVE])
            .copied()
    }

    fn membership(&self, session: K, guild: u64) -> Option<Membership> {
        let memberships = self.sessions.get(&session)?;
        memberships.iter().find(|each| each.guild == guild).copied()
    }

    /// The sessions that may view a channel; none for a channel that was never set.
    pub fn channel_sessions(
        &self,
        guild: u64,
        channel: u64,
        which: Which,
    ) -> impl Iterator<Item = K> {
        let channels = self.guilds.get(&guild).map(|guild| &guild.channels);
        let cohorts = channels.and_then(|channels| channels.get(&channel));
        self.found(cohorts.map_or(&[], |cohorts| cohorts))
            .filter(move |cohort| cohort.guild == guild)
            .flat_map(move |cohort| cohort.members(which))
            .copied()
    }

    /// The sessions of a guild.
    pub fn guild_sessions(&self, guild: u64, which: Which) -> impl Iterator<Item = K> {
        let cohorts = self.guilds.get(&guild).map(|guild| &guild.cohorts);
        self.cohort_sessions(cohorts.map_or(&[], |cohorts| cohorts), which)
    }

    /// The sessions of some cohorts, each to be named once.
    pub fn cohort_sessions(&self, cohorts: &[CohortId], which: Which) -> impl Iterator<Item = K> {
        self.found(cohorts)
            .flat_map(move |cohort| cohort.members(which))
            .copied()
    }

    fn found(&self, cohorts: &[CohortId]) -> impl Iterator<Item = &Cohort<K>> {
        cohorts.iter().filter_map(|cohort| self.cohorts.get(cohort))
    }

    /// How many guilds, cohorts and sessions it holds: zeros once all is gone.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.guilds.len(), self.cohorts.len(), self.sessions.len())
    }

    fn forget_membership(&mut self, session: K, guild: u64) -> Option<Membership> {
        let memberships = self.sessions.get_mut(&session)?;
        let at = memberships.iter().position(|each| each.guild == guild)?;
        let membership = memberships.swap_remove(at);
        if memberships.is_empty() {
            self.sessions.remove(&session);
        }
        Some(membership)
    }

    /// Swap-removes a member; the one that takes its place learns its new position.
    fn leave_cohort(&mut self, left: Membership) {
        let Some(cohort) = self.cohorts.get_mut(&left.cohort) else {
            return;
        };
        let members = &mut cohort.lists[left.list()];
        members.swap_remove(left.position());
        if let Some(&moved) = members.get(left.position())
            && let Some(memberships) = self.sessions.get_mut(&moved)
            && let Some(each) = memberships
                .iter_mut()
                .find(|each| each.cohort == left.cohort)
        {
            each.place = left.place;
        }
        if members.capacity() > 16 && members.len() * 4 < members.capacity() {
            members.shrink_to(members.len() * 2);
        }
        if cohort.is_empty() {
            self.cohorts.remove(&left.cohort);
            if let Some(guild) = self.guilds.get_mut(&left.guild) {
                guild.cohorts.retain(|&cohort| cohort != left.cohort);
            }
            self.drop_if_empty(left.guild);
        }
    }

    fn drop_if_empty(&mut self, guild: u64) {
        if self
            .guilds
            .get(&guild)
            .is_some_and(|guild| guild.cohorts.is_empty() && guild.channels.is_empty())
        {
            self.guilds.remove(&guild);
        }
    }
}
