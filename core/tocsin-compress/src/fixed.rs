//! One DEFLATE block with the fixed Huffman codes, then the flush marker (RFC 1951 §3.2.6).

use crate::bits::BitWriter;
use crate::history::Coding;

/// Longest match there is.
pub(crate) const MAX_MATCH: usize = 258;
/// Farthest a match may look back.
pub(crate) const MAX_DISTANCE: u32 = 32_768;
/// What ends every payload: the empty stored block's length and its complement.
pub(crate) const FLUSH_MARKER: [u8; 4] = [0, 0, 0xff, 0xff];
/// Bits of a distance that are not its length's: the code and the extra bits of one some kilobytes away.
const TYPICAL_DISTANCE_BITS: u32 = 5 + 11;

/// Reverses a code of `count` bits: Huffman codes are packed from their most significant bit.
const fn reversed(code: u32, count: u32) -> u32 {
    code.reverse_bits() >> (32 - count)
}

/// Code and, from bit 12, its length, by octet.
const LITERALS: [u16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let (code, count) = if octet < 144 {
            (0x30 + octet, 8)
        } else {
            (0x190 + octet - 144, 9)
        };
        table[octet as usize] = reversed(code, count) as u16 | (count as u16) << 12;
        octet += 1;
    }
    table
};

/// Code with its extra bits and, from bit 24, how many bits that is, by match length.
const LENGTHS: [u32; MAX_MATCH + 1] = {
    let mut table = [0; MAX_MATCH + 1];
    let mut length = 3;
    while length <= MAX_MATCH {
        let above = length as u32 - 3;
        let (symbol, extra, extra_bits) = if length == MAX_MATCH {
            (285, 0, 0)
        } else if above < 8 {
            (257 + above, 0, 0)
        } else {
            let log = above.ilog2();
            let symbol = 257 + 4 * (log - 1) + ((above >> (log - 2)) & 3);
            (symbol, above & ((1 << (log - 2)) - 1), log - 2)
        };
        let (code, count) = if symbol < 280 {
            (symbol - 256, 7)
        } else {
            (0xc0 + symbol - 280, 8)
        };
        table[length] = reversed(code, count) | extra << count | (count + extra_bits) << 24;
        length += 1;
    }
    table
};

/// Code of a distance with its extra bits, and how many bits that is.
fn distance_code(distance: u32) -> (u32, u32) {
    let below = distance - 1;
    if below < 4 {
        return (reversed(below, 5), 5);
    }
    let log = below.ilog2();
    let symbol = 2 * log + ((below >> (log - 1)) & 1);
    let extra = below & ((1 << (log - 1)) - 1);
    (reversed(symbol, 5) | extra << 5, 5 + log - 1)
}

/// How a parse is searched and weighed for this block.
pub(crate) const CODING: Coding = Coding {
    min_match: 4,
    max_match: MAX_MATCH,
    literal_bits,
    match_bits: |length| (LENGTHS[length] >> 24) + TYPICAL_DISTANCE_BITS,
};

/// Bits these octets take as literals.
pub(crate) fn literal_bits(octets: &[u8]) -> u32 {
    let long = octets.iter().filter(|&&octet| octet >= 144).count();
    (8 * octets.len() + long) as u32
}

/// How many bits of its first octet a block has used up when it comes to its body.
pub(crate) fn phase(head: &[u8]) -> u32 {
    (3 + literal_bits(head)) % 8
}

/// Begins a block that is not the last one.
pub(crate) fn begin<'a>(out: &'a mut Vec<u8>) -> BitWriter<'a> {
    let mut bits = BitWriter::new(out);
    bits.put(0b010, 3);
    bits
}

/// Octets as they are.
pub(crate) fn literals(octets: &[u8], bits: &mut BitWriter<'_>) {
    let entry = |octet: u8| {
        let entry = u32::from(LITERALS[usize::from(octet)]);
        (entry & 0x1ff, entry >> 12)
    };
    let mut threes = octets.chunks_exact(3);
    for three in &mut threes {
        let ((a, a_bits), (b, b_bits), (c, c_bits)) =
            (entry(three[0]), entry(three[1]), entry(three[2]));
        bits.put(
            a | b << a_bits | c << (a_bits + b_bits),
            a_bits + b_bits + c_bits,
        );
    }
    for &octet in threes.remainder() {
        let (code, count) = entry(octet);
        bits.put(code, count);
    }
}

/// A match of 3 to 258 octets, 1 to 32768 back.
pub(crate) fn copy(length: usize, distance: u32, bits: &mut BitWriter<'_>) {
    let entry = LENGTHS[length];
    let (code, count) = distance_code(distance);
    let length_bits = entry >> 24;
    bits.put(entry & 0xff_ffff | code << length_bits, length_bits + count);
}

/// Ends the block and flushes by an empty stored block.
pub(crate) fn finish(mut bits: BitWriter<'_>) {
    // The end of block is seven zero bits, the header of a stored block three.
    bits.put(0, 7 + 3);
    bits.finish().extend_from_slice(&FLUSH_MARKER);
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};

    use super::*;

    #[test]
    fn every_octet_every_length_and_distances_at_each_code_edge_decode() {
        let mut text: Vec<u8> = (0..40_000u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let mut out = Vec::new();
        let mut block = begin(&mut out);
        literals(&text, &mut block);
        let mut distances = vec![MAX_DISTANCE];
        for log in 0..15 {
            let edge = 1u32 << log;
            distances.extend([edge, edge + 1, (edge - 1).max(1), edge + edge / 2]);
        }
        distances.retain(|&distance| distance <= MAX_DISTANCE);
        for at in 0..1_024 {
            let (length, distance) = (3 + at % 256, distances[at % distances.len()]);
            copy(length, distance, &mut block);
            for _ in 0..length {
                text.push(text[text.len() - distance as usize]);
            }
        }
        finish(block);
        let mut inflated = Vec::with_capacity(text.len() + 64);
        Decompress::new(false)
            .decompress_vec(&out, &mut inflated, FlushDecompress::Sync)
            .expect("it decodes");
        assert!(inflated == text);
        assert!(out.ends_with(&FLUSH_MARKER));
    }
}
