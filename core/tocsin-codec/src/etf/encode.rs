//! What we send as terms: whole payloads, the pieces of a dispatch, and bare values.
//!
//! Invariant: whatever fails leaves the output as it was.

use serde_json::value::RawValue;

use super::snowflake::Place;
use super::{scan, tag, term};
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
    let (octets, length) = term::integer(seq, false);
    value[..octets.len()].copy_from_slice(&octets);
    ENVELOPE.len() + length
}

/// The start of any payload, up to the value of `s`.
pub(crate) fn envelope_head(seq: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(&ENVELOPE);
    match seq {
        Some(seq) => {
            let (octets, length) = term::integer(seq, false);
            out.extend_from_slice(&octets[..length]);
        }
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

/// How many pairs a map term has, and their octets; `None` for another term.
pub(crate) fn map_pairs(term: &[u8]) -> Option<(u32, &[u8])> {
    let (&[kind, a, b, c, d], pairs) = term.split_first_chunk::<5>()?;
    (kind == tag::MAP).then_some((u32::from_be_bytes([a, b, c, d]), pairs))
}

/// The start of a map term of so many pairs.
pub(crate) fn push_map(pairs: u32, out: &mut Vec<u8>) {
    out.push(tag::MAP);
    out.extend_from_slice(&pairs.to_be_bytes());
}

/// An atom of at most 255 ASCII octets: the form every decoder takes. A longer one is cut.
fn atom(name: &str, out: &mut Vec<u8>) {
    let name = &name.as_bytes()[..name.len().min(255)];
    out.extend_from_slice(&[tag::SMALL_ATOM, name.len() as u8]);
    out.extend_from_slice(name);
}

fn push_json(json: &[u8], place: Place, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    scan::push(json, place, out).ok_or(DecodeError::Json)
}
