//! `SessionKey`: where a session lives, as one integer that crosses to Python: worker, generation, slot.

use std::fmt;

/// Worker (8 bits) | generation (24) | slot (32). A slot used again has another generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey(u64);

const GENERATION_MASK: u32 = (1 << 24) - 1;

impl SessionKey {
    /// The key of a slot.
    #[must_use]
    pub const fn new(worker: u8, generation: u32, slot: u32) -> Self {
        let high = (worker as u32) << 24 | generation & GENERATION_MASK;
        Self((high as u64) << 32 | slot as u64)
    }

    /// The key as an integer.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The key of an integer; one that was never given out names no session.
    #[must_use]
    pub const fn from_u64(key: u64) -> Self {
        Self(key)
    }

    /// The worker that owns the session.
    #[must_use]
    pub const fn worker(self) -> usize {
        (self.0 >> 56) as usize
    }

    /// How many times the slot was used.
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & GENERATION_MASK
    }

    /// The place among the worker's sessions.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.0 as u32
    }

    /// The generation after this one; never 0, so that no key is 0.
    #[must_use]
    pub(crate) const fn next_generation(generation: u32) -> u32 {
        let next = (generation + 1) & GENERATION_MASK;
        if next == 0 { 1 } else { next }
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SessionKey({}/{}/{})",
            self.worker(),
            self.generation(),
            self.slot()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::SessionKey;

    #[test]
    fn a_key_survives_being_an_integer() {
        let key = SessionKey::new(255, (1 << 24) - 1, u32::MAX);
        assert_eq!(SessionKey::from_u64(key.as_u64()), key);
        assert_eq!(
            (key.worker(), key.generation(), key.slot()),
            (255, (1 << 24) - 1, u32::MAX)
        );
        assert_eq!(SessionKey::next_generation(key.generation()), 1);
    }
}
