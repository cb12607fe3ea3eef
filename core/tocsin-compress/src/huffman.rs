//! The one Huffman table of all zstd-streams: a stream is told of it once, later blocks use it without its description
//! (treeless literals, RFC 8878 §3.1.1.3.1.1). So the literals of an event are coded once for all connections.
//!
//! Made from what is left over as literals of gateway traffic, and from English prose, by libzstd.

/// Longest code.
pub(crate) const MAX_LENGTH: u32 = 11;

/// The table as a stream is told of it: FSE-compressed weights (RFC 8878 §4.2.1).
pub(crate) const DESCRIPTION: [u8; 56] = [
    0x37, 0x10, 0xc0, 0x93, 0xa4, 0x0d, 0x73, 0x23, 0x13, 0x47, 0x9d, 0x19, 0xc8, 0xdc, 0x98, 0x29,
    0x35, 0x41, 0xfb, 0xf6, 0xdb, 0x26, 0xd3, 0x5b, 0x36, 0xb2, 0x88, 0x34, 0x4b, 0x29, 0x65, 0xb7,
    0x75, 0xfe, 0xc0, 0xd8, 0xb9, 0xf8, 0x43, 0x13, 0x17, 0xd2, 0xca, 0xee, 0xee, 0xde, 0x9d, 0x5b,
    0xab, 0xfc, 0x39, 0xe2, 0x60, 0x96, 0xdb, 0x02,
];

/// Lengths of the codes, by octet.
const LENGTHS: [u8; 256] = [
    7, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 4, 11, 6, 11, 11, 11, 11, 9, 9, 9, 11, 11, 8, 9, 7, 11, 5, 4,
    5, 5, 5, 5, 5, 5, 5, 5, 6, 11, 11, 10, 9, 11, 11, 10, 11, 10, 10, 9, 11, 11, 11, 9, 11, 11, 11,
    11, 10, 10, 10, 11, 10, 10, 9, 11, 11, 11, 11, 11, 11, 11, 11, 10, 11, 8, 11, 5, 6, 5, 5, 4, 6,
    8, 7, 6, 10, 8, 6, 7, 5, 5, 7, 11, 6, 6, 5, 7, 9, 8, 9, 7, 11, 11, 11, 6, 11, 11, 10, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 10, 11, 11,
    11, 11, 11, 11, 10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 10, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11,
];

/// Code and, from bit 12, its length, by octet.
const CODES: [u16; 256] = {
    let mut codes = [0; 256];
    let (mut code, mut length) = (0, MAX_LENGTH);
    while length > 0 {
        let mut octet = 0;
        while octet < 256 {
            if LENGTHS[octet] as u32 == length {
                codes[octet] = code | (length as u16) << 12;
                code += 1;
            }
            octet += 1;
        }
        code >>= 1;
        length -= 1;
    }
    codes
};

/// Code of an octet, and how many bits that is.
#[inline]
pub(crate) fn code(octet: u8) -> (u32, u32) {
    let entry = u32::from(CODES[usize::from(octet)]);
    (entry & 0xfff, entry >> 12)
}

/// Bits these octets take.
pub(crate) fn bits(octets: &[u8]) -> u32 {
    let lengths = octets.iter().map(|&octet| LENGTHS[usize::from(octet)]);
    lengths.map(u32::from).sum()
}
