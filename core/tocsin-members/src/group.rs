//! One group in order: chunks of entries, a Fenwick tree over the chunks' lengths, and each chunk's first entry.
//!
//! A change costs a binary search over the firsts, one inside the chunk, a move of half a chunk and a walk of the tree.

use std::cmp::Ordering;

use crate::names::{Entry, Names};

/// Entries of a chunk before it is split; 16 octets each.
const CHUNK_MAX: usize = 256;
/// A chunk below this joins its neighbour when both fit into three quarters of one.
const CHUNK_MIN: usize = CHUNK_MAX / 4;

#[derive(Debug, Default)]
pub(crate) struct Group {
    chunks: Vec<Vec<Entry>>,
    firsts: Vec<Entry>,
    tree: Vec<u32>,
    len: usize,
}

impl Group {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Builds the group from entries in order.
    pub(crate) fn from_sorted(entries: &[Entry]) -> Self {
        let chunks: Vec<Vec<Entry>> = entries
            .chunks(CHUNK_MAX * 3 / 4)
            .map(<[Entry]>::to_vec)
            .collect();
        let mut group = Self {
            firsts: chunks.iter().map(|each| each[0]).collect(),
            len: entries.len(),
            chunks,
            tree: Vec::new(),
        };
        group.recount();
        group
    }

    /// Puts an entry that is not there yet in and returns its index.
    pub(crate) fn insert(&mut self, entry: Entry, names: &Names) -> usize {
        if self.chunks.is_empty() {
            self.chunks.push(Vec::with_capacity(4));
            self.firsts.push(entry);
            self.tree.push(0);
        }
        let at = self.chunk_of(entry, names);
        let inside = position(&self.chunks[at], entry, names);
        self.chunks[at].insert(inside, entry);
        self.firsts[at] = self.chunks[at][0];
        self.len += 1;
        self.add(at, 1);
        let index = self.before(at) + inside;
        if self.chunks[at].len() > CHUNK_MAX {
            self.split(at);
        }
        index
    }

    /// Takes an entry that is there out and returns the index it had.
    pub(crate) fn remove(&mut self, entry: Entry, names: &Names) -> usize {
        let at = self.chunk_of(entry, names);
        let inside = position(&self.chunks[at], entry, names);
        let index = self.before(at) + inside;
        self.chunks[at].remove(inside);
        self.len -= 1;
        self.add(at, -1);
        if self.chunks[at].is_empty() {
            self.drop_chunk(at);
        } else {
            self.firsts[at] = self.chunks[at][0];
            if self.chunks[at].len() < CHUNK_MIN {
                self.merge(at);
            }
        }
        index
    }

    /// The index of an entry that is there.
    pub(crate) fn rank(&self, entry: Entry, names: &Names) -> usize {
        let at = self.chunk_of(entry, names);
        self.before(at) + position(&self.chunks[at], entry, names)
    }

    /// The slots from an index on.
    pub(crate) fn from(&self, index: usize) -> impl Iterator<Item = u32> + '_ {
        let (at, inside) = self.locate(index);
        let rest = self
            .chunks
            .get(at)
            .map_or(&[][..], |chunk| &chunk[inside..]);
        let later = self.chunks.iter().skip(at + 1).flatten();
        rest.iter().chain(later).map(|entry| entry.slot)
    }

    pub(crate) fn memory(&self) -> usize {
        let entries: usize = self.chunks.iter().map(Vec::capacity).sum();
        entries * size_of::<Entry>()
            + self.chunks.capacity() * size_of::<Vec<Entry>>()
            + self.firsts.capacity() * size_of::<Entry>()
            + self.tree.capacity() * 4
    }

    /// The chunk an entry is in or belongs into: the last whose first does not come after it.
    fn chunk_of(&self, entry: Entry, names: &Names) -> usize {
        self.firsts
            .partition_point(|first| names.compare(*first, entry) != Ordering::Greater)
            .saturating_sub(1)
    }

    fn split(&mut self, at: usize) {
        let half = self.chunks[at].len() / 2;
        let upper = self.chunks[at].split_off(half);
        self.firsts.insert(at + 1, upper[0]);
        self.chunks.insert(at + 1, upper);
        self.recount();
    }

    fn merge(&mut self, at: usize) {
        let neighbour = if at + 1 < self.chunks.len() {
            at + 1
        } else {
            at.saturating_sub(1)
        };
        let (low, high) = (at.min(neighbour), at.max(neighbour));
        if low == high || self.chunks[low].len() + self.chunks[high].len() > CHUNK_MAX * 3 / 4 {
            return;
        }
        let upper = self.chunks.remove(high);
        self.firsts.remove(high);
        self.chunks[low].extend(upper);
        self.recount();
    }

    fn drop_chunk(&mut self, at: usize) {
        self.chunks.remove(at);
        self.firsts.remove(at);
        self.recount();
    }

    // -- the tree; node i (from 1) sums the chunks (i - lowbit, i]

    fn recount(&mut self) {
        self.tree.clear();
        self.tree
            .extend(self.chunks.iter().map(|each| each.len() as u32));
        for node in 1..=self.tree.len() {
            let parent = node + (node & node.wrapping_neg());
            if parent <= self.tree.len() {
                self.tree[parent - 1] += self.tree[node - 1];
            }
        }
    }

    fn add(&mut self, at: usize, change: i32) {
        let mut node = at + 1;
        while node <= self.tree.len() {
            self.tree[node - 1] = self.tree[node - 1].wrapping_add_signed(change);
            node += node & node.wrapping_neg();
        }
    }

    /// How many entries are in the chunks before this one.
    fn before(&self, at: usize) -> usize {
        let (mut node, mut sum) = (at, 0);
        while node > 0 {
            sum += self.tree[node - 1] as usize;
            node &= node - 1;
        }
        sum
    }

    /// The chunk and the place in it of an index; beyond the end, a chunk that is not there.
    fn locate(&self, index: usize) -> (usize, usize) {
        let (mut node, mut left) = (0, index);
        let mut step = (self.tree.len() + 1).next_power_of_two();
        while step > 0 {
            let next = node + step;
            if next <= self.tree.len() && self.tree[next - 1] as usize <= left {
                node = next;
                left -= self.tree[next - 1] as usize;
            }
            step /= 2;
        }
        (node, left)
    }
}

fn position(chunk: &[Entry], entry: Entry, names: &Names) -> usize {
    chunk.partition_point(|each| names.compare(*each, entry) == Ordering::Less)
}
