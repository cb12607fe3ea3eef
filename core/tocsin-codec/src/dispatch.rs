//! `EncodedDispatch`: one event, encoded at most once per variant and encoding, with a hole for each session's `s`.
//!
//! On the wire a dispatch is a short head with `s` (`{"s":N,`, or the start of a map term) and then bytes shared by every
//! recipient (`"t":"NAME","op":0,"d":{...}}`, or the map's other entries).

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::content::{self, Shown};
use crate::etf;
use crate::fragment::Fragment;

pub use crate::content::ContentGate;

/// Which bytes a session gets. The message and the one it answers are judged apart (protocol.md §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Everything.
    Full,
    /// With the message's content, without that of the message it answers.
    WithoutReference,
    /// Without the message's content, with that of the message it answers.
    OnlyReference,
    /// Without any content.
    Stripped,
}

impl Variant {
    /// How many there are.
    pub const COUNT: usize = 4;

    const fn shown(self) -> Shown {
        Shown {
            message: matches!(self, Self::Full | Self::WithoutReference),
            reference: matches!(self, Self::Full | Self::OnlyReference),
        }
    }
}

/// An event ready for fan-out. Shared by all recipients and replay logs.
#[derive(Debug)]
pub struct EncodedDispatch {
    name: Box<str>,
    full: Bytes,
    gate: Option<ContentGate>,
    /// What follows `full` inside `d`; if there is any, `full` is not closed.
    fragments: Box<[Arc<Fragment>]>,
    lazy: OnceLock<Box<Lazy>>,
}

/// What most events never need, made on first use. `Variant::Full` of `json` stays empty: it is the dispatch itself.
#[derive(Debug, Default)]
struct Lazy {
    json: [OnceLock<Bytes>; Variant::COUNT],
    etf: [OnceLock<Bytes>; Variant::COUNT],
    reference: OnceLock<Option<ContentGate>>,
}

/// Room for `{"s":` + 20 digits + `,`, and for the start of the map term with its `s`.
pub const MAX_HEAD_BYTES: usize = 32;

impl EncodedDispatch {
    /// Takes an event's name (at most 255 octets) and the JSON of its `d`. With a gate, sessions without leave get a
    /// stripped variant.
    #[must_use]
    pub fn new(name: &str, body: Bytes, gate: Option<ContentGate>) -> Self {
        Self {
            name: name.into(),
            full: rest(name, &body, true),
            gate,
            fragments: Box::default(),
            lazy: OnceLock::new(),
        }
    }

    /// Takes an event's name (at most 255 octets) and the JSON of the first members of its `d`, at least one, without
    /// braces; the fragments, at least one, are its other members.
    #[must_use]
    pub fn with_fragments(name: &str, first: &[u8], fragments: Box<[Arc<Fragment>]>) -> Self {
        Self {
            name: name.into(),
            full: rest(name, &[b"{", first].concat(), false),
            gate: None,
            fragments,
            lazy: OnceLock::new(),
        }
    }

    /// What follows the shared bytes, between them and [`JSON_END`] in JSON, up to the end in ETF.
    #[must_use]
    pub fn fragments(&self) -> &[Arc<Fragment>] {
        &self.fragments
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The JSON of `d`, in full, less the fragments and what closes it after them.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body_of(&self.full)
    }

    /// Who sees its content without leave, if it has any that is gated.
    #[must_use]
    pub const fn gate(&self) -> Option<&ContentGate> {
        self.gate.as_ref()
    }

    /// Octets it takes in a replay log's account.
    #[must_use]
    pub fn cost_bytes(&self) -> usize {
        let fragments = self.fragments.iter().map(|each| each.json().len());
        self.full.len() + fragments.sum::<usize>()
    }

    /// The variant for a session: `sees_content` is true for people and for bots with MESSAGE_CONTENT.
    #[must_use]
    pub fn variant_for(&self, user_id: u64, sees_content: bool) -> Variant {
        let Some(gate) = &self.gate else {
            return Variant::Full;
        };
        if sees_content {
            return Variant::Full;
        }
        let reference = self
            .lazy()
            .reference
            .get_or_init(|| content::reference_gate(self.body()));
        let message = gate.admits(user_id);
        // Without a message to answer there is one stripped variant and not two.
        let reference = reference
            .as_ref()
            .map_or(message, |reference| reference.admits(user_id));
        match (message, reference) {
            (true, true) => Variant::Full,
            (true, false) => Variant::WithoutReference,
            (false, true) => Variant::OnlyReference,
            (false, false) => Variant::Stripped,
        }
    }

    /// The shared bytes after `json_head`: `"t":"NAME","op":0,"d":{...}}`, not closed if fragments follow.
    #[must_use]
    pub fn json_rest(&self, variant: Variant) -> &Bytes {
        if variant == Variant::Full {
            return &self.full;
        }
        self.lazy().json[variant as usize].get_or_init(|| {
            // Of what cannot be read nothing may be shown.
            let body = content::strip(self.body(), variant.shown());
            rest(&self.name, body.as_deref().unwrap_or(b"null"), true)
        })
    }

    /// The shared bytes after `etf_head`: the map's entries `t`, `op` and `d`.
    #[must_use]
    pub fn etf_rest(&self, variant: Variant) -> &Bytes {
        self.lazy().etf[variant as usize].get_or_init(|| {
            let json = self.body_of(self.json_rest(variant));
            let mut out = Vec::with_capacity(json.len() + json.len() / 4 + 64);
            etf::push_envelope(Some(&self.name), 0, &mut out);
            if !self.fragments.is_empty() {
                self.push_open_map(json, &mut out);
            } else if etf::push_body(&self.name, json, &mut out).is_err() {
                let _ = etf::push_body("", b"null", &mut out);
            }
            out.into()
        })
    }

    /// The map of `d` up to where the fragments' pairs follow.
    fn push_open_map(&self, first: &[u8], out: &mut Vec<u8>) {
        let mut map = Vec::with_capacity(first.len() + first.len() / 4 + 64);
        let object = [first, b"}"].concat();
        let own = match etf::push_body(&self.name, &object, &mut map) {
            Ok(()) => etf::map_pairs(&map),
            Err(_) => None,
        };
        let (count, pairs) = own.unwrap_or_default();
        let others = self.fragments.iter().map(|each| each.count());
        etf::push_map(count + others.sum::<u32>(), out);
        out.extend_from_slice(pairs);
    }

    fn lazy(&self) -> &Lazy {
        self.lazy.get_or_init(Box::default)
    }

    fn body_of<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        let end = rest.len() - usize::from(self.fragments.is_empty());
        &rest[self.name.len() + AROUND_NAME..end]
    }
}

/// Writes `{"s":N,` and returns its length.
pub fn json_head(seq: u64, out: &mut [u8; MAX_HEAD_BYTES]) -> usize {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(seq).as_bytes();
    out[..5].copy_from_slice(b"{\"s\":");
    out[5..5 + digits.len()].copy_from_slice(digits);
    out[5 + digits.len()] = b',';
    6 + digits.len()
}

/// Writes the start of the map term up to the value of `s` and returns its length.
pub fn etf_head(seq: u64, out: &mut [u8; MAX_HEAD_BYTES]) -> usize {
    etf::dispatch_head(seq, out)
}

const BEFORE_NAME: &[u8] = b"\"t\":\"";
const AFTER_NAME: &[u8] = b"\",\"op\":0,\"d\":";
const AROUND_NAME: usize = BEFORE_NAME.len() + AFTER_NAME.len();

/// What closes a dispatch after its fragments.
pub const JSON_END: &[u8] = b"}}";

fn rest(name: &str, body: &[u8], closed: bool) -> Bytes {
    let mut bytes = Vec::with_capacity(name.len() + body.len() + AROUND_NAME + 1);
    bytes.extend_from_slice(BEFORE_NAME);
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(AFTER_NAME);
    bytes.extend_from_slice(body);
    if closed {
        bytes.push(b'}');
    }
    bytes.into()
}
