//! The index against a naive model: after any operations, exactly the right sessions may see each channel.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tocsin_fanout::{SubscriptionIndex, Which};

#[derive(Debug, Clone)]
enum Op {
    Assign(u32, u64, u32),
    Unassign(u32, u64),
    SetPassive(u32, u64, bool),
    RemoveSession(u32),
    SetChannel(u64, u64, Vec<u32>),
    RemoveChannel(u64, u64),
    RemoveGuild(u64),
}

const WHICH: [Which; 3] = [Which::Active, Which::All, Which::Bots];

/// Every third session is a bot's.
fn is_bot(slot: u32) -> bool {
    slot % 3 == 0
}

fn counts(which: Which, slot: u32, passive: bool) -> bool {
    match which {
        Which::Active => !passive,
        Which::All => true,
        Which::Bots => is_bot(slot),
    }
}

/// Cohort ids are unique over guilds.
fn cohort(guild: u64, local: u32) -> u32 {
    guild as u32 * 10 + local
}

fn guild_of(cohort: u32) -> u64 {
    u64::from(cohort / 10)
}

fn op() -> impl Strategy<Value = Op> {
    let (slot, guild, local) = (0..12u32, 0..3u64, 0..4u32);
    prop_oneof![
        6 => (slot.clone(), guild.clone(), local.clone()).prop_map(|(s, g, c)| Op::Assign(s, g, cohort(g, c))),
        2 => (slot.clone(), guild.clone()).prop_map(|(s, g)| Op::Unassign(s, g)),
        3 => (slot.clone(), guild.clone(), any::<bool>()).prop_map(|(s, g, p)| Op::SetPassive(s, g, p)),
        1 => slot.prop_map(Op::RemoveSession),
        // Cohorts named twice, and now and then one of another guild.
        3 => (guild.clone(), 0..3u64, proptest::collection::vec((local, 0..12u64), 0..5)).prop_map(|(g, c, named)| {
            let owner = |other: u64| if other < 3 { other } else { g };
            Op::SetChannel(g, c, named.into_iter().map(|(l, other)| cohort(owner(other), l)).collect())
        }),
        1 => (guild.clone(), 0..3u64).prop_map(|(g, c)| Op::RemoveChannel(g, c)),
        1 => guild.prop_map(Op::RemoveGuild),
    ]
}

#[derive(Default)]
struct Model {
    /// The cohort, and whether the session is passive.
    memberships: BTreeMap<(u32, u64), (u32, bool)>,
    channels: BTreeMap<(u64, u64), Vec<u32>>,
}

impl Model {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Assign(slot, guild, cohort) => {
                let found = self
                    .memberships
                    .entry((*slot, *guild))
                    .or_insert((*cohort, false));
                found.0 = *cohort;
            }
            Op::Unassign(slot, guild) => {
                self.memberships.remove(&(*slot, *guild));
            }
            Op::SetPassive(slot, guild, passive) => {
                if let Some(found) = self.memberships.get_mut(&(*slot, *guild)) {
                    found.1 = *passive && !is_bot(*slot);
                }
            }
            Op::RemoveSession(slot) => self.memberships.retain(|(s, _), _| s != slot),
            Op::SetChannel(guild, channel, cohorts) => {
                self.channels.insert((*guild, *channel), cohorts.clone());
            }
            Op::RemoveChannel(guild, channel) => {
                self.channels.remove(&(*guild, *channel));
            }
            Op::RemoveGuild(guild) => {
                self.memberships.retain(|(_, g), _| g != guild);
                self.channels.retain(|(g, _), _| g != guild);
            }
        }
    }

    fn viewers(&self, guild: u64, channel: u64, which: Which) -> BTreeSet<u32> {
        let cohorts = self
            .channels
            .get(&(guild, channel))
            .cloned()
            .unwrap_or_default();
        let may = |((slot, g), (cohort, passive)): (&(u32, u64), &(u32, bool))| {
            (*g == guild
                && counts(which, *slot, *passive)
                && guild_of(*cohort) == guild
                && cohorts.contains(cohort))
            .then_some(*slot)
        };
        self.memberships.iter().filter_map(may).collect()
    }
}

fn apply(index: &mut SubscriptionIndex<u32>, op: Op) {
    match op {
        Op::Assign(slot, guild, cohort) => index.assign(slot, guild, cohort, is_bot(slot)),
        Op::Unassign(slot, guild) => index.unassign(slot, guild),
        Op::SetPassive(slot, guild, passive) => index.set_passive(slot, guild, passive),
        Op::RemoveSession(slot) => index.remove_session(slot),
        Op::SetChannel(guild, channel, cohorts) => index.set_channel(guild, channel, &cohorts),
        Op::RemoveChannel(guild, channel) => index.remove_channel(guild, channel),
        Op::RemoveGuild(guild) => index.remove_guild(guild),
    }
}

fn sorted(sessions: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut all: Vec<u32> = sessions.collect();
    all.sort_unstable();
    all
}

proptest! {
    #[test]
    fn exactly_the_right_sessions_see_each_channel(ops in proptest::collection::vec(op(), 1..200)) {
        let mut index = SubscriptionIndex::default();
        let mut model = Model::default();
        for op in ops {
            model.apply(&op);
            apply(&mut index, op);
            for guild in 0..3 {
                for channel in 0..3 {
                    for which in WHICH {
                        let expected: Vec<u32> = model.viewers(guild, channel, which).into_iter().collect();
                        prop_assert_eq!(sorted(index.channel_sessions(guild, channel, which)), expected);
                    }
                    let all = model.viewers(guild, channel, Which::All);
                    for slot in 0..12 {
                        prop_assert_eq!(index.may_view(slot, guild, channel), all.contains(&slot));
                    }
                    // Roles are kept as channels are: here those of the other two ids, and one that there is not.
                    let roles = [(channel + 1) % 3, (channel + 2) % 3, 77];
                    let hold = |slot: &u32| roles.iter().any(|&role| model.viewers(guild, role, Which::All).contains(slot));
                    let active = model.viewers(guild, channel, Which::Active);
                    let expected: Vec<u32> = all.iter().filter(|slot| !active.contains(slot) && hold(slot)).copied().collect();
                    prop_assert_eq!(sorted(index.passive_holders(guild, channel, &roles)), expected);
                    for slot in 0..12 {
                        prop_assert_eq!(index.holds(slot, guild, &roles), hold(&slot));
                    }
                }
                for which in WHICH {
                    let here = |&(&(s, g), &(_, passive)): &(&(u32, u64), &(u32, bool))| {
                        g == guild && counts(which, s, passive)
                    };
                    let expected: Vec<u32> = model.memberships.iter().filter(here).map(|((s, _), _)| *s).collect();
                    prop_assert_eq!(sorted(index.guild_sessions(guild, which)), expected);
                }
                for slot in 0..12 {
                    let passive = model.memberships.get(&(slot, guild)).is_some_and(|found| found.1);
                    prop_assert_eq!(index.is_passive(slot, guild), passive);
                }
            }
        }
        for slot in 0..12 {
            index.remove_session(slot);
        }
        for guild in 0..3 {
            index.remove_guild(guild);
        }
        prop_assert_eq!(index.sizes(), (0, 0, 0));
    }
}

#[test]
fn a_cohort_of_another_guild_lets_nobody_in() {
    let mut index = SubscriptionIndex::default();
    index.set_channel(1, 10, &[7]);
    index.assign(100, 1, 7, false);
    index.assign(200, 2, 8, false);
    index.assign(200, 2, 7, false);
    assert_eq!(sorted(index.channel_sessions(1, 10, Which::All)), [100]);
    assert_eq!(sorted(index.guild_sessions(2, Which::All)), []);
    index.set_channel(2, 20, &[7]);
    assert_eq!(sorted(index.channel_sessions(2, 20, Which::All)), []);
    index.remove_session(100);
    index.remove_session(200);
    index.remove_channel(1, 10);
    index.remove_channel(2, 20);
    assert_eq!(index.sizes(), (0, 0, 0));
}
