//! `RelocatableStream`: a connection's zlib-stream without a compressor of its own (ADR 0003).
//!
//! Invariant: `position` counts the uncompressed octets of all that was emitted, in the order of the socket, and the
//! ring names only bodies that were emitted on this very stream. A wrong distance would end the stream for good.

use crate::fixed::{BlockWriter, FLUSH_MARKER, MAX_DISTANCE};
use crate::history::{MAX_BODY, MAX_REFERENCES, Parse, Token};

/// RFC 1950: deflate, 32 KiB window, default level.
const ZLIB_HEADER: [u8; 2] = [0x78, 0x9c];
/// How many bodies a stream remembers; a power of two, beyond the farthest reach.
const RING: usize = 64;
/// No body has this id.
const NO_BODY: u64 = 0;
/// A reference this stream does not have.
const MISSING: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Seen {
    id: u64,
    position: u64,
}

/// What a connection remembers: how much it was sent, and where the last shared bodies lie in that.
#[derive(Debug)]
pub(crate) struct RelocatableStream {
    position: u64,
    begun: bool,
    ring: [Seen; RING],
}

impl Default for RelocatableStream {
    fn default() -> Self {
        let nothing = Seen {
            id: NO_BODY,
            position: 0,
        };
        Self {
            position: 0,
            begun: false,
            ring: [nothing; RING],
        }
    }
}

/// How far back each of a parse's references lies in one stream, and what the parse costs there.
pub(crate) struct Located {
    distances: [u32; MAX_REFERENCES],
    pub(crate) bits: u32,
    /// Every reference is within reach.
    pub(crate) complete: bool,
}

/// Spreads ids of a scope, which are consecutive, over the ring, and scopes against each other.
const fn slot(id: u64) -> usize {
    (id.wrapping_add((id >> 16).wrapping_mul(23)) % RING as u64) as usize
}

impl RelocatableStream {
    /// The header, before the first payload.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.begun {
            self.begun = true;
            out.extend_from_slice(&ZLIB_HEADER);
        }
    }

    fn advance(&mut self, octets: usize) {
        self.position = self.position.wrapping_add(octets as u64);
    }

    /// Looks up a parse's references for a body that would start after `head_bytes` more octets.
    pub(crate) fn locate(&self, parse: &Parse, head_bytes: usize) -> Located {
        let start = self.position.wrapping_add(head_bytes as u64);
        let mut located = Located {
            distances: [MISSING; MAX_REFERENCES],
            bits: parse.own_bits,
            complete: true,
        };
        for (reference, distance) in parse.references.iter().zip(&mut located.distances) {
            let seen = self.ring[slot(reference.id)];
            let back = start.wrapping_sub(seen.position);
            if seen.id == reference.id && back <= u64::from(MAX_DISTANCE) + MAX_BODY as u64 {
                *distance = back as u32;
            }
            if *distance <= MAX_DISTANCE {
                located.bits += reference.match_bits;
            } else {
                located.bits += reference.literal_bits;
                located.complete = false;
            }
        }
        located
    }

    /// Emits head and body as one block, with the distances of this stream. `id` names the body for later ones, 0 if
    /// none will refer to it.
    pub(crate) fn emit(
        &mut self,
        head: &[u8],
        body: &[u8],
        id: u64,
        parse: &Parse,
        located: &Located,
        out: &mut Vec<u8>,
    ) {
        self.begin(out);
        let mut block = BlockWriter::new(out);
        block.literals(head);
        let mut at = 0;
        for token in &parse.tokens {
            let start = at + token.literals as usize;
            let end = start + usize::from(token.length);
            let back = match token.reference {
                Token::ITSELF => 0,
                number => located.distances[usize::from(number)],
            };
            // Below zero there is none: a body's match lies before the body.
            let distance = i64::from(back) + i64::from(token.shift);
            if back != MISSING && (1..=i64::from(MAX_DISTANCE)).contains(&distance) {
                block.literals(&body[at..start]);
                block.copy(usize::from(token.length), distance as u32);
            } else {
                block.literals(&body[at..end]);
            }
            at = end;
        }
        block.literals(&body[at..]);
        block.finish();
        self.emitted(head.len(), body.len(), id);
    }

    /// Octets that [`emit_independent`](Self::emit_independent) adds to the deflated body.
    pub(crate) const fn independent_overhead(head_bytes: usize) -> usize {
        head_bytes + 5
    }

    /// Emits the head stored and then a body deflated with an empty window: it looks at nothing before itself, so the
    /// same octets are right in every stream (protocol.md §5.1).
    pub(crate) fn emit_independent(
        &mut self,
        head: &[u8],
        body_bytes: usize,
        deflated: &[u8],
        id: u64,
        out: &mut Vec<u8>,
    ) {
        self.begin(out);
        let length = head.len() as u16;
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(head);
        out.extend_from_slice(deflated);
        debug_assert!(deflated.ends_with(&FLUSH_MARKER));
        self.emitted(head.len(), body_bytes, id);
    }

    /// Emits a payload that only this connection gets, as literals. For tiny ones.
    pub(crate) fn emit_literals(&mut self, parts: &[&[u8]], out: &mut Vec<u8>) {
        self.begin(out);
        let mut block = BlockWriter::new(out);
        let mut total = 0;
        for part in parts {
            block.literals(part);
            total += part.len();
        }
        block.finish();
        self.advance(total);
    }

    /// The header if it is due, before a payload deflated with an empty window; counts its octets.
    pub(crate) fn before_private(&mut self, octets: usize, out: &mut Vec<u8>) {
        self.begin(out);
        self.advance(octets);
    }

    fn emitted(&mut self, head_bytes: usize, body_bytes: usize, id: u64) {
        self.advance(head_bytes);
        if id != NO_BODY {
            self.ring[slot(id)] = Seen {
                id,
                position: self.position,
            };
        }
        self.advance(body_bytes);
    }
}
