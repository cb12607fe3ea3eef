//! `RelocatableStream`: a connection's zlib-stream without a compressor of its own (ADR 0003).

use crate::bits::BitWriter;
use crate::fixed::{self, FLUSH_MARKER, MAX_DISTANCE};
use crate::history::Parse;
use crate::positions::{Located, Positions};

/// RFC 1950: deflate, 32 KiB window, default level.
const ZLIB_HEADER: [u8; 2] = [0x78, 0x9c];

/// What a connection remembers.
#[derive(Debug, Default)]
pub(crate) struct RelocatableStream {
    positions: Positions,
    begun: bool,
}

/// Makes the rest of a block from its body on: right wherever the references lie as they do here, after `phase` bits of
/// the first octet.
pub(crate) fn make_template(
    template: &mut Vec<u8>,
    phase: u32,
    body: &[u8],
    (parse, located): (&Parse, &Located),
) {
    template.clear();
    let mut bits = BitWriter::continued(template, (0, phase));
    let (mut unmatched, mut at) = (0, 0);
    for token in &parse.tokens {
        let start = at + token.literals as usize;
        at = start + usize::from(token.length);
        if let Some(distance) = located.distance(token) {
            fixed::literals(&body[unmatched..start], &mut bits);
            fixed::copy(usize::from(token.length), distance, &mut bits);
            unmatched = at;
        }
    }
    fixed::literals(&body[unmatched..], &mut bits);
    fixed::finish(bits);
}

impl RelocatableStream {
    /// The header, before the first payload.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.begun {
            self.begun = true;
            out.extend_from_slice(&ZLIB_HEADER);
        }
    }

    /// Looks up a parse's references for a body that would start after `head_bytes` more octets.
    pub(crate) fn locate(&self, parse: &Parse, head_bytes: usize) -> Located {
        self.positions.locate(parse, head_bytes, MAX_DISTANCE)
    }

    /// Emits head and body as one block, by a template made for this head's phase and these places of references. `id`
    /// names the body for later ones, 0 if none will refer to it.
    pub(crate) fn emit(
        &mut self,
        head: &[u8],
        body_bytes: usize,
        id: u64,
        template: &[u8],
        out: &mut Vec<u8>,
    ) {
        self.begin(out);
        let mut bits = fixed::begin(out);
        fixed::literals(head, &mut bits);
        let (last, _) = bits.pause();
        let at = out.len();
        out.extend_from_slice(template);
        out[at] |= last;
        self.positions.sent(head.len(), body_bytes, id);
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
        self.positions.sent(head.len(), body_bytes, id);
    }

    /// Emits a payload that only this connection gets, as literals. For tiny ones.
    pub(crate) fn emit_literals(&mut self, parts: &[&[u8]], out: &mut Vec<u8>) {
        self.begin(out);
        let mut bits = fixed::begin(out);
        let mut total = 0;
        for part in parts {
            fixed::literals(part, &mut bits);
            total += part.len();
        }
        fixed::finish(bits);
        self.positions.advance(total);
    }

    /// The header if it is due, before a payload deflated with an empty window; counts its octets.
    pub(crate) fn before_private(&mut self, octets: usize, out: &mut Vec<u8>) {
        self.begin(out);
        self.positions.advance(octets);
    }
}
