//! `History`: bodies recently shared in one scope, and the search for matches of a new body in them and in itself.

use std::collections::VecDeque;

use crate::search::common;

/// Longest body that is kept to be referred to; longer ones push everything else out of reach.
pub(crate) const MAX_BODY: usize = 26 * 1024;
/// Text kept before the oldest is let go of, so that this happens once in many bodies. Positions fit 16 bits.
const MAX_TEXT: usize = 2 * MAX_BODY;
/// What positions are chained by; no coding matches less.
const MIN_MATCH: usize = 4;
/// A match of this length is not improved upon.
const NICE_MATCH: usize = 96;
/// Places tried for one match, the most recent first.
const MAX_TRIES: usize = 48;
const HASH_BITS: u32 = 12;
/// No position.
const NONE: u16 = u16::MAX;

/// How far back a parse may look: last bodies and their octets. More guilds in a connection put more between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    bodies: usize,
    octets: usize,
}

/// The reaches tried for each connection, farthest first.
pub(crate) const TIERS: [Reach; 3] = [
    Reach {
        bodies: MAX_REFERENCES,
        octets: MAX_BODY,
    },
    Reach {
        bodies: 8,
        octets: 8 * 1024,
    },
    Reach {
        bodies: 3,
        octets: 3 * 1024,
    },
];
/// Most bodies one parse refers to.
pub(crate) const MAX_REFERENCES: usize = 31;

/// How a transport writes literals and matches, as far as the search has to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coding {
    /// At least 4: shorter ones are not found.
    pub(crate) min_match: usize,
    pub(crate) max_match: usize,
    /// Bits these octets take as literals.
    pub(crate) literal_bits: fn(&[u8]) -> u32,
    /// About how many bits a match of this length takes.
    pub(crate) match_bits: fn(usize) -> u32,
}

/// Literals, then a match.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    /// Literals before the match.
    pub(crate) literals: u32,
    pub(crate) length: u16,
    /// Which of the parse's references it looks into; `Token::ITSELF` for the body.
    pub(crate) reference: u16,
    /// Position in this body less position in the reference; for the body itself that is the distance.
    pub(crate) shift: i32,
}

impl Token {
    pub(crate) const ITSELF: u16 = u16::MAX;
}

/// A body that matches were found in, and what they are worth.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference {
    pub(crate) id: u64,
    /// Bits of its matches.
    pub(crate) match_bits: u32,
    /// Bits of the same octets as literals.
    pub(crate) literal_bits: u32,
}

/// A body as literals and matches.
#[derive(Debug, Default)]
pub(crate) struct Parse {
    pub(crate) tokens: Vec<Token>,
    pub(crate) references: Vec<Reference>,
    /// Bits of what is the same for every connection: literals and matches in the body itself.
    pub(crate) own_bits: u32,
}

impl Parse {
    fn clear(&mut self) {
        self.tokens.clear();
        self.references.clear();
        self.own_bits = 0;
    }
}

#[derive(Debug, Clone, Copy)]
struct Body {
    id: u64,
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Found {
    from: usize,
    length: usize,
}

/// Bodies one after the other with chains of equal starts. What lies behind the last body is being compressed.
#[derive(Debug)]
pub(crate) struct History {
    text: Vec<u8>,
    /// The position before with the same hash, by position.
    previous: Vec<u16>,
    /// The last position, by hash.
    last: Box<[u16]>,
    bodies: VecDeque<Body>,
    /// Which of a parse's references a body is, by its place in `bodies`.
    numbers: Vec<u16>,
    /// What the parse in hand is for.
    coding: &'static Coding,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            text: Vec::new(),
            previous: Vec::new(),
            last: vec![NONE; 1 << HASH_BITS].into_boxed_slice(),
            bodies: VecDeque::new(),
            numbers: Vec::new(),
            coding: &crate::fixed::CODING,
        }
    }

    /// Octets it occupies.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.text.capacity()
            + 2 * self.previous.capacity()
            + 2 * self.last.len()
            + self.bodies.capacity() * size_of::<Body>()
    }

    fn end(&self) -> usize {
        self.bodies.back().map_or(0, |body| body.end)
    }

    /// Takes a body of at most `MAX_BODY` octets to be compressed; the one before is forgotten unless it was kept.
    pub(crate) fn take(&mut self, body: &[u8]) {
        self.forget_pending();
        if self.text.len() + body.len() > MAX_TEXT {
            self.compact();
        }
        let start = self.text.len();
        self.text.extend_from_slice(body);
        self.chain(start);
    }

    /// Keeps the body that was taken, to be referred to by this id.
    pub(crate) fn keep(&mut self, id: u64) {
        let (start, end) = (self.end(), self.text.len());
        self.bodies.push_back(Body { id, start, end });
    }

    fn hash(&self, at: usize) -> usize {
        let four = self.text[at..].first_chunk().copied().unwrap_or_default();
        (u32::from_le_bytes(four).wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
    }

    /// Chains all positions from `start` on.
    fn chain(&mut self, start: usize) {
        self.previous.resize(self.text.len(), NONE);
        for at in start..(self.text.len() + 1).saturating_sub(MIN_MATCH) {
            let hash = self.hash(at);
            self.previous[at] = self.last[hash];
            self.last[hash] = at as u16;
        }
    }

    fn forget_pending(&mut self) {
        let start = self.end();
        for at in (start..(self.text.len() + 1).saturating_sub(MIN_MATCH).max(start)).rev() {
            let hash = self.hash(at);
            self.last[hash] = self.previous[at];
        }
        self.text.truncate(start);
        self.previous.truncate(start);
    }

    /// Lets go of all that is beyond the farthest reach.
    fn compact(&mut self) {
        let first = self.first_within(TIERS[0], self.bodies.len());
        self.bodies.drain(..first);
        let cut = self.bodies.front().map_or(self.text.len(), |b| b.start);
        self.text.drain(..cut);
        self.previous.clear();
        self.last.fill(NONE);
        let text = std::mem::take(&mut self.text);
        for at in 0..self.bodies.len() {
            self.bodies[at].start -= cut;
            self.bodies[at].end -= cut;
            let Body { start, end, .. } = self.bodies[at];
            self.text.extend_from_slice(&text[start..end]);
            self.chain(start);
        }
    }

    /// The place of the oldest of the first `before` bodies that is within reach of their end.
    fn first_within(&self, reach: Reach, before: usize) -> usize {
        let Some(newest) = before.checked_sub(1) else {
            return 0;
        };
        let end = self.bodies[newest].end;
        let mut first = before;
        while first > 0
            && before - first < reach.bodies
            && end - self.bodies[first - 1].start <= reach.octets
        {
            first -= 1;
        }
        first
    }

    /// Parses the body taken last, whether kept or not yet.
    pub(crate) fn parse(
        &mut self,
        tier: usize,
        length: usize,
        coding: &'static Coding,
        parse: &mut Parse,
    ) {
        parse.clear();
        let start = self.text.len() - length;
        let before = self.bodies.partition_point(|body| body.end <= start);
        let first = self.first_within(TIERS[tier], before);
        let oldest = if first < before {
            self.bodies[first].start
        } else {
            start
        };
        self.coding = coding;
        self.numbers.clear();
        self.numbers.resize(before, Token::ITSELF);
        let end = self.text.len();
        let (mut at, mut unmatched) = (start, start);
        let mut here = self.longest(at, oldest, start);
        while at < end {
            if here.length < coding.min_match {
                at += 1;
                here = self.longest(at, oldest, start);
                continue;
            }
            if here.length < NICE_MATCH {
                let next = self.longest(at + 1, oldest, start);
                if next.length > here.length {
                    at += 1;
                    here = next;
                    continue;
                }
            }
            self.push(parse, unmatched, at, start, here);
            at += here.length;
            unmatched = at;
            here = self.longest(at, oldest, start);
        }
        parse.own_bits += (coding.literal_bits)(&self.text[unmatched..end]);
    }

    fn push(&mut self, parse: &mut Parse, unmatched: usize, at: usize, start: usize, found: Found) {
        let coding = self.coding;
        parse.own_bits += (coding.literal_bits)(&self.text[unmatched..at]);
        let bits = (coding.match_bits)(found.length);
        let mut token = Token {
            literals: (at - unmatched) as u32,
            length: found.length as u16,
            reference: Token::ITSELF,
            shift: (at - found.from) as i32,
        };
        if found.from >= start {
            parse.own_bits += bits;
        } else {
            let place = self.place(found.from);
            if self.numbers[place] == Token::ITSELF {
                self.numbers[place] = parse.references.len() as u16;
                parse.references.push(Reference {
                    id: self.bodies[place].id,
                    match_bits: 0,
                    literal_bits: 0,
                });
            }
            token.reference = self.numbers[place];
            token.shift = (at - start) as i32 - (found.from - self.bodies[place].start) as i32;
            let reference = &mut parse.references[token.reference as usize];
            reference.match_bits += bits;
            reference.literal_bits += (coding.literal_bits)(&self.text[at..at + found.length]);
        }
        parse.tokens.push(token);
    }

    /// Which body a position before the taken one lies in.
    fn place(&self, at: usize) -> usize {
        self.bodies.partition_point(|body| body.end <= at)
    }

    /// The longest match at a position, not before `oldest` and not across the end of a body: what follows a body
    /// differs from connection to connection.
    fn longest(&self, at: usize, oldest: usize, start: usize) -> Found {
        let mut best = Found::default();
        let least = self.coding.min_match;
        let limit = (self.coding.max_match).min(self.text.len().saturating_sub(at));
        if limit < least {
            return best;
        }
        best.length = least - 1;
        let mut from = self.previous[at];
        for _ in 0..MAX_TRIES {
            if from == NONE || usize::from(from) < oldest {
                break;
            }
            let candidate = usize::from(from);
            from = self.previous[candidate];
            if self.text[candidate + best.length] != self.text[at + best.length] {
                continue;
            }
            let limit = if candidate < start {
                limit.min(self.bodies[self.place(candidate)].end - candidate)
            } else {
                limit
            };
            let length = common(
                &self.text[candidate..candidate + limit],
                &self.text[at..at + limit],
            );
            if length > best.length {
                best = Found {
                    from: candidate,
                    length,
                };
                if length == limit && length >= NICE_MATCH || at + length == self.text.len() {
                    break;
                }
            }
        }
        best
    }
}
