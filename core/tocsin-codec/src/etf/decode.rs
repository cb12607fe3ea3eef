//! Terms to JSON, strictly: one pass, no tree, and no work or memory for what is merely announced.
//!
//! Invariant: the output is at most six times the input (an octet that JSON escapes as `\u00xx`).

use std::collections::BTreeSet;

use thiserror::Error;

use super::tag;

/// Why a term is refused: close 4002.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EtfError {
    /// It ends before what it announces.
    #[error("term is cut short")]
    Truncated,
    /// It does not begin with 131.
    #[error("not version 131")]
    Version,
    /// Octets after the term.
    #[error("octets after the term")]
    Trailing,
    /// A tag that we do not know or not take.
    #[error("tag is not taken")]
    Tag,
    /// A compressed term.
    #[error("compressed terms are not taken")]
    Compressed,
    /// More octets than the rules allow.
    #[error("term is too big")]
    Size,
    /// Nested deeper than the rules allow.
    #[error("nested too deep")]
    Depth,
    /// A binary or atom that is not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// An integer over 64 bits, or a float that is not finite.
    #[error("number out of range")]
    Number,
    /// A list whose tail is not empty.
    #[error("improper list")]
    Tail,
    /// A map key of another type than the rules allow.
    #[error("map key is not a string")]
    Key,
    /// A map key that occurs twice.
    #[error("duplicate key")]
    Duplicate,
    /// An atom other than `nil`, `null`, `true`, `false`.
    #[error("unknown atom")]
    Atom,
}

/// What a decoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Most octets of input.
    pub max_bytes: usize,
    /// Most containers within each other.
    pub max_depth: usize,
    /// Keys must be binaries and unique, atoms one of `nil null true false`. Otherwise atoms and integers serve as
    /// keys, other atoms as strings, and a repeated key is written again.
    pub strict: bool,
}

impl Rules {
    /// For commands of clients; the frame decoder's limit comes before this one.
    pub const CLIENT: Self = Self {
        max_bytes: 1 << 20,
        max_depth: crate::json::MAX_DEPTH,
        strict: true,
    };
    /// What erlpack itself takes.
    pub const LENIENT: Self = Self {
        max_bytes: 1 << 24,
        max_depth: 256,
        strict: false,
    };
}

/// A term as JSON. A float without a fraction below 2^53 is written as an integer: erlpack for JS sends those so.
///
/// # Errors
/// An `EtfError`; nothing of the term is of use then.
pub fn etf_to_json(bytes: &[u8], rules: Rules) -> Result<Vec<u8>, EtfError> {
    if bytes.len() > rules.max_bytes {
        return Err(EtfError::Size);
    }
    let (&version, rest) = bytes.split_first().ok_or(EtfError::Truncated)?;
    if version != tag::VERSION {
        return Err(EtfError::Version);
    }
    if rest.first() == Some(&tag::COMPRESSED) {
        return Err(EtfError::Compressed);
    }
    let mut reader = Reader {
        rest,
        rules,
        out: Vec::with_capacity(bytes.len()),
    };
    reader.term(0)?;
    if reader.rest.is_empty() {
        Ok(reader.out)
    } else {
        Err(EtfError::Trailing)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    rules: Rules,
    out: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], EtfError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(EtfError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EtfError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(EtfError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, EtfError> {
        self.array().map(|[octet]| octet)
    }

    fn length16(&mut self) -> Result<usize, EtfError> {
        self.array().map(|octets| u16::from_be_bytes(octets).into())
    }

    fn length32(&mut self) -> Result<usize, EtfError> {
        let length = u32::from_be_bytes(self.array()?);
        usize::try_from(length).map_err(|_| EtfError::Truncated)
    }

    fn length8(&mut self) -> Result<usize, EtfError> {
        self.u8().map(usize::from)
    }

    fn term(&mut self, depth: usize) -> Result<(), EtfError> {
        match self.u8()? {
            tag::SMALL_INTEGER => {
                let value = self.u8()?;
                self.integer(value.into());
            }
            tag::INTEGER => {
                let value = i32::from_be_bytes(self.array()?);
                self.integer(value.into());
            }
            tag::SMALL_BIG => {
                let length = self.length8()?;
                let value = self.big(length)?;
                self.integer(value);
            }
            tag::LARGE_BIG => {
                let length = self.length32()?;
                let value = self.big(length)?;
                self.integer(value);
            }
            tag::NEW_FLOAT => {
                let value = f64::from_be_bytes(self.array()?);
                self.float(value)?;
            }
            tag::FLOAT => {
                let value = float_of_text(self.take(31)?)?;
                self.float(value)?;
            }
            tag::BINARY => {
                let text = self.binary()?;
                self.string(text);
            }
            tag @ (tag::ATOM | tag::SMALL_ATOM | tag::ATOM_UTF8 | tag::SMALL_ATOM_UTF8) => {
                let text = self.atom(tag)?;
                match text.as_str() {
                    "nil" | "null" => self.out.extend_from_slice(b"null"),
                    "true" | "false" => self.out.extend_from_slice(text.as_bytes()),
                    _ if self.rules.strict => return Err(EtfError::Atom),
                    _ => self.string(&text),
                }
            }
            tag::NIL => self.out.extend_from_slice(b"[]"),
            tag::STRING => self.string_ext(depth)?,
            tag::LIST => {
                let count = self.length32()?;
                self.elements(count, depth)?;
                if self.u8()? != tag::NIL {
                    return Err(EtfError::Tail);
                }
            }
            tag::SMALL_TUPLE => {
                let count = self.length8()?;
                self.elements(count, depth)?;
            }
            tag::LARGE_TUPLE => {
                let count = self.length32()?;
                self.elements(count, depth)?;
            }
            tag::MAP => self.map(depth)?,
            _ => return Err(EtfError::Tag),
        }
        Ok(())
    }

    fn inner(&self, depth: usize) -> Result<usize, EtfError> {
        if depth >= self.rules.max_depth {
            return Err(EtfError::Depth);
        }
        Ok(depth + 1)
    }

    fn elements(&mut self, count: usize, depth: usize) -> Result<(), EtfError> {
        let inner = self.inner(depth)?;
        // Every element takes an octet at least.
        if count > self.rest.len() {
            return Err(EtfError::Truncated);
        }
        self.out.push(b'[');
        for at in 0..count {
            if at > 0 {
                self.out.push(b',');
            }
            self.term(inner)?;
        }
        self.out.push(b']');
        Ok(())
    }

    /// A list of octets, as Erlang shortens it.
    fn string_ext(&mut self, depth: usize) -> Result<(), EtfError> {
        self.inner(depth)?;
        let length = self.length16()?;
        let octets = self.take(length)?;
        self.out.push(b'[');
        for (at, &octet) in octets.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.integer(octet.into());
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, depth: usize) -> Result<(), EtfError> {
        let inner = self.inner(depth)?;
        let count = self.length32()?;
        // Every entry takes two octets at least.
        if count > self.rest.len() / 2 {
            return Err(EtfError::Truncated);
        }
        let mut seen = BTreeSet::new();
        self.out.push(b'{');
        for at in 0..count {
            if at > 0 {
                self.out.push(b',');
            }
            if let Some(key) = self.key()?
                && self.rules.strict
                && !seen.insert(key)
            {
                return Err(EtfError::Duplicate);
            }
            self.out.push(b':');
            self.term(inner)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Writes a key; gives it back when it was a binary.
    fn key(&mut self) -> Result<Option<&'a str>, EtfError> {
        let tag = self.u8()?;
        match tag {
            tag::BINARY => {
                let text = self.binary()?;
                self.string(text);
                return Ok(Some(text));
            }
            _ if self.rules.strict => return Err(EtfError::Key),
            tag::ATOM | tag::SMALL_ATOM | tag::ATOM_UTF8 | tag::SMALL_ATOM_UTF8 => {
                let text = self.atom(tag)?;
                self.string(&text);
            }
            tag::SMALL_INTEGER => {
                let key = self.u8()?;
                self.string(&key.to_string());
            }
            tag::INTEGER => {
                let key = i32::from_be_bytes(self.array()?);
                self.string(&key.to_string());
            }
            tag::SMALL_BIG => {
                let length = self.length8()?;
                let key = self.big(length)?;
                self.string(&key.to_string());
            }
            _ => return Err(EtfError::Key),
        }
        Ok(None)
    }

    fn binary(&mut self) -> Result<&'a str, EtfError> {
        let length = self.length32()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| EtfError::Utf8)
    }

    fn atom(&mut self, tag: u8) -> Result<String, EtfError> {
        let length = match tag {
            tag::ATOM | tag::ATOM_UTF8 => self.length16()?,
            _ => self.length8()?,
        };
        let octets = self.take(length)?;
        if matches!(tag, tag::ATOM | tag::SMALL_ATOM) {
            // Latin-1: an octet is its code point.
            return Ok(octets.iter().map(|&octet| char::from(octet)).collect());
        }
        let text = std::str::from_utf8(octets).map_err(|_| EtfError::Utf8)?;
        Ok(text.to_owned())
    }

    /// The value of a big integer, which must fit a u64, or an i64 when it is negative.
    fn big(&mut self, length: usize) -> Result<i128, EtfError> {
        let negative = self.u8()? != 0;
        let digits = self.take(length)?;
        let (low, high) = digits.split_at(length.min(8));
        if high.iter().any(|&digit| digit != 0) {
            return Err(EtfError::Number);
        }
        let magnitude = low
            .iter()
            .rev()
            .fold(0u64, |sum, &digit| sum << 8 | u64::from(digit));
        if negative && magnitude > 1 << 63 {
            return Err(EtfError::Number);
        }
        let magnitude = i128::from(magnitude);
        Ok(if negative { -magnitude } else { magnitude })
    }

    fn integer(&mut self, value: i128) {
        let mut digits = itoa::Buffer::new();
        self.out.extend_from_slice(digits.format(value).as_bytes());
    }

    fn float(&mut self, value: f64) -> Result<(), EtfError> {
        const EXACT: f64 = (1u64 << 53) as f64;
        if value.fract() == 0.0 && value.abs() < EXACT {
            self.integer(value as i128);
            return Ok(());
        }
        if !value.is_finite() {
            return Err(EtfError::Number);
        }
        serde_json::to_writer(&mut self.out, &value).map_err(|_| EtfError::Number)
    }

    fn string(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.out.push(b'"');
        let bytes = text.as_bytes();
        let mut plain = 0;
        for (at, &octet) in bytes.iter().enumerate() {
            if octet >= 0x20 && octet != b'"' && octet != b'\\' {
                continue;
            }
            self.out.extend_from_slice(&bytes[plain..at]);
            plain = at + 1;
            if octet < 0x20 {
                let (high, low) = (octet >> 4, octet & 15);
                self.out.extend_from_slice(b"\\u00");
                self.out
                    .extend_from_slice(&[HEX[usize::from(high)], HEX[usize::from(low)]]);
            } else {
                self.out.extend_from_slice(&[b'\\', octet]);
            }
        }
        self.out.extend_from_slice(&bytes[plain..]);
        self.out.push(b'"');
    }
}

/// FLOAT_EXT: 31 octets of `%.20e` text, filled up with zeros.
fn float_of_text(octets: &[u8]) -> Result<f64, EtfError> {
    let text = std::str::from_utf8(octets).map_err(|_| EtfError::Number)?;
    let text = text.trim_end_matches('\0');
    if !text
        .bytes()
        .all(|octet| octet.is_ascii_digit() || matches!(octet, b'+' | b'-' | b'.' | b'e'))
    {
        return Err(EtfError::Number);
    }
    text.parse().map_err(|_| EtfError::Number)
}
