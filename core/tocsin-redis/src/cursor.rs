//! `Cursor`: a place in an inbox. Redis numbers an inbox's entries 1-1, 1-2, and so on, so a hole shows by itself.

use thiserror::Error;

/// What an entry's id says about those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misplaced {
    /// Entries are gone: they were trimmed before they were read, or the inbox was made anew.
    #[error("entries {expected}..{got} of the inbox are gone")]
    Gap {
        /// The number after the last one read.
        expected: u64,
        /// The number that came instead.
        got: u64,
    },
    /// An entry that was read before.
    #[error("entry {0} comes again")]
    Again(u64),
    /// An id that no inbox of ours has.
    #[error("an id that is not an inbox's")]
    Foreign,
}

/// The number of the last entry read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(u64);

impl Cursor {
    /// Nothing after entry `number` is read.
    #[must_use]
    pub const fn at(number: u64) -> Self {
        Self(number)
    }

    /// The number of the last entry read.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The id from which XREAD goes on.
    #[must_use]
    pub fn id(self) -> String {
        format!("1-{}", self.0)
    }

    /// Takes the id of the next entry.
    ///
    /// # Errors
    /// [`Misplaced`]; the cursor stays where it is.
    pub fn step(&mut self, id: &[u8]) -> Result<(), Misplaced> {
        let got = number_of(id).ok_or(Misplaced::Foreign)?;
        let expected = self.0 + 1;
        if got > expected {
            return Err(Misplaced::Gap { expected, got });
        }
        if got < expected {
            return Err(Misplaced::Again(got));
        }
        self.0 = got;
        Ok(())
    }
}

/// The number in an id `1-N`.
pub(crate) fn number_of(id: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(id.strip_prefix(b"1-")?).ok()?;
    let number: u64 = number.parse().ok()?;
    // Redis ends before u64 does; a number that could not be followed is none of its.
    (number < u64::MAX).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_number_moves_it() {
        let mut cursor = Cursor::at(1);
        assert_eq!(cursor.step(b"1-2"), Ok(()));
        assert_eq!(
            cursor.step(b"1-5"),
            Err(Misplaced::Gap {
                expected: 3,
                got: 5
            })
        );
        assert_eq!(cursor.step(b"1-2"), Err(Misplaced::Again(2)));
        assert_eq!(cursor.step(b"1-3"), Ok(()));
        assert_eq!((cursor.number(), cursor.id().as_str()), (3, "1-3"));
    }

    #[test]
    fn other_ids_are_foreign() {
        for id in [
            &b""[..],
            b"1",
            b"2-2",
            b"1-",
            b"1--2",
            b"1-18446744073709551615",
            b"1-\xff",
            b"1526919030474-55",
        ] {
            assert_eq!(Cursor::at(1).step(id), Err(Misplaced::Foreign), "{id:?}");
        }
    }
}
