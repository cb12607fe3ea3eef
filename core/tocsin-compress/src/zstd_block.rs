//! `Blocks`: zstd blocks that take nothing from blocks before but the one Huffman table (RFC 8878 §3.1.1.2).
//!
//! Literals are raw or coded with `huffman`'s table; sequences use the predefined FSE tables and never a repeat offset,
//! so a block is right wherever its offsets are.

use crate::bits::BitWriter;
use crate::fse::{LITERAL_LENGTHS, MATCH_LENGTHS, OFFSETS};
use crate::history::Coding;
use crate::huffman;

/// Octets a match may look back: 128 KiB.
pub(crate) const MAX_OFFSET: u32 = 1 << WINDOW_LOG;
const WINDOW_LOG: u8 = 17;
/// Magic number; no content size, checksum or dictionary; the window.
pub(crate) const FRAME_HEADER: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0, (WINDOW_LOG - 10) << 3];
/// Most octets a block may stand for: 128 KiB, and not more than the window.
pub(crate) const MAX_BLOCK: usize = 1 << 17;
/// Most literals of a block: one Huffman stream takes no more.
pub(crate) const MAX_LITERALS: usize = 1023;
/// With its offset's, a length's extra bits fit one `put`.
const MAX_MATCH: usize = 16 * 1024;
/// Offset values up to this one mean repeated offsets.
const REPEATS: u32 = 3;
/// Fewer literals do not pay for the table's description.
const WORTH_TABLE: usize = 32;
/// A match of some kilobytes back: three FSE symbols and the offset's extra bits.
const TYPICAL_MATCH_BITS: u32 = 5 + 5 + 5 + 12;

/// How a parse is searched and weighed for these blocks.
pub(crate) const CODING: Coding = Coding {
    min_match: 5,
    max_match: MAX_MATCH,
    literal_bits: huffman::bits,
    match_bits: |length| TYPICAL_MATCH_BITS + match_code(length as u32 - 3).1,
};

/// Literals, then a match.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequence {
    pub(crate) literals: u32,
    pub(crate) length: u32,
    pub(crate) offset: u32,
}

/// Symbol of a literal length, and how many extra bits it has; they are the length's lowest.
const fn literal_code(length: u32) -> (usize, u32) {
    const CODES: [u8; 64] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20,
        20, 20, 20, 21, 21, 21, 21, 22, 22, 22, 22, 22, 22, 22, 22, 23, 23, 23, 23, 23, 23, 23, 23,
        24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
    ];
    const EXTRA: [u8; 9] = [1, 1, 1, 1, 2, 2, 3, 3, 4];
    if length < 64 {
        let code = CODES[length as usize] as usize;
        let extra = if code < 16 { 0 } else { EXTRA[code - 16] };
        (code, extra as u32)
    } else {
        let log = length.ilog2();
        (log as usize + 19, log)
    }
}

/// Symbol of a match length less 3, and how many extra bits it has; they are that number's lowest.
const fn match_code(above: u32) -> (usize, u32) {
    const CODES: [u8; 96] = [
        32, 32, 33, 33, 34, 34, 35, 35, 36, 36, 36, 36, 37, 37, 37, 37, 38, 38, 38, 38, 38, 38, 38,
        38, 39, 39, 39, 39, 39, 39, 39, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40,
        40, 40, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 42, 42, 42, 42, 42,
        42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42,
        42, 42, 42, 42,
    ];
    const EXTRA: [u8; 11] = [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5];
    if above < 32 {
        (above as usize, 0)
    } else if above < 128 {
        let code = CODES[above as usize - 32] as usize;
        (code, EXTRA[code - 32] as u32)
    } else {
        let log = above.ilog2();
        (log as usize + 36, log)
    }
}

/// The lowest bits of a number.
const fn low(number: u32, bits: u32) -> u32 {
    number & ((1 << bits) - 1)
}

/// Writes a sequences section.
pub(crate) fn write_sequences(sequences: &[Sequence], out: &mut Vec<u8>) {
    let count = sequences.len();
    match count {
        0..=127 => out.push(count as u8),
        128..0x7f00 => out.extend_from_slice(&[128 + (count >> 8) as u8, count as u8]),
        _ => {
            out.push(255);
            out.extend_from_slice(&((count - 0x7f00) as u16).to_le_bytes());
        }
    }
    let Some((last, before)) = sequences.split_last() else {
        return;
    };
    // All three tables are the predefined ones.
    out.push(0);
    let mut bits = BitWriter::new(out);
    let (offset_value, (literal, literal_extra), (length, length_extra)) = codes(last);
    let mut offset_state = OFFSETS.first(offset_value.ilog2() as usize);
    let mut length_state = MATCH_LENGTHS.first(length);
    let mut literal_state = LITERAL_LENGTHS.first(literal);
    let extras = |bits: &mut BitWriter<'_>, of: &Sequence, offset_value: u32, extra: u32| {
        let offset_extra = offset_value.ilog2();
        let offset = low(offset_value, offset_extra);
        bits.put(
            low(of.length - 3, extra) | offset << extra,
            extra + offset_extra,
        );
    };
    bits.put(low(last.literals, literal_extra), literal_extra);
    extras(&mut bits, last, offset_value, length_extra);
    for sequence in before.iter().rev() {
        let (offset_value, (literal, literal_extra), (length, length_extra)) = codes(sequence);
        let (a, a_bits) = OFFSETS.step(&mut offset_state, offset_value.ilog2() as usize);
        let (b, b_bits) = MATCH_LENGTHS.step(&mut length_state, length);
        let (c, c_bits) = LITERAL_LENGTHS.step(&mut literal_state, literal);
        let states = a | b << a_bits | c << (a_bits + b_bits);
        let state_bits = a_bits + b_bits + c_bits;
        bits.put(
            states | low(sequence.literals, literal_extra) << state_bits,
            state_bits + literal_extra,
        );
        extras(&mut bits, sequence, offset_value, length_extra);
    }
    bits.put(low(length_state, 6), 6);
    bits.put(low(offset_state, 5), 5);
    bits.put(low(literal_state, 6), 6);
    // The decoder starts at the last bit that is set.
    bits.put(1, 1);
    bits.finish();
}

/// Offset value, then symbols and extra bits of the lengths.
fn codes(sequence: &Sequence) -> (u32, (usize, u32), (usize, u32)) {
    (
        sequence.offset + REPEATS,
        literal_code(sequence.literals),
        match_code(sequence.length - 3),
    )
}

/// Writes codes of octets, the last first: decoders read from the end.
pub(crate) fn write_codes(octets: &[u8], bits: &mut BitWriter<'_>) {
    let mut pairs = octets.rchunks_exact(2);
    for pair in &mut pairs {
        let ((a, a_bits), (b, b_bits)) = (huffman::code(pair[1]), huffman::code(pair[0]));
        bits.put(a | b << a_bits, a_bits + b_bits);
    }
    for &octet in pairs.remainder() {
        let (code, count) = huffman::code(octet);
        bits.put(code, count);
    }
}

/// The header of literals that are raw.
pub(crate) fn raw_literals_header(count: usize, out: &mut Vec<u8>) {
    if count < 32 {
        out.push((count << 3) as u8);
    } else {
        out.extend_from_slice(&((count << 4 | 0b0100) as u16).to_le_bytes());
    }
}

/// The header of literals in one Huffman stream, and of its size with the description if there is one.
pub(crate) const fn coded_literals_header(count: usize, size: usize, described: bool) -> [u8; 3] {
    let kind = if described { 2 } else { 3 };
    let [a, b, c, _] = ((kind | count << 4 | size << 14) as u32).to_le_bytes();
    [a, b, c]
}

/// The header of a compressed block of this size.
pub(crate) const fn block_header(size: usize) -> [u8; 3] {
    let [a, b, c, _] = ((size << 3 | 0b100) as u32).to_le_bytes();
    [a, b, c]
}

/// Writes octets, given in parts, as raw blocks.
pub(crate) fn write_raw(parts: &[&[u8]], out: &mut Vec<u8>) {
    for part in parts.iter().flat_map(|part| part.chunks(MAX_BLOCK)) {
        out.extend_from_slice(&((part.len() << 3) as u32).to_le_bytes()[..3]);
        out.extend_from_slice(part);
    }
}

/// Collects literals and matches, and writes blocks of them.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    literals: Vec<u8>,
    sequences: Vec<Sequence>,
    /// Literals since the last match.
    run: usize,
    /// What the block stands for.
    clear: Vec<u8>,
}

impl Blocks {
    /// Octets as they are. `table` says whether the stream was told of the table.
    pub(crate) fn literals(&mut self, mut octets: &[u8], table: &mut bool, out: &mut Vec<u8>) {
        while !octets.is_empty() {
            let room = (MAX_LITERALS - self.literals.len()).min(MAX_BLOCK - self.clear.len());
            if room == 0 {
                self.flush(table, out);
                continue;
            }
            let (now, later) = octets.split_at(room.min(octets.len()));
            self.literals.extend_from_slice(now);
            self.clear.extend_from_slice(now);
            self.run += now.len();
            octets = later;
        }
    }

    /// A match of at least 3 octets, at most `CODING.max_match`, that are the same 1 to `MAX_OFFSET` back.
    pub(crate) fn copy(&mut self, octets: &[u8], offset: u32, table: &mut bool, out: &mut Vec<u8>) {
        if self.clear.len() + octets.len() > MAX_BLOCK {
            self.flush(table, out);
        }
        self.clear.extend_from_slice(octets);
        self.sequences.push(Sequence {
            literals: self.run as u32,
            length: octets.len() as u32,
            offset,
        });
        self.run = 0;
    }

    /// Writes the block that was begun, if any.
    pub(crate) fn flush(&mut self, table: &mut bool, out: &mut Vec<u8>) {
        if !self.clear.is_empty() {
            let start = out.len();
            let coded = huffman::bits(&self.literals) as usize / 8 + 1;
            let described = coded + huffman::DESCRIPTION.len();
            let count = self.literals.len();
            let mut done = false;
            if !*table && count >= WORTH_TABLE && described <= MAX_LITERALS {
                done = self.write(Some((described, true)), start, out);
                *table = done;
            }
            if !done {
                let coded = (*table && coded + 3 < count).then_some((coded, false));
                done = self.write(coded, start, out);
            }
            if !done {
                write_raw(&[&self.clear], out);
            }
        }
        self.literals.clear();
        self.sequences.clear();
        self.clear.clear();
        self.run = 0;
    }

    /// Writes the block, its literals raw or coded in so many octets, the description among them if it is to be there.
    /// Takes it back if it is not smaller than what it stands for, as the format demands.
    fn write(&self, coded: Option<(usize, bool)>, start: usize, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&[0; 3]);
        let count = self.literals.len();
        if let Some((size, described)) = coded {
            out.extend_from_slice(&coded_literals_header(count, size, described));
            if described {
                out.extend_from_slice(&huffman::DESCRIPTION);
            }
            let mut bits = BitWriter::new(out);
            write_codes(&self.literals, &mut bits);
            // The decoder starts at the last bit that is set.
            bits.put(1, 1);
            bits.finish();
        } else {
            raw_literals_header(count, out);
            out.extend_from_slice(&self.literals);
        }
        write_sequences(&self.sequences, out);
        let size = out.len() - start - 3;
        if size >= self.clear.len() {
            out.truncate(start);
            return false;
        }
        out[start..start + 3].copy_from_slice(&block_header(size));
        true
    }
}

#[cfg(test)]
mod tests;
