//! The names of all members of a list, by slot: what entries refer to when their first octets are equal.

use std::cmp::Ordering;

/// What a member is sorted by. The first twelve octets are in the entries themselves, so that most comparisons touch
/// nothing else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    head: u64,
    next: u32,
    pub(crate) slot: u32,
}

/// Who sits in a slot, and in which group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) group: u64,
    pub(crate) name: Box<str>,
}

/// Members by slot; slots are used again.
#[derive(Debug, Default)]
pub(crate) struct Names {
    slots: Vec<Option<Member>>,
    free: Vec<u32>,
}

impl Names {
    /// Takes a member in. A list holds fewer than 2^32 members.
    pub(crate) fn insert(&mut self, member: Member) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(member);
            return slot;
        }
        self.slots.push(Some(member));
        u32::try_from(self.slots.len() - 1).expect("a list holds fewer than 2^32 members")
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        self.slots[slot as usize] = None;
        self.free.push(slot);
    }

    pub(crate) fn get(&self, slot: u32) -> &Member {
        self.slots[slot as usize]
            .as_ref()
            .expect("an entry's slot is taken")
    }

    pub(crate) fn entry(&self, slot: u32) -> Entry {
        let mut octets = [0u8; 12];
        let name = self.get(slot).name.as_bytes();
        let taken = name.len().min(12);
        octets[..taken].copy_from_slice(&name[..taken]);
        let (head, next) = octets.split_at(8);
        let mut first = [0u8; 8];
        first.copy_from_slice(head);
        let mut second = [0u8; 4];
        second.copy_from_slice(next);
        Entry {
            head: u64::from_be_bytes(first),
            next: u32::from_be_bytes(second),
            slot,
        }
    }

    /// Orders by name as octets, which is the order of code points, then by id.
    pub(crate) fn compare(&self, a: Entry, b: Entry) -> Ordering {
        (a.head, a.next).cmp(&(b.head, b.next)).then_with(|| {
            let (a, b) = (self.get(a.slot), self.get(b.slot));
            a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id))
        })
    }

    /// How much memory the slots and names take, in octets; allocators round the names up.
    pub(crate) fn memory(&self) -> usize {
        let names: usize = self
            .slots
            .iter()
            .flatten()
            .map(|each| each.name.len())
            .sum();
        self.slots.capacity() * size_of::<Option<Member>>() + self.free.capacity() * 4 + names
    }
}
