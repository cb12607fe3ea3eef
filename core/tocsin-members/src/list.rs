//! `MemberList`: the rows of a member list, group headers among them (protocol.md §1.11).
//!
//! Groups are few (a guild has at most 250 roles) and in the order given; a group without members has no row.

use std::collections::HashMap;

use crate::group::Group;
use crate::names::{Member, Names};

/// One row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Row {
    /// A group's header and how many members it has.
    Group(u64, usize),
    /// A member.
    Member(u64),
}

/// One thing that happened to the rows. Steps are in order: an index is that of the moment of its step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The row there is gone.
    Delete(usize),
    /// A header, of this group, came there.
    InsertGroup(usize, u64),
    /// A member came there.
    Insert(usize, u64),
}

/// Members in groups, each ordered by name and id.
///
/// Names are compared as they are given: who wants them case-folded folds them before.
#[derive(Debug, Default)]
pub struct MemberList {
    groups: Vec<(u64, Group)>,
    names: Names,
    slots: HashMap<u64, u32>,
}

impl MemberList {
    /// A list without members and with these groups, in order; a group named twice counts once.
    #[must_use]
    pub fn new(groups: &[u64]) -> Self {
        let mut list = Self::default();
        list.set_groups(groups);
        list
    }

    /// Gives the groups another order. A group that is not named goes after the others, and away if it is empty.
    pub fn set_groups(&mut self, groups: &[u64]) {
        let mut former = std::mem::take(&mut self.groups);
        for id in groups {
            if self.groups.iter().any(|(each, _)| each == id) {
                continue;
            }
            let kept = former.iter().position(|(each, _)| each == id);
            let group = kept.map_or_else(Group::default, |at| former.remove(at).1);
            self.groups.push((*id, group));
        }
        self.groups
            .extend(former.into_iter().filter(|(_, group)| group.len() > 0));
    }

    /// Takes in many members at once, (id, group, name), in any order: much cheaper than one by one. Of an id that is
    /// named twice, or there already, the last counts. A group that is not known goes after the others.
    pub fn fill(&mut self, members: impl IntoIterator<Item = (u64, u64, Box<str>)>) {
        for (id, group, name) in members {
            if let Some(slot) = self.slots.remove(&id) {
                self.names.remove(slot);
            }
            self.group_at(group);
            let slot = self.names.insert(Member { id, group, name });
            self.slots.insert(id, slot);
        }
        let mut entries: HashMap<u64, Vec<_>> = HashMap::new();
        for slot in self.slots.values() {
            let group = self.names.get(*slot).group;
            entries
                .entry(group)
                .or_default()
                .push(self.names.entry(*slot));
        }
        for (id, group) in &mut self.groups {
            let mut own = entries.remove(id).unwrap_or_default();
            own.sort_unstable_by(|a, b| self.names.compare(*a, *b));
            *group = Group::from_sorted(&own);
        }
    }

    /// Puts a member into a group under a name, out of where they were before. No steps: they are there already.
    pub fn put(&mut self, id: u64, group: u64, name: &str) -> Vec<Step> {
        if let Some(slot) = self.slots.get(&id) {
            let there = self.names.get(*slot);
            if there.group == group && *there.name == *name {
                return Vec::new();
            }
        }
        let mut steps = self.remove(id);
        let at = self.group_at(group);
        let header = self.rows_before(at);
        if self.groups[at].1.len() == 0 {
            steps.push(Step::InsertGroup(header, group));
        }
        let name = name.into();
        let slot = self.names.insert(Member { id, group, name });
        self.slots.insert(id, slot);
        let index = self.groups[at]
            .1
            .insert(self.names.entry(slot), &self.names);
        steps.push(Step::Insert(header + 1 + index, id));
        steps
    }

    /// Takes a member out. No steps: they were not there.
    pub fn remove(&mut self, id: u64) -> Vec<Step> {
        let Some(slot) = self.slots.remove(&id) else {
            return Vec::new();
        };
        let at = self.group_at(self.names.get(slot).group);
        let header = self.rows_before(at);
        let group = &mut self.groups[at].1;
        let index = group.remove(self.names.entry(slot), &self.names);
        let mut steps = vec![Step::Delete(header + 1 + index)];
        if group.len() == 0 {
            steps.push(Step::Delete(header));
        }
        self.names.remove(slot);
        steps
    }

    /// The row of a member.
    #[must_use]
    pub fn row_of(&self, id: u64) -> Option<usize> {
        let slot = *self.slots.get(&id)?;
        let group = self.names.get(slot).group;
        let at = self.groups.iter().position(|(each, _)| *each == group)?;
        let rank = self.groups[at].1.rank(self.names.entry(slot), &self.names);
        Some(self.rows_before(at) + 1 + rank)
    }

    /// The group of a member.
    #[must_use]
    pub fn group_of(&self, id: u64) -> Option<u64> {
        self.slots.get(&id).map(|slot| self.names.get(*slot).group)
    }

    /// Up to `count` rows from one on; fewer at the end.
    #[must_use]
    pub fn rows(&self, start: usize, count: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut skip = start;
        for (id, group) in &self.groups {
            let len = group.len();
            if len == 0 || rows.len() == count {
                continue;
            }
            if skip > len {
                skip -= len + 1;
                continue;
            }
            if skip == 0 {
                rows.push(Row::Group(*id, len));
            }
            let wanted = count - rows.len();
            let members = group.from(skip.saturating_sub(1)).take(wanted);
            rows.extend(members.map(|slot| Row::Member(self.names.get(slot).id)));
            skip = 0;
        }
        rows
    }

    /// The groups that have members, in order, and how many.
    pub fn groups(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        self.groups
            .iter()
            .map(|(id, group)| (*id, group.len()))
            .filter(|(_, len)| *len > 0)
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many rows there are, headers among them.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.rows_before(self.groups.len())
    }

    /// How much memory it takes, in octets, without what an allocator rounds up.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(_, group)| group.memory()).sum();
        // A place of the map takes an id, a slot and padding, and one octet of control.
        groups + self.names.memory() + self.slots.capacity() * 17
    }

    fn group_at(&mut self, id: u64) -> usize {
        if let Some(at) = self.groups.iter().position(|(each, _)| *each == id) {
            return at;
        }
        self.groups.push((id, Group::default()));
        self.groups.len() - 1
    }

    fn rows_before(&self, at: usize) -> usize {
        let lens = self.groups[..at].iter().map(|(_, group)| group.len());
        lens.map(|len| if len == 0 { 0 } else { len + 1 }).sum()
    }
}
