//! Blocks against libzstd's decoder and the format's own rules.

use zstd_safe::{DCtx, InBuffer, OutBuffer};

use super::*;

/// What libzstd makes of a frame of these blocks.
fn decoded(blocks: &[u8], most: usize) -> Vec<u8> {
    let frame = [&FRAME_HEADER, blocks].concat();
    let (mut context, mut clear) = (DCtx::create(), vec![0; most + 1]);
    let mut input = InBuffer::around(&frame);
    let mut output = OutBuffer::around(&mut clear[..]);
    loop {
        let before = output.pos();
        let hint = context.decompress_stream(&mut output, &mut input);
        assert_ne!(hint.expect("it decodes"), 0, "the frame goes on");
        if output.pos() == before && input.pos() == frame.len() {
            break;
        }
    }
    let length = output.pos();
    clear.truncate(length);
    clear
}

/// Blocks as the format's rules have them: kind, octets, and for a compressed one its kind of literals.
fn walk(mut blocks: &[u8]) -> Vec<(u8, usize, u8)> {
    let mut found = Vec::new();
    while let [a, b, c, rest @ ..] = blocks {
        let header = u32::from_le_bytes([*a, *b, *c, 0]);
        assert_eq!(header & 1, 0, "no block is the last");
        let (kind, size) = ((header >> 1 & 3) as u8, (header >> 3) as usize);
        assert!(size <= MAX_BLOCK);
        found.push((kind, size, rest[0] & 3));
        blocks = &rest[size..];
    }
    found
}

/// Writes runs of literals, each with a match after it; returns the blocks and what they stand for.
fn written(table: &mut bool, parts: &[(&[u8], usize, u32)]) -> (Vec<u8>, Vec<u8>) {
    let (mut blocks, mut out, mut clear) = (Blocks::default(), Vec::new(), Vec::new());
    for &(literals, length, offset) in parts {
        blocks.literals(literals, table, &mut out);
        clear.extend_from_slice(literals);
        let start = clear.len();
        for _ in 0..length {
            clear.push(clear[clear.len() - offset as usize]);
        }
        if length > 0 {
            blocks.copy(&clear[start..], offset, table, &mut out);
        }
    }
    blocks.flush(table, &mut out);
    (out, clear)
}

fn noise(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|n| (n.wrapping_add(77).wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

#[test]
fn offsets_1_to_3_are_no_repeats_even_where_nothing_is_between() {
    for table in [false, true] {
        let text = b"the quick brown fox jumps over the lazy dog, 0123456789";
        let mut parts: Vec<(&[u8], usize, u32)> = vec![(text, 9, 20)];
        for offset in [1, 2, 3, 1, 1, 2, 2, 3, 3, 4, 1, 5, 2, 6, 3] {
            parts.push((b"", 3, offset));
            parts.push((b"ab", 4, offset));
            parts.push((b"", 5, offset));
        }
        let mut told = table;
        let (mut out, clear) = written(&mut told, &parts);
        if table {
            // What tells of the table, before.
            let (first, before) = written(&mut false, &[(&[b'e'; 400], 0, 0)]);
            out = [first, out].concat();
            assert!(decoded(&out, 9_999) == [before, clear].concat());
        } else {
            assert!(decoded(&out, 9_999) == clear);
        }
    }
}

#[test]
fn counts_of_sequences_take_one_two_or_three_octets() {
    for count in [
        1usize, 126, 127, 128, 129, 1_000, 0x7eff, 0x7f00, 0x7f01, 33_000,
    ] {
        let mut parts: Vec<(&[u8], usize, u32)> = vec![(b"abcdefgh", 0, 0)];
        parts.extend((0..count).map(|n| (&b""[..], 3, 1 + n as u32 % 8)));
        let (out, clear) = written(&mut true, &parts);
        // Nothing needed the table.
        let kinds = walk(&out);
        assert_eq!(kinds.len(), 1);
        assert!(decoded(&out, clear.len()) == clear, "{count}");
        if count > 126 {
            let at = 3 + 1 + 8;
            let octets = match count {
                127 => 1,
                128..0x7f00 => 2,
                _ => 3,
            };
            assert_eq!(out[at] >= 128, octets > 1);
            assert_eq!(out[at] == 255, octets == 3);
        }
    }
}

#[test]
fn every_length_of_literals_and_matches_decodes() {
    let text = noise(1_023);
    let lengths = (3..=140).chain([255, 258, 259, 1_026, 1_027, 4_098, 8_195, MAX_MATCH]);
    for (n, length) in lengths.enumerate() {
        let run = [n % 70, 64 + n, 511 + n, 885 + n % 138][n % 4];
        let parts = [
            (&text[..run.max(8)], length, 8),
            (&text[..n % 3], length, 5),
        ];
        let (out, clear) = written(&mut false, &parts);
        assert!(decoded(&out, clear.len()) == clear, "{n}");
    }
}

#[test]
fn a_block_may_have_no_literals_and_no_sequences() {
    let (first, before) = written(&mut false, &[(&noise(600), 0, 0)]);
    assert_eq!(walk(&first), [(0, 600, first[3] & 3)], "noise stays raw");
    let (second, repeated) = {
        let (mut blocks, mut out) = (Blocks::default(), Vec::new());
        blocks.copy(&before[..300], 600, &mut true, &mut out);
        blocks.flush(&mut true, &mut out);
        // An empty one is none.
        blocks.flush(&mut true, &mut out);
        (out, before[..300].to_vec())
    };
    assert_eq!(walk(&second).len(), 1);
    let all = [first, second].concat();
    assert!(decoded(&all, 900) == [before, repeated].concat());
}

#[test]
fn the_table_is_told_once_and_fits_every_octet() {
    let mut table = false;
    let letters = b"etaoinshrdlu0123456789\":,".repeat(8);
    let (first, one) = written(&mut table, &[(&letters, 0, 0)]);
    assert!(table);
    assert_eq!(walk(&first)[0].2, 2, "compressed literals");
    let mut all = first;
    let mut clear = one;
    for octet in 0..=255u8 {
        let mixed = [&letters[..], &[octet; 3]].concat();
        let (next, more) = written(&mut table, &[(&mixed, 0, 0)]);
        assert_eq!(walk(&next)[0].2, 3, "treeless literals");
        all.extend_from_slice(&next);
        clear.extend_from_slice(&more);
    }
    assert!(decoded(&all, clear.len()) == clear);
}

#[test]
fn a_payload_too_small_or_too_noisy_does_not_tell_of_the_table() {
    let mut table = false;
    for literals in [
        &b"{\"op\":10,\"d\":{\"heartbeat_interval\":41250}}"[..],
        &noise(5_000),
    ] {
        let (out, clear) = written(&mut table, &[(literals, 0, 0)]);
        assert!(!table);
        assert!(walk(&out).iter().all(|&(kind, ..)| kind == 0));
        assert!(decoded(&out, clear.len()) == clear);
    }
}

#[test]
fn blocks_stand_for_no_more_than_a_window_and_1023_literals() {
    let text = noise(300);
    let mut parts: Vec<(&[u8], usize, u32)> = vec![(&text, 0, 0)];
    for n in 0..200 {
        parts.push((&text[..n], 1_000 + n, 1 + n as u32));
    }
    parts.push((&text, MAX_MATCH, 300));
    let (out, clear) = written(&mut true, &parts);
    let long = noise(MAX_BLOCK + 5_000);
    let (raw, more) = written(&mut true, &[(&long, 0, 0)]);
    walk(&raw);
    assert!(walk(&out).len() > 5);
    let all = [out, raw].concat();
    assert!(decoded(&all, clear.len() + more.len()) == [clear, more].concat());
    let mut out = Vec::new();
    write_raw(&[&long, b"", b"x"], &mut out);
    let sizes: Vec<usize> = walk(&out).iter().map(|block| block.1).collect();
    assert_eq!(sizes, [MAX_BLOCK, 5_000, 1]);
    assert!(decoded(&out, long.len() + 1) == [&long[..], b"x"].concat());
}
