//! `SessionId`: the opaque name of a session, 128 random bits, 32 hex digits on the wire.

use std::fmt;
use std::str::FromStr;

/// A session's public id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

/// The text is not 32 lowercase or uppercase hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotASessionId;

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever holds the id and a token may resume: keep most of it out of logs.
        write!(f, "SessionId({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl FromStr for SessionId {
    type Err = NotASessionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return Err(NotASessionId);
        }
        let mut id = [0; 16];
        for (octet, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *octet = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(id))
    }
}

const fn nibble(digit: u8) -> Result<u8, NotASessionId> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(NotASessionId),
    }
}

#[cfg(test)]
mod tests {
    use super::{NotASessionId, SessionId};

    #[test]
    fn an_id_survives_its_text() {
        let id = SessionId([0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("xyz".parse::<SessionId>(), Err(NotASessionId));
        assert_eq!("é".repeat(16).parse::<SessionId>(), Err(NotASessionId));
    }
}
