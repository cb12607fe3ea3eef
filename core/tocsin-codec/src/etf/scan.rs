//! JSON to terms in one pass, sixteen octets at a time and without a tree. The grammar is RFC 8259's.
//!
//! `pos` is where we are in the JSON, `at` where in the output; both go from function to function by value, to stay in
//! registers. More octets may be written than count: the next term goes over the rest. Lengths and counts are written
//! when they are known, into the five octets left for them.

use super::snowflake::{self, Place};
use super::{tag, term};

/// Most containers within each other.
const MAX_DEPTH: usize = 127;
/// Room for what is written over the end of the last term.
const OVERHANG: usize = 32;

/// Why a pass ended early.
enum Stop {
    Malformed,
    /// The output has no room.
    Full,
}

/// Where a term and its JSON end.
type Ends = Result<(usize, usize), Stop>;

/// Appends the term of one JSON value at this place.
///
/// `None` when it is not one JSON value of at most 127 levels; `out` is as it was then.
pub(super) fn push(json: &[u8], place: Place, out: &mut Vec<u8>) -> Option<()> {
    // Octets over 127 are right in strings only, so that the whole may be judged instead of each string.
    std::str::from_utf8(json).ok()?;
    let start = out.len();
    // A value of n octets takes no more than 3(n + 1), as floats of two octets show, and hardly ever over 1.5 n.
    for room in [json.len() + json.len() / 2, 3 * (json.len() + 1)] {
        out.resize(start + room + OVERHANG, 0);
        match value(json, out, token(json, 0), start, place, MAX_DEPTH) {
            Err(Stop::Full) => {}
            Ok((pos, at)) if is_end(token(json, pos), json) => {
                out.truncate(at);
                return Some(());
            }
            Ok(_) | Err(Stop::Malformed) => break,
        }
    }
    out.truncate(start);
    None
}

fn is_end((_, pos): (u8, usize), json: &[u8]) -> bool {
    pos == json.len()
}

/// The next octet that is no white space, and its place; at the end a zero, with which nothing begins.
#[inline(always)]
fn token(json: &[u8], pos: usize) -> (u8, usize) {
    match json.get(pos) {
        Some(&octet) if octet > b' ' => (octet, pos),
        _ => token_after_space(json, pos),
    }
}

#[cold]
#[inline(never)]
fn token_after_space(json: &[u8], mut pos: usize) -> (u8, usize) {
    while let Some(&octet) = json.get(pos) {
        if !matches!(octet, b' ' | b'\n' | b'\r' | b'\t') {
            return (octet, pos);
        }
        pos += 1;
    }
    (0, pos)
}

#[inline(always)]
fn chunk<const N: usize>(json: &[u8], pos: usize) -> Option<&[u8; N]> {
    json.get(pos..)?.first_chunk()
}

#[inline(always)]
fn put<const N: usize>(out: &mut [u8], at: usize, octets: &[u8; N]) -> Result<(), Stop> {
    let room = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
    *room.ok_or(Stop::Full)? = *octets;
    Ok(())
}

/// The head of a list, a map or a binary.
#[inline(always)]
fn put_head(out: &mut [u8], at: usize, tag: u8, count: usize) -> Result<(), Stop> {
    let count = u32::try_from(count).map_err(|_| Stop::Malformed)?;
    let [a, b, c, d] = count.to_be_bytes();
    put(out, at, &[tag, a, b, c, d])
}

/// The value that begins with this token.
#[inline(always)]
fn value(
    json: &[u8],
    out: &mut [u8],
    (first, pos): (u8, usize),
    at: usize,
    place: Place,
    depth: usize,
) -> Ends {
    match first {
        b'"' if place == Place::Snowflake => id(json, out, pos + 1, at),
        b'"' => text(json, out, pos + 1, at).map(|text| (text.pos, text.at)),
        b'n' => literal(json, out, pos, at, b"null", b"s\x03nil\0\0\0", 5),
        b't' => literal(json, out, pos, at, b"true", b"s\x04true\0\0", 6),
        b'f' => literal(json, out, pos, at, b"false", b"s\x05false\0", 7),
        b'{' => map(json, out, pos + 1, at, place, depth),
        b'[' => list(json, out, pos + 1, at, place, depth),
        b'-' | b'0'..=b'9' => number(json, out, pos, at),
        _ => Err(Stop::Malformed),
    }
}

#[inline(always)]
fn literal<const N: usize>(
    json: &[u8],
    out: &mut [u8],
    pos: usize,
    at: usize,
    name: &[u8; N],
    atom: &[u8; 8],
    length: usize,
) -> Ends {
    if chunk(json, pos) != Some(name) {
        return Err(Stop::Malformed);
    }
    put(out, at, atom)?;
    Ok((pos + N, at + length))
}

fn map(json: &[u8], out: &mut [u8], pos: usize, head: usize, place: Place, depth: usize) -> Ends {
    let depth = depth.checked_sub(1).ok_or(Stop::Malformed)?;
    let mut at = head + 5;
    let mut count = 0;
    let (mut next, mut pos) = token(json, pos);
    if next != b'}' {
        loop {
            if next != b'"' {
                return Err(Stop::Malformed);
            }
            let key = text(json, out, pos + 1, at)?;
            let name = if key.plain {
                json.get(pos + 1..key.pos - 1)
            } else {
                out.get(at + 5..key.at)
            };
            let below = place.below(name.unwrap_or_default());
            (next, pos) = token(json, key.pos);
            if next != b':' {
                return Err(Stop::Malformed);
            }
            (pos, at) = value(json, out, token(json, pos + 1), key.at, below, depth)?;
            count += 1;
            (next, pos) = token(json, pos);
            match next {
                b',' => (next, pos) = token(json, pos + 1),
                b'}' => break,
                _ => return Err(Stop::Malformed),
            }
        }
    }
    put_head(out, head, tag::MAP, count)?;
    Ok((pos + 1, at))
}

fn list(json: &[u8], out: &mut [u8], pos: usize, head: usize, place: Place, depth: usize) -> Ends {
    let depth = depth.checked_sub(1).ok_or(Stop::Malformed)?;
    let (mut next, mut pos) = token(json, pos);
    if next == b']' {
        // The only form of an empty list that every decoder takes.
        put(out, head, &[tag::NIL])?;
        return Ok((pos + 1, head + 1));
    }
    let mut at = head + 5;
    let mut count = 0;
    loop {
        (pos, at) = value(json, out, (next, pos), at, place, depth)?;
        count += 1;
        (next, pos) = token(json, pos);
        match next {
            b',' => (next, pos) = token(json, pos + 1),
            b']' => break,
            _ => return Err(Stop::Malformed),
        }
    }
    put_head(out, head, tag::LIST, count)?;
    put(out, at, &[tag::NIL])?;
    Ok((pos + 1, at + 1))
}

/// The value of a string where ids are snowflakes.
#[inline(always)]
fn id(json: &[u8], out: &mut [u8], pos: usize, at: usize) -> Ends {
    let rest = json.get(pos..).unwrap_or_default();
    if let Some((id, length)) = snowflake::prefix(rest)
        && rest.get(length) == Some(&b'"')
    {
        let (octets, width) = term::snowflake(id);
        put(out, at, &octets)?;
        return Ok((pos + length + 1, at + width));
    }
    odd_id(json, out, pos, at)
}

#[cold]
#[inline(never)]
fn odd_id(json: &[u8], out: &mut [u8], pos: usize, at: usize) -> Ends {
    let text = text(json, out, pos, at)?;
    let decoded = out.get(at + 5..text.at).unwrap_or_default();
    let Some(id) = snowflake::parse(decoded) else {
        return Ok((text.pos, text.at));
    };
    let (octets, width) = term::snowflake(id);
    put(out, at, &octets)?;
    Ok((text.pos, at + width))
}

/// A string's ends, and whether its octets are those between the quotes.
struct Text {
    pos: usize,
    at: usize,
    plain: bool,
}

/// The string after whose opening quote we are.
#[inline(always)]
fn text(json: &[u8], out: &mut [u8], mut pos: usize, head: usize) -> Result<Text, Stop> {
    let mut at = head + 5;
    while let Some(sixteen) = chunk::<16>(json, pos) {
        put(out, at, sixteen)?;
        let length = plain_length(sixteen);
        pos += length;
        at += length;
        if length < 16 {
            if json.get(pos) != Some(&b'"') {
                break;
            }
            put_head(out, head, tag::BINARY, at - head - 5)?;
            return Ok(Text {
                pos: pos + 1,
                at,
                plain: true,
            });
        }
    }
    odd_text(json, out, pos, at, head)
}

/// The rest of a string that has escapes or is near the end.
#[cold]
#[inline(never)]
fn odd_text(
    json: &[u8],
    out: &mut [u8],
    mut pos: usize,
    mut at: usize,
    head: usize,
) -> Result<Text, Stop> {
    let mut plain = true;
    loop {
        while let Some(sixteen) = chunk::<16>(json, pos) {
            put(out, at, sixteen)?;
            let length = plain_length(sixteen);
            pos += length;
            at += length;
            if length < 16 {
                break;
            }
        }
        match json.get(pos) {
            Some(b'"') => {
                put_head(out, head, tag::BINARY, at - head - 5)?;
                return Ok(Text {
                    pos: pos + 1,
                    at,
                    plain,
                });
            }
            Some(b'\\') => {
                plain = false;
                let (length, octets, width) = escape(json, pos).ok_or(Stop::Malformed)?;
                put(out, at, &octets)?;
                pos += length;
                at += width;
            }
            Some(&octet) if octet >= b' ' => {
                put(out, at, &[octet])?;
                pos += 1;
                at += 1;
            }
            _ => return Err(Stop::Malformed),
        }
    }
}

/// How many of the octets come before the first quote, backslash or control character.
#[inline(always)]
fn plain_length(sixteen: &[u8; 16]) -> usize {
    let both = u128::from_le_bytes(*sixteen);
    let (low, high) = (marks(both as u64), marks((both >> 64) as u64));
    let zeros = if low == 0 {
        64 + high.trailing_zeros()
    } else {
        low.trailing_zeros()
    };
    zeros as usize / 8
}

/// Marks quotes, backslashes and control characters: the lowest mark is right, those above it may not be.
#[inline(always)]
const fn marks(eight: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    // Changes places of 0x20 and the quote, 0x22, so that all below 0x21 are to be marked.
    let quote_or_control = (eight ^ (EACH * 2)).wrapping_sub(EACH * 0x21);
    let backslash = (eight ^ (EACH * b'\\' as u64)).wrapping_sub(EACH);
    (quote_or_control | backslash) & !eight & (EACH << 7)
}

/// The length of the escape that begins here, the octets that it stands for, and their count.
fn escape(json: &[u8], pos: usize) -> Option<(usize, [u8; 4], usize)> {
    let octet = match json.get(pos + 1)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'u' => {
            let (length, character) = unicode_escape(json, pos)?;
            let mut octets = [0; 4];
            let width = character.encode_utf8(&mut octets).len();
            return Some((length, octets, width));
        }
        &octet @ (b'"' | b'\\' | b'/') => octet,
        _ => return None,
    };
    Some((2, [octet, 0, 0, 0], 1))
}

/// One `\uXXXX`, or two that make a surrogate pair. `None` for half a pair.
fn unicode_escape(json: &[u8], pos: usize) -> Option<(usize, char)> {
    let code_unit = |pos| {
        let hex = chunk::<6>(json, pos)?.strip_prefix(b"\\u")?;
        hex.iter().try_fold(0, |code, &digit| {
            Some(code << 4 | char::from(digit).to_digit(16)?)
        })
    };
    let first = code_unit(pos)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).map(|character| (6, character));
    }
    let second = code_unit(pos + 6).filter(|second| (0xdc00..0xe000).contains(second))?;
    let code = 0x1_0000 + ((first - 0xd800) << 10 | (second - 0xdc00));
    char::from_u32(code).map(|character| (12, character))
}

#[inline(always)]
fn number(json: &[u8], out: &mut [u8], pos: usize, at: usize) -> Ends {
    let negative = json.get(pos) == Some(&b'-');
    let start = pos + usize::from(negative);
    let mut end = start;
    let mut magnitude = 0u64;
    // 18 digits always fit an i64.
    while let Some(&octet @ b'0'..=b'9') = json.get(end)
        && end < start + 18
    {
        magnitude = magnitude * 10 + u64::from(octet - b'0');
        end += 1;
    }
    let more = matches!(json.get(end), Some(b'.' | b'e' | b'E' | b'0'..=b'9'));
    let zero = json.get(start) == Some(&b'0');
    // What begins with a zero is that zero, or something to be judged by the slow way.
    if more || end == start || (zero && (negative || end > start + 1)) {
        return odd_number(json, out, pos, at);
    }
    let (octets, width) = term::integer(magnitude, negative);
    put(out, at, &octets)?;
    Ok((end, at + width))
}

/// Floats, and integers of more digits than 18. Those over 64 bits become floats.
#[cold]
#[inline(never)]
fn odd_number(json: &[u8], out: &mut [u8], pos: usize, at: usize) -> Ends {
    let (octets, width, length) = read_odd_number(&json[pos..]).ok_or(Stop::Malformed)?;
    put(out, at, &octets)?;
    Ok((pos + length, at + width))
}

fn read_odd_number(rest: &[u8]) -> Option<([u8; 16], usize, usize)> {
    let (length, integral) = number_length(rest)?;
    let text = std::str::from_utf8(&rest[..length]).ok()?;
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let negative = unsigned.len() < text.len();
    let integer = integral
        .then(|| unsigned.parse().ok())
        .flatten()
        // Minus zero is a float.
        .filter(|&magnitude: &u64| !negative || (1..=1 << 63).contains(&magnitude));
    let (octets, width) = match integer {
        Some(magnitude) => term::integer(magnitude, negative),
        None => term::float(text.parse().ok().filter(|value: &f64| value.is_finite())?),
    };
    Some((octets, width, length))
}

/// How long the number at the start is, and whether it has neither a fraction nor an exponent.
fn number_length(text: &[u8]) -> Option<(usize, bool)> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|octet| octet.is_ascii_digit());
        Some(from + count.count()).filter(|&end| end > from)
    };
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
