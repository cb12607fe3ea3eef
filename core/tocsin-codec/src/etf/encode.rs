//! JSON to terms in one pass, straight from the parser's events.
//!
//! Invariant: whatever fails leaves the output as it was.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::snowflake::{self, Place};
use super::tag;
use crate::command::DecodeError;

/// The event whose own `id` names a member list (protocol.md §1.11).
const MEMBER_LIST: &str = "GUILD_MEMBER_LIST_UPDATE";

/// A JSON value as a term, keys and strings as binaries, ids as they are.
///
/// # Errors
/// `Json` when it is not one JSON value of at most 127 levels.
pub fn term_of_json(json: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(json.len() + json.len() / 4 + 16);
    out.push(tag::VERSION);
    push_json(json, Place::Never, &mut out)?;
    Ok(out)
}

/// A gateway payload `{"op":..,"d":..,"s":..,"t":..}` as clients with `encoding=etf` get it: the envelope's keys and `t`
/// are atoms, all else is binaries, snowflakes are integers (protocol.md §5.4).
///
/// # Errors
/// `Json` when it is not JSON, `Envelope` when it is no envelope.
pub fn json_to_etf(json: &[u8]) -> Result<Vec<u8>, DecodeError> {
    #[derive(serde::Deserialize)]
    struct Wire<'a> {
        op: u8,
        #[serde(borrow, default)]
        d: Option<&'a RawValue>,
        #[serde(default)]
        s: Option<u64>,
        #[serde(default)]
        t: Option<String>,
    }
    let wire: Wire<'_> = serde_json::from_slice(json).map_err(|_| DecodeError::Envelope)?;
    let mut out = Vec::with_capacity(json.len() + json.len() / 4 + 16);
    envelope_head(wire.s, &mut out);
    let d = wire.d.map_or(&b"null"[..], |d| d.get().as_bytes());
    push_envelope(wire.t.as_deref(), wire.op, &mut out);
    push_body(wire.t.as_deref().unwrap_or_default(), d, &mut out)?;
    Ok(out)
}

/// The version, the envelope's map of four, and its first key `s`.
const ENVELOPE: [u8; 9] = [tag::VERSION, tag::MAP, 0, 0, 0, 4, tag::SMALL_ATOM, 1, b's'];

/// The start of a dispatch, up to the value of `s`; returns its length, 11 to 20 octets.
pub(crate) fn dispatch_head(seq: u64, out: &mut [u8; 32]) -> usize {
    let (prefix, value) = out.split_at_mut(ENVELOPE.len());
    prefix.copy_from_slice(&ENVELOPE);
    if let Ok(small) = u8::try_from(seq) {
        value[..2].copy_from_slice(&[tag::SMALL_INTEGER, small]);
        ENVELOPE.len() + 2
    } else if let Ok(middle) = i32::try_from(seq) {
        value[0] = tag::INTEGER;
        value[1..5].copy_from_slice(&middle.to_be_bytes());
        ENVELOPE.len() + 5
    } else {
        let length = big_length(seq);
        value[..3].copy_from_slice(&[tag::SMALL_BIG, length as u8, 0]);
        value[3..3 + length].copy_from_slice(&seq.to_le_bytes()[..length]);
        ENVELOPE.len() + 3 + length
    }
}

/// The start of any payload, up to the value of `s`.
pub(crate) fn envelope_head(seq: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(&ENVELOPE);
    match seq {
        Some(seq) => unsigned(seq, out),
        None => atom("nil", out),
    }
}

/// The entries `t` and `op` and the key `d`: only the term of `d` is still to follow.
pub(crate) fn push_envelope(name: Option<&str>, op: u8, out: &mut Vec<u8>) {
    atom("t", out);
    atom(name.unwrap_or("nil"), out);
    atom("op", out);
    out.extend_from_slice(&[tag::SMALL_INTEGER, op]);
    atom("d", out);
}

/// The term of an event's `d`.
pub(crate) fn push_body(event: &str, json: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let place = if event == MEMBER_LIST {
        Place::ForeignId
    } else {
        Place::Plain
    };
    push_json(json, place, out)
}

/// An atom of at most 255 ASCII octets: the form every decoder takes. A longer one is cut.
fn atom(name: &str, out: &mut Vec<u8>) {
    let name = &name.as_bytes()[..name.len().min(255)];
    out.extend_from_slice(&[tag::SMALL_ATOM, name.len() as u8]);
    out.extend_from_slice(name);
}

/// A non-negative integer in its shortest form.
fn unsigned(value: u64, out: &mut Vec<u8>) {
    if let Ok(small) = u8::try_from(value) {
        out.extend_from_slice(&[tag::SMALL_INTEGER, small]);
    } else if let Ok(middle) = i32::try_from(value) {
        out.push(tag::INTEGER);
        out.extend_from_slice(&middle.to_be_bytes());
    } else {
        big(value, false, out);
    }
}

fn signed(value: i64, out: &mut Vec<u8>) {
    if let Ok(value) = u64::try_from(value) {
        unsigned(value, out);
    } else if let Ok(middle) = i32::try_from(value) {
        out.push(tag::INTEGER);
        out.extend_from_slice(&middle.to_be_bytes());
    } else {
        big(value.unsigned_abs(), true, out);
    }
}

const fn big_length(magnitude: u64) -> usize {
    8 - magnitude.leading_zeros() as usize / 8
}

fn big(magnitude: u64, negative: bool, out: &mut Vec<u8>) {
    let length = big_length(magnitude);
    out.extend_from_slice(&[tag::SMALL_BIG, length as u8, u8::from(negative)]);
    out.extend_from_slice(&magnitude.to_le_bytes()[..length]);
}

/// All eight octets, even when fewer would do: erlpack for JS gives a string for more than four, a number for less.
fn snowflake(id: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::SMALL_BIG, 8, 0]);
    out.extend_from_slice(&id.to_le_bytes());
}

fn binary<E: serde::de::Error>(text: &str, out: &mut Vec<u8>) -> Result<(), E> {
    let length = u32::try_from(text.len()).map_err(|_| E::custom("string too long"))?;
    out.push(tag::BINARY);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn push_json(json: &[u8], place: Place, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let before = out.len();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let done = Term {
        place,
        out: &mut *out,
    }
    .deserialize(&mut deserializer)
    .and_then(|()| deserializer.end());
    done.map_err(|_| {
        out.truncate(before);
        DecodeError::Json
    })
}

struct Term<'a> {
    place: Place,
    out: &'a mut Vec<u8>,
}

impl Term<'_> {
    /// Reserves a counted term's head and gives the place of its count.
    fn open(&mut self, tag: u8) -> usize {
        self.out.extend_from_slice(&[tag, 0, 0, 0, 0]);
        self.out.len() - 4
    }

    fn close<E: serde::de::Error>(&mut self, at: usize, count: usize) -> Result<(), E> {
        let count = u32::try_from(count).map_err(|_| E::custom("too many entries"))?;
        self.out[at..at + 4].copy_from_slice(&count.to_be_bytes());
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Term<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Term<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        atom("nil", self.out);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        atom(if value { "true" } else { "false" }, self.out);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        unsigned(value, self.out);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        signed(value, self.out);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.out.push(tag::NEW_FLOAT);
        self.out.extend_from_slice(&value.to_be_bytes());
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if self.place == Place::Snowflake
            && let Some(id) = snowflake::parse(text)
        {
            snowflake(id, self.out);
            return Ok(());
        }
        binary(text, self.out)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let at = self.open(tag::LIST);
        let mut count = 0;
        while items
            .next_element_seed(Term {
                place: self.place,
                out: &mut *self.out,
            })?
            .is_some()
        {
            count += 1;
        }
        if count == 0 {
            // The only form of an empty list that every decoder takes.
            self.out.truncate(at - 1);
        } else {
            self.close(at, count)?;
        }
        self.out.push(tag::NIL);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let at = self.open(tag::MAP);
        let mut count = 0;
        while let Some(place) = entries.next_key_seed(Key {
            place: self.place,
            out: &mut *self.out,
        })? {
            entries.next_value_seed(Term {
                place,
                out: &mut *self.out,
            })?;
            count += 1;
        }
        self.close(at, count)
    }
}

/// An object's key: writes it, and tells the place of its value.
struct Key<'a> {
    place: Place,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Place;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Place, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Place, E> {
        binary(key, self.out)?;
        Ok(self.place.below(key))
    }
}
