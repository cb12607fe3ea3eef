//! `Positions`: how much a connection was sent, and where the last shared bodies lie in that (ADR 0003).
//!
//! Invariant: it counts the uncompressed octets of all that was emitted, in the order of the socket, and names only
//! bodies that were emitted on this very stream. A wrong distance would end the stream for good.

use crate::history::{MAX_BODY, MAX_REFERENCES, Parse, Token};

/// How many bodies a stream remembers: beyond the farthest reach of one scope, and 1,280 octets with the rest, which is a
/// size that the allocator has.
const RING: usize = 78;
/// No body has this id.
const NO_BODY: u64 = 0;
/// A reference this stream does not have.
const MISSING: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Seen {
    id: u64,
    position: u64,
}

/// What a connection remembers of its stream.
#[derive(Debug)]
pub(crate) struct Positions {
    position: u64,
    ring: [Seen; RING],
}

impl Default for Positions {
    fn default() -> Self {
        let nothing = Seen {
            id: NO_BODY,
            position: 0,
        };
        Self {
            position: 0,
            ring: [nothing; RING],
        }
    }
}

/// How far back each of a parse's references lies in one stream, and what the parse costs there.
pub(crate) struct Located {
    backs: [u32; MAX_REFERENCES],
    max_distance: u32,
    pub(crate) bits: u32,
    /// Every reference is within reach.
    pub(crate) complete: bool,
}

impl Located {
    /// How far back a token's match lies, `None` if it must be literals.
    #[inline]
    pub(crate) fn distance(&self, token: &Token) -> Option<u32> {
        let back = match token.reference {
            Token::ITSELF => 0,
            number => self.backs[usize::from(number)],
        };
        // Below zero there is none: a body's match lies before the body.
        let distance = i64::from(back) + i64::from(token.shift);
        let within = back != MISSING && (1..=i64::from(self.max_distance)).contains(&distance);
        within.then_some(distance as u32)
    }

    /// Where the references lie: what is emitted of a parse depends on nothing else of the stream.
    pub(crate) fn backs(&self, parse: &Parse) -> &[u32] {
        &self.backs[..parse.references.len()]
    }
}

/// Spreads ids of a scope, which are consecutive, over the ring, and scopes against each other.
const fn slot(id: u64) -> usize {
    (id.wrapping_add((id >> 16).wrapping_mul(23)) % RING as u64) as usize
}

impl Positions {
    /// Octets were sent that nothing refers to.
    pub(crate) fn advance(&mut self, octets: usize) {
        self.position = self.position.wrapping_add(octets as u64);
    }

    /// A head and a body were sent; `id` names the body for later ones, 0 if none will refer to it.
    pub(crate) fn sent(&mut self, head_bytes: usize, body_bytes: usize, id: u64) {
        self.advance(head_bytes);
        if id != NO_BODY {
            self.ring[slot(id)] = Seen {
                id,
                position: self.position,
            };
        }
        self.advance(body_bytes);
    }

    /// Looks up a parse's references for a body that would start after `head_bytes` more octets.
    pub(crate) fn locate(&self, parse: &Parse, head_bytes: usize, max_distance: u32) -> Located {
        let start = self.position.wrapping_add(head_bytes as u64);
        let mut located = Located {
            backs: [MISSING; MAX_REFERENCES],
            max_distance,
            bits: parse.own_bits,
            complete: true,
        };
        for (reference, place) in parse.references.iter().zip(&mut located.backs) {
            let seen = self.ring[slot(reference.id)];
            let back = start.wrapping_sub(seen.position);
            if seen.id == reference.id && back <= u64::from(max_distance) + MAX_BODY as u64 {
                *place = back as u32;
            }
            if *place <= max_distance {
                located.bits += reference.match_bits;
            } else {
                located.bits += reference.literal_bits;
                located.complete = false;
            }
        }
        located
    }
}
