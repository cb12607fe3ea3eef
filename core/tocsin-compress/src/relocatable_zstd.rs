//! `RelocatableZstd`: a connection's zstd-stream without a context of its own (ADR 0003).

use crate::bits::BitWriter;
use crate::history::Parse;
use crate::huffman;
use crate::positions::{Located, Positions};
use crate::search::Search;
use crate::zstd_block::{
    Blocks, FRAME_HEADER, MAX_LITERALS, MAX_OFFSET, Sequence, block_header, coded_literals_header,
    raw_literals_header, write_codes, write_raw, write_sequences,
};

/// Most octets that memory is kept for.
const MAX_KEPT_BYTES: usize = 1 << 17;

/// What a connection remembers.
#[derive(Debug, Default)]
pub(crate) struct RelocatableZstd {
    positions: Positions,
    begun: bool,
    /// The client was told of the Huffman table.
    table: bool,
}

/// What a worker's streams share to write blocks with; nothing of it outlasts a payload.
#[derive(Debug, Default)]
pub(crate) struct BlockTools {
    blocks: Blocks,
    search: Search,
    text: Vec<u8>,
    sequences: Vec<Sequence>,
}

impl BlockTools {
    /// Appends octets as blocks that are right in every stream that was told of the table.
    pub(crate) fn pack(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.search.write(octets, &mut self.blocks, &mut true, out);
    }
}

/// A body's blocks, but for the head: right wherever its references lie as they do here, if the client has the table.
#[derive(Debug, Default)]
pub(crate) struct Template {
    /// How many literals, with the head; 0 if the head has a block to itself and `literals` is the body's blocks.
    count: usize,
    /// The body's literals: as they are, or coded up to a whole octet.
    literals: Vec<u8>,
    coded: bool,
    /// The last bits of those coded, and how many.
    rest: (u8, u32),
    sequences: Vec<u8>,
}

/// Calls for each run of literals and each match that the stream can have.
fn walk(body: &[u8], parse: &Parse, located: &Located, mut each: impl FnMut(&[u8], &[u8], u32)) {
    let (mut unmatched, mut at) = (0, 0);
    for token in &parse.tokens {
        let start = at + token.literals as usize;
        at = start + usize::from(token.length);
        if let Some(offset) = located.distance(token) {
            each(&body[unmatched..start], &body[start..at], offset);
            unmatched = at;
        }
    }
    each(&body[unmatched..], &[], 0);
}

impl Template {
    /// Makes it anew.
    pub(crate) fn make(
        &mut self,
        head_bytes: usize,
        body: &[u8],
        (parse, located): (&Parse, &Located),
        tools: &mut BlockTools,
    ) {
        self.literals.clear();
        self.sequences.clear();
        let BlockTools {
            blocks,
            text,
            sequences,
            ..
        } = tools;
        text.clear();
        sequences.clear();
        walk(body, parse, located, |run, copied, offset| {
            text.extend_from_slice(run);
            if !copied.is_empty() {
                let before = if sequences.is_empty() { head_bytes } else { 0 };
                sequences.push(Sequence {
                    literals: (before + run.len()) as u32,
                    length: copied.len() as u32,
                    offset,
                });
            }
        });
        self.count = head_bytes + text.len();
        if self.count > MAX_LITERALS {
            self.count = 0;
            let (out, mut table) = (&mut self.literals, true);
            walk(body, parse, located, |run, copied, offset| {
                blocks.literals(run, &mut table, out);
                if !copied.is_empty() {
                    blocks.copy(copied, offset, &mut table, out);
                }
            });
            blocks.flush(&mut table, out);
            return;
        }
        write_sequences(sequences, &mut self.sequences);
        // The head's codes may be the longest; the stream's size has to fit all the same.
        let most = huffman::bits(text) + huffman::MAX_LENGTH * head_bytes as u32;
        self.coded = most as usize / 8 + 4 < self.count;
        if self.coded {
            let mut bits = BitWriter::new(&mut self.literals);
            write_codes(text, &mut bits);
            self.rest = bits.pause();
        } else {
            self.literals.extend_from_slice(text);
        }
    }

    fn write(&self, head: &[u8], body: &[u8], out: &mut Vec<u8>) {
        if self.count == 0 {
            write_raw(&[head], out);
            out.extend_from_slice(&self.literals);
            return;
        }
        let start = out.len();
        out.extend_from_slice(&[0; 3]);
        if self.coded {
            out.extend_from_slice(&[0; 3]);
            out.extend_from_slice(&self.literals);
            let mut bits = BitWriter::continued(out, self.rest);
            write_codes(head, &mut bits);
            // The decoder starts at the last bit that is set.
            bits.put(1, 1);
            bits.finish();
            let size = out.len() - start - 6;
            let header = coded_literals_header(self.count, size, false);
            out[start + 3..start + 6].copy_from_slice(&header);
        } else {
            raw_literals_header(self.count, out);
            out.extend_from_slice(head);
            out.extend_from_slice(&self.literals);
        }
        out.extend_from_slice(&self.sequences);
        let size = out.len() - start - 3;
        if size < head.len() + body.len() {
            out[start..start + 3].copy_from_slice(&block_header(size));
        } else {
            out.truncate(start);
            write_raw(&[head, body], out);
        }
    }
}

impl RelocatableZstd {
    /// The frame's header, before the first payload.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.begun {
            self.begun = true;
            out.extend_from_slice(&FRAME_HEADER);
        }
    }

    /// Looks up a parse's references for a body that would start after `head_bytes` more octets.
    pub(crate) fn locate(&self, parse: &Parse, head_bytes: usize) -> Located {
        self.positions.locate(parse, head_bytes, MAX_OFFSET)
    }

    /// The client was told of the table, so templates and packed blocks may be used.
    pub(crate) const fn has_table(&self) -> bool {
        self.table
    }

    /// Emits head and body by a template made for a head of this length and these places of references. `id` names the
    /// body for later ones, 0 if none will refer to it.
    pub(crate) fn emit(
        &mut self,
        head: &[u8],
        body: &[u8],
        id: u64,
        template: &Template,
        out: &mut Vec<u8>,
    ) {
        debug_assert!(self.begun && self.table);
        template.write(head, body, out);
        self.positions.sent(head.len(), body.len(), id);
    }

    /// Emits head and body without a template, and tells of the table if that pays.
    pub(crate) fn emit_first(
        &mut self,
        head: &[u8],
        body: &[u8],
        id: u64,
        (parse, located): (&Parse, &Located),
        tools: &mut BlockTools,
        out: &mut Vec<u8>,
    ) {
        self.begin(out);
        let (blocks, table) = (&mut tools.blocks, &mut self.table);
        blocks.literals(head, table, out);
        walk(body, parse, located, |run, copied, offset| {
            blocks.literals(run, table, out);
            if !copied.is_empty() {
                blocks.copy(copied, offset, table, out);
            }
        });
        blocks.flush(table, out);
        self.positions.sent(head.len(), body.len(), id);
    }

    /// Emits the head and then blocks that were packed by themselves.
    pub(crate) fn emit_packed(
        &mut self,
        head: &[u8],
        body_bytes: usize,
        packed: &[u8],
        id: u64,
        out: &mut Vec<u8>,
    ) {
        debug_assert!(self.table);
        self.begin(out);
        write_raw(&[head], out);
        out.extend_from_slice(packed);
        self.positions.sent(head.len(), body_bytes, id);
    }

    /// Emits a payload that only this connection gets, raw. For tiny ones.
    pub(crate) fn emit_raw(&mut self, parts: &[&[u8]], out: &mut Vec<u8>) {
        self.begin(out);
        write_raw(parts, out);
        self.positions
            .advance(parts.iter().map(|part| part.len()).sum());
    }

    /// Emits a payload, given in parts, that refers to nothing before it and that nothing refers to.
    pub(crate) fn emit_private(
        &mut self,
        parts: &[&[u8]],
        tools: &mut BlockTools,
        out: &mut Vec<u8>,
    ) {
        self.begin(out);
        let BlockTools {
            blocks,
            search,
            text,
            ..
        } = tools;
        text.clear();
        parts.iter().for_each(|part| text.extend_from_slice(part));
        search.write(text, blocks, &mut self.table, out);
        self.positions.advance(text.len());
        text.clear();
        text.shrink_to(MAX_KEPT_BYTES);
    }
}
