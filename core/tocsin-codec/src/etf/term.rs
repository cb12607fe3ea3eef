//! The octets of single terms: numbers, and snowflakes. Each comes in an array with the count of those that matter.

use super::tag;

/// The octets of a term, and how many they are.
pub(super) type Octets = ([u8; 16], usize);

/// An integer in its shortest form.
#[inline(always)]
pub(super) fn integer(magnitude: u64, negative: bool) -> Octets {
    let mut octets = [0; 16];
    let limit = i32::MAX as u64 + u64::from(negative);
    if magnitude < 256 && !negative {
        octets[0] = tag::SMALL_INTEGER;
        octets[1] = magnitude as u8;
        (octets, 2)
    } else if magnitude <= limit {
        let value = magnitude as u32;
        let value = if negative {
            value.wrapping_neg()
        } else {
            value
        };
        octets[0] = tag::INTEGER;
        octets[1..5].copy_from_slice(&value.to_be_bytes());
        (octets, 5)
    } else {
        let length = 8 - magnitude.leading_zeros() as usize / 8;
        octets[0] = tag::SMALL_BIG;
        octets[1] = length as u8;
        octets[2] = negative.into();
        octets[3..11].copy_from_slice(&magnitude.to_le_bytes());
        (octets, 3 + length)
    }
}

/// All eight octets, even when fewer would do: erlpack for JS gives a string for more than four, a number for less.
#[inline(always)]
pub(super) fn snowflake(id: u64) -> Octets {
    let mut octets = [0; 16];
    octets[0] = tag::SMALL_BIG;
    octets[1] = 8;
    octets[3..11].copy_from_slice(&id.to_le_bytes());
    (octets, 11)
}

pub(super) fn float(value: f64) -> Octets {
    let mut octets = [0; 16];
    octets[0] = tag::NEW_FLOAT;
    octets[1..9].copy_from_slice(&value.to_be_bytes());
    (octets, 9)
}
