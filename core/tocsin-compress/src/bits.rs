//! `BitWriter`: bits into octets, the least significant first, as DEFLATE and zstd's bitstreams have them.

/// Most bits one call takes.
pub(crate) const MAX_BITS: u32 = 32;

/// Appends bits to octets.
pub(crate) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    bits: u64,
    /// How many of `bits` wait; below 32 between calls.
    count: u32,
}

impl<'a> BitWriter<'a> {
    /// Goes on after whole octets.
    pub(crate) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            bits: 0,
            count: 0,
        }
    }

    /// At most `MAX_BITS` bits; those above `count` are 0.
    #[inline]
    pub(crate) fn put(&mut self, bits: u32, count: u32) {
        debug_assert!(count <= MAX_BITS && u64::from(bits) >> count == 0);
        self.bits |= u64::from(bits) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.out
                .extend_from_slice(&(self.bits as u32).to_le_bytes());
            self.bits >>= 32;
            self.count -= 32;
        }
    }

    /// Goes on in an octet of which the lowest bits are there.
    pub(crate) const fn continued(out: &'a mut Vec<u8>, (bits, count): (u8, u32)) -> Self {
        Self {
            out,
            bits: bits as u64,
            count,
        }
    }

    /// Writes what waits, up to whole octets; what is left of the last octet is 0.
    pub(crate) fn finish(self) -> &'a mut Vec<u8> {
        let octets = self.count.div_ceil(8) as usize;
        self.out
            .extend_from_slice(&self.bits.to_le_bytes()[..octets]);
        self.out
    }

    /// Writes whole octets; returns the bits of the next one, and how many.
    pub(crate) fn pause(self) -> (u8, u32) {
        let octets = self.count / 8;
        let bits = self.bits.to_le_bytes();
        self.out.extend_from_slice(&bits[..octets as usize]);
        (bits[octets as usize], self.count % 8)
    }
}
