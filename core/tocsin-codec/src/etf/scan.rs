//! `Scan`: one pass over JSON that writes its term as it goes, eight octets at a time and without a tree.
//!
//! The grammar is RFC 8259's. Lengths and counts are written when they are known, over the five octets left for them.

use super::snowflake::{self, Place};
use super::{tag, term};

/// Most containers within each other.
const MAX_DEPTH: usize = 127;
/// What is written at once at most; only a part of it may count.
const WIDEST: usize = 16;

/// Appends the term of one JSON value at this place.
///
/// `None` when it is not one JSON value of at most 127 levels; what is in `out` then is of no use.
pub(super) fn push(json: &[u8], place: Place, out: &mut Vec<u8>) -> Option<()> {
    // Octets over 127 are right in strings only, so that the whole may be judged instead of each string.
    std::str::from_utf8(json).ok()?;
    let at = out.len();
    out.reserve(json.len() + json.len() / 4 + WIDEST);
    out.resize(out.capacity(), 0);
    let mut scan = Scan {
        json,
        pos: 0,
        out: std::mem::take(out),
        at,
    };
    let done = scan.value(place, MAX_DEPTH);
    let end = scan.token();
    let pos = scan.pos;
    scan.out.truncate(scan.at);
    *out = scan.out;
    done.filter(|()| end == END && pos == json.len())
}

/// What `token` gives at the end. No value begins with it.
const END: u8 = 0;

struct Scan<'a> {
    json: &'a [u8],
    /// Where we are in `json`.
    pos: usize,
    /// The terms, and room for more after `at`.
    out: Vec<u8>,
    at: usize,
}

impl Scan<'_> {
    /// The next octet that is no white space; it stays.
    #[inline(always)]
    fn token(&mut self) -> u8 {
        match self.json.get(self.pos) {
            Some(&octet) if octet > b' ' => octet,
            _ => self.token_after_space(),
        }
    }

    #[cold]
    fn token_after_space(&mut self) -> u8 {
        while let Some(&octet) = self.json.get(self.pos) {
            if !matches!(octet, b' ' | b'\n' | b'\r' | b'\t') {
                return octet;
            }
            self.pos += 1;
        }
        END
    }

    /// Writes octets at the end, of which the first `count` stay.
    #[inline(always)]
    fn put<const N: usize>(&mut self, octets: &[u8; N], count: usize) {
        self.put_at(self.at, octets);
        self.at += count;
    }

    #[inline(always)]
    fn put_at<const N: usize>(&mut self, at: usize, octets: &[u8; N]) {
        if let Some(room) = self.out.get_mut(at..at + N) {
            room.copy_from_slice(octets);
        } else {
            self.put_and_grow(at, octets);
        }
    }

    #[cold]
    #[inline(never)]
    fn put_and_grow(&mut self, at: usize, octets: &[u8]) {
        let length = at + at / 2 + (self.json.len() - self.pos) + WIDEST;
        self.out.resize(length, 0);
        self.out[at..at + octets.len()].copy_from_slice(octets);
    }

    fn value(&mut self, place: Place, depth: usize) -> Option<()> {
        match self.token() {
            b'"' => self.string(place),
            b'{' => self.map(place, depth.checked_sub(1)?),
            b'[' => self.list(place, depth.checked_sub(1)?),
            b'n' => self.literal(b"null", b"s\x03nil\0\0\0", 5),
            b't' => self.literal(b"true", b"s\x04true\0\0", 6),
            b'f' => self.literal(b"false", b"s\x05false\0", 7),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    #[inline(always)]
    fn literal<const N: usize>(
        &mut self,
        name: &[u8; N],
        atom: &[u8; 8],
        length: usize,
    ) -> Option<()> {
        let found = self.json.get(self.pos..self.pos + N)?;
        if found != name {
            return None;
        }
        self.pos += N;
        self.put(atom, length);
        Some(())
    }

    fn map(&mut self, place: Place, depth: usize) -> Option<()> {
        let head = self.open();
        let mut count = 0u32;
        if self.token() == b'}' {
            self.pos += 1;
            return self.close(head, tag::MAP, count);
        }
        loop {
            if self.token() != b'"' {
                return None;
            }
            let below = self.key(place)?;
            if self.token() != b':' {
                return None;
            }
            self.pos += 1;
            self.value(below, depth)?;
            count = count.checked_add(1)?;
            match self.token() {
                b',' => self.pos += 1,
                b'}' => break,
                _ => return None,
            }
        }
        self.pos += 1;
        self.close(head, tag::MAP, count)
    }

    fn list(&mut self, place: Place, depth: usize) -> Option<()> {
        let head = self.open();
        let mut count = 0u32;
        if self.token() == b']' {
            self.pos += 1;
            // The only form of an empty list that every decoder takes.
            self.at = head;
            self.put(&[tag::NIL], 1);
            return Some(());
        }
        loop {
            self.value(place, depth)?;
            count = count.checked_add(1)?;
            match self.token() {
                b',' => self.pos += 1,
                b']' => break,
                _ => return None,
            }
        }
        self.pos += 1;
        self.close(head, tag::LIST, count)?;
        self.put(&[tag::NIL], 1);
        Some(())
    }

    /// Steps over a bracket and leaves room for a tag and a count; gives its place.
    #[inline(always)]
    fn open(&mut self) -> usize {
        self.pos += 1;
        let head = self.at;
        self.put(&[0; 8], 5);
        head
    }

    #[inline(always)]
    fn close(&mut self, head: usize, tag: u8, count: u32) -> Option<()> {
        let [a, b, c, d] = count.to_be_bytes();
        self.put_at(head, &[tag, a, b, c, d]);
        Some(())
    }

    #[inline(always)]
    fn key(&mut self, place: Place) -> Option<Place> {
        let (start, head) = (self.pos + 1, self.at + 5);
        let plain = self.text()?;
        let key = if plain {
            self.json.get(start..self.pos - 1)?
        } else {
            self.out.get(head..self.at)?
        };
        Some(place.below(key))
    }

    #[inline(always)]
    fn string(&mut self, place: Place) -> Option<()> {
        if place != Place::Snowflake {
            self.text()?;
            return Some(());
        }
        let rest = self.json.get(self.pos + 1..)?;
        if let Some((id, length)) = snowflake::prefix(rest)
            && rest.get(length) == Some(&b'"')
        {
            self.pos += length + 2;
            self.snowflake(id);
            return Some(());
        }
        let head = self.at;
        let plain = self.text()?;
        if !plain && let Some(id) = snowflake::parse(&self.out[head + 5..self.at]) {
            self.at = head;
            self.snowflake(id);
        }
        Some(())
    }

    #[inline(always)]
    fn snowflake(&mut self, id: u64) {
        let (octets, length) = term::snowflake(id);
        self.put(&octets, length);
    }

    /// Writes the string that begins here as a binary; tells whether it is the same octets in JSON.
    #[inline(always)]
    fn text(&mut self) -> Option<bool> {
        self.pos += 1;
        let head = self.at;
        self.at += 5;
        let mut plain = true;
        loop {
            self.run();
            match self.json.get(self.pos)? {
                b'"' => break,
                b'\\' => {
                    plain = false;
                    self.escape()?;
                }
                _ => return None,
            }
        }
        self.pos += 1;
        let length = u32::try_from(self.at - head - 5).ok()?;
        self.close(head, tag::BINARY, length)?;
        Some(plain)
    }

    /// Copies up to the next quote, backslash or control character, or to the end.
    #[inline(always)]
    fn run(&mut self) {
        while let Some(octets) = self.json.get(self.pos..self.pos + 8) {
            let mut eight = [0; 8];
            eight.copy_from_slice(octets);
            self.put_at(self.at, &eight);
            let marks = special(u64::from_le_bytes(eight));
            if marks != 0 {
                let count = marks.trailing_zeros() as usize / 8;
                self.pos += count;
                self.at += count;
                return;
            }
            self.pos += 8;
            self.at += 8;
        }
        while let Some(&octet) = self.json.get(self.pos) {
            if octet < b' ' || octet == b'"' || octet == b'\\' {
                return;
            }
            self.put(&[octet], 1);
            self.pos += 1;
        }
    }

    /// Writes what the escape that begins here stands for.
    fn escape(&mut self) -> Option<()> {
        let octet = match self.json.get(self.pos + 1)? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'u' => return self.escape_u(),
            &octet @ (b'"' | b'\\' | b'/') => octet,
            _ => return None,
        };
        self.pos += 2;
        self.put(&[octet], 1);
        Some(())
    }

    fn escape_u(&mut self) -> Option<()> {
        let mut code = self.code_unit()?;
        if (0xd800..0xdc00).contains(&code) {
            let low = self
                .code_unit()
                .filter(|low| (0xdc00..0xe000).contains(low))?;
            code = 0x1_0000 + ((code - 0xd800) << 10 | (low - 0xdc00));
        }
        // Fails for a low surrogate on its own.
        let character = char::from_u32(code)?;
        let mut octets = [0; 4];
        let length = character.encode_utf8(&mut octets).len();
        self.put(&octets, length);
        Some(())
    }

    /// The number of a `\uXXXX`.
    fn code_unit(&mut self) -> Option<u32> {
        let hex = self
            .json
            .get(self.pos..self.pos + 6)?
            .strip_prefix(b"\\u")?;
        self.pos += 6;
        hex.iter().try_fold(0, |code, &digit| {
            Some(code << 4 | char::from(digit).to_digit(16)?)
        })
    }

    #[inline(always)]
    fn number(&mut self) -> Option<()> {
        let rest = self.json.get(self.pos..)?;
        let digits = rest.strip_prefix(b"-").unwrap_or(rest);
        let mut value = 0u64;
        let mut length = 0;
        let next = loop {
            match digits.get(length) {
                // 18 digits always fit an i64.
                Some(digit @ b'0'..=b'9') if length < 18 => {
                    value = value * 10 + u64::from(digit - b'0');
                    length += 1;
                }
                next => break next.copied().unwrap_or_default(),
            }
        };
        let plain = !matches!(next, b'.' | b'e' | b'E' | b'0'..=b'9');
        // What begins with a zero, or is a bare minus, is either a single zero or for the slow way to judge.
        if !plain || value == 0 || digits.first() == Some(&b'0') {
            return self.odd_number();
        }
        let negative = digits.len() < rest.len();
        self.pos += length + usize::from(negative);
        let (octets, length) = term::integer(value, negative);
        self.put(&octets, length);
        Some(())
    }

    /// Zeros, floats, and integers of more digits than 18. Integers over 64 bits become floats.
    #[cold]
    #[inline(never)]
    fn odd_number(&mut self) -> Option<()> {
        let rest = self.json.get(self.pos..)?;
        let (length, integral) = number_length(rest)?;
        let text = std::str::from_utf8(&rest[..length]).ok()?;
        self.pos += length;
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let negative = unsigned.len() < text.len();
        let integer = integral
            .then(|| unsigned.parse().ok())
            .flatten()
            .filter(|&magnitude: &u64| !negative || (1..=1 << 63).contains(&magnitude));
        let (octets, length) = match integer {
            Some(magnitude) => term::integer(magnitude, negative),
            None => term::float(text.parse().ok().filter(|value: &f64| value.is_finite())?),
        };
        self.put(&octets, length);
        Some(())
    }
}

/// Marks quotes, backslashes and control characters: the lowest mark is right, those above it may not be.
#[inline(always)]
const fn special(eight: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let quote = eight ^ (ONES * b'"' as u64);
    let backslash = eight ^ (ONES * b'\\' as u64);
    let below = eight.wrapping_sub(ONES * b' ' as u64) & !eight;
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    (below | quotes | backslashes) & TOPS
}

/// How long the number at the start is, and whether it has neither a fraction nor an exponent.
fn number_length(text: &[u8]) -> Option<(usize, bool)> {
    let run = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest
            .iter()
            .take_while(|octet| octet.is_ascii_digit())
            .count()
    };
    let digits = |from: usize| Some(run(from)).filter(|&end| end > from);
    let start = usize::from(text.first() == Some(&b'-'));
    let whole = digits(start)?;
    if text[start] == b'0' && whole > start + 1 {
        return None;
    }
    let mut end = whole;
    if text.get(end) == Some(&b'.') {
        end = digits(end + 1)?;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = digits(end + 1 + sign)?;
    }
    Some((end, end == whole))
}
