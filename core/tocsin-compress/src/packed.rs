//! `Spliced`: octets that many streams get, each behind a head of its own, deflated once for all of them.

use std::sync::OnceLock;

use crate::CompressError;

/// What each transport makes of some octets, by `Transport as usize`. Kept beside them by whoever owns them.
pub type Packed = [OnceLock<Box<[u8]>>; 2];

/// A part of a payload that other streams get too.
#[derive(Debug, Clone, Copy)]
pub struct Spliced<'a> {
    /// The octets.
    pub bytes: &'a [u8],
    /// What was made of them; they must be the same octets for the same place.
    pub packed: &'a Packed,
}

/// What is kept in a slot, made first if need be. Two threads may both make it; one of theirs is kept.
pub(crate) fn kept(
    slot: &OnceLock<Box<[u8]>>,
    make: impl FnOnce(&mut Vec<u8>) -> Result<(), CompressError>,
) -> Result<&[u8], CompressError> {
    if let Some(found) = slot.get() {
        return Ok(found);
    }
    let mut made = Vec::new();
    make(&mut made)?;
    Ok(slot.get_or_init(|| made.into_boxed_slice()))
}
