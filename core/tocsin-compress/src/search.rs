//! `Search`: matches of a payload in itself alone, for what is sent to one connection or spliced into many.

use crate::zstd_block::{Blocks, CODING, MAX_OFFSET};

/// Places tried for one match, the most recent first.
const MAX_TRIES: usize = 12;
/// A match of this length is not improved upon.
const NICE_MATCH: usize = 64;
const MIN_HASH_BITS: u32 = 8;
const MAX_HASH_BITS: u32 = 15;
/// Most positions that memory is kept for.
const MAX_KEPT: usize = 1 << 17;
/// No position.
const NONE: u32 = u32::MAX;

/// Chains of equal starts. Its memory is kept for the next payload.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// The last position, by hash.
    last: Vec<u32>,
    /// The position before with the same hash, by position.
    previous: Vec<u32>,
    hash_bits: u32,
}

impl Search {
    /// Writes a text as blocks that refer to nothing before it.
    pub(crate) fn write(
        &mut self,
        text: &[u8],
        blocks: &mut Blocks,
        table: &mut bool,
        out: &mut Vec<u8>,
    ) {
        let size = text.len().max(1).ilog2() + 1;
        self.hash_bits = size.clamp(MIN_HASH_BITS, MAX_HASH_BITS);
        self.last.clear();
        self.last.resize(1 << self.hash_bits, NONE);
        self.previous.clear();
        self.previous.resize(text.len(), NONE);
        let (mut at, mut unmatched, mut chained) = (0, 0, 0);
        while at < text.len() {
            self.chain(text, &mut chained, at);
            let mut here = self.longest(text, at);
            if here.1 == 0 {
                at += 1;
                continue;
            }
            if here.1 < NICE_MATCH {
                self.chain(text, &mut chained, at + 1);
                let next = self.longest(text, at + 1);
                if next.1 > here.1 {
                    at += 1;
                    here = next;
                }
            }
            let (from, length) = here;
            blocks.literals(&text[unmatched..at], table, out);
            let offset = (at - from) as u32;
            blocks.copy(&text[at..at + length], offset, table, out);
            at += length;
            unmatched = at;
        }
        blocks.literals(&text[unmatched..], table, out);
        blocks.flush(table, out);
        self.previous.clear();
        self.previous.shrink_to(MAX_KEPT);
    }

    /// Chains all positions up to and with this one.
    fn chain(&mut self, text: &[u8], chained: &mut usize, to: usize) {
        while *chained <= to {
            if let Some(&four) = text[(*chained).min(text.len())..].first_chunk() {
                let hash = u32::from_le_bytes(four).wrapping_mul(0x9e37_79b1);
                let last = &mut self.last[(hash >> (32 - self.hash_bits)) as usize];
                self.previous[*chained] = *last;
                *last = *chained as u32;
            }
            *chained += 1;
        }
    }

    /// Where the longest match of a position starts, and its length; 0 if there is none.
    fn longest(&self, text: &[u8], at: usize) -> (usize, usize) {
        let mut best = (0, 0);
        let limit = CODING.max_match.min(text.len().saturating_sub(at));
        if limit < CODING.min_match {
            return best;
        }
        let here = &text[at..at + limit];
        let mut from = self.previous[at];
        for _ in 0..MAX_TRIES {
            let candidate = from as usize;
            if from == NONE || at - candidate > MAX_OFFSET as usize {
                break;
            }
            from = self.previous[candidate];
            let known = best.1.max(CODING.min_match - 1);
            if text[candidate + known] != here[known] {
                continue;
            }
            let length = common(&text[candidate..candidate + limit], here);
            if length > known {
                best = (candidate, length);
                if length >= NICE_MATCH || length == limit {
                    break;
                }
            }
        }
        best
    }
}

/// How many octets from the start on are equal, of two texts of one length.
pub(crate) fn common(a: &[u8], b: &[u8]) -> usize {
    let mut equal = 0;
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        let a = u64::from_le_bytes(a.first_chunk().copied().unwrap_or_default());
        let b = u64::from_le_bytes(b.first_chunk().copied().unwrap_or_default());
        if a != b {
            return equal + ((a ^ b).trailing_zeros() / 8) as usize;
        }
        equal += 8;
    }
    let rest = a[equal..].iter().zip(&b[equal..]);
    equal + rest.take_while(|(a, b)| a == b).count()
}
