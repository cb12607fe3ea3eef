//! Token digests, compared in constant time.

/// The SHA-256 of a bare token.
pub type TokenDigest = [u8; 32];

/// Whether two digests are equal, in a time that does not depend on where they differ.
#[must_use]
pub fn digests_match(a: &TokenDigest, b: &TokenDigest) -> bool {
    let difference = a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::digests_match;

    #[test]
    fn one_bit_is_a_difference() {
        let digest = [9; 32];
        for at in 0..32 {
            let mut other = digest;
            other[at] ^= 1;
            assert!(!digests_match(&digest, &other));
        }
        assert!(digests_match(&digest, &digest));
    }
}
