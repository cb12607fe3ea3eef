//! An event on its way to sessions: what the dispatcher sends once, and what a worker shares among its own.

use std::sync::Arc;

use tocsin_bus::Scope;
use tocsin_codec::dispatch::{JSON_END, MAX_HEAD_BYTES, etf_head, json_head};
use tocsin_codec::{EncodedDispatch, Fragment, Variant, frame};
use tocsin_compress::Spliced;
use tocsin_fanout::Which;
use tocsin_proto::Intents;

use crate::flight::Flight;
use crate::key::SessionKey;
use crate::parts::PartBit;

/// An event with the conditions that do not depend on the index.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) event: Arc<EncodedDispatch>,
    /// A session needs one of these; none for all.
    pub(crate) required: Intents,
    /// A user who does not get it, 0 for none.
    pub(crate) exclude_user: u64,
    /// Only bots get it.
    pub(crate) bots_only: bool,
    /// The passive in its guild get it too.
    pub(crate) whole: bool,
    /// Its place in a scope's log, if it has one.
    pub(crate) place: Option<(Scope, u64)>,
    /// The partition that it comes from, for sessions that have only some of their parts yet; 0: it has none.
    pub(crate) part: PartBit,
    /// Sessions that had it at another node. Hardly ever any.
    pub(crate) had_by: Vec<SessionKey>,
    /// The guild whose events it resembles, 0 for none: where compression looks for matches.
    pub(crate) guild: u64,
    /// How long it is on its way.
    pub(crate) flight: Flight,
}

impl Delivery {
    /// Which of its audience are looked at; the others could not get it.
    pub(crate) fn which(&self) -> Which {
        match (self.bots_only, self.whole) {
            (true, _) => Which::Bots,
            (false, true) => Which::All,
            (false, false) => Which::Active,
        }
    }
}

/// How payloads are written (protocol.md §1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Text frames, unless compressed.
    Json,
    /// Binary frames.
    Etf,
}

impl Encoding {
    /// A number below 8 for the encoding and the variant: equal for equal shared bytes.
    pub(crate) const fn form(self, variant: Variant) -> usize {
        match self {
            Self::Json => variant as usize,
            Self::Etf => Variant::COUNT + variant as usize,
        }
    }

    /// The opcode of its uncompressed frames.
    pub(crate) const fn opcode(self) -> u8 {
        match self {
            Self::Json => frame::TEXT,
            Self::Etf => frame::BINARY,
        }
    }
}

/// The event as one worker holds it: inside an `Rc`, so that replay logs and queues share it without atomics.
#[derive(Debug)]
pub(crate) struct LocalEvent(pub(crate) Arc<EncodedDispatch>);

impl LocalEvent {
    /// The bytes that all recipients of the encoding and variant share; made when first asked for.
    pub(crate) fn rest(&self, encoding: Encoding, variant: Variant) -> &[u8] {
        match encoding {
            Encoding::Json => self.0.json_rest(variant),
            Encoding::Etf => self.0.etf_rest(variant),
        }
    }

    /// What follows the shared bytes.
    pub(crate) fn tail(&self, encoding: Encoding) -> Tail<'_> {
        Tail {
            fragments: self.0.fragments(),
            encoding,
        }
    }
}

/// What follows an event's shared bytes: the fragments it shares with other events, and what closes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail<'a> {
    fragments: &'a [Arc<Fragment>],
    encoding: Encoding,
}

impl Default for Tail<'_> {
    fn default() -> Self {
        Self {
            fragments: &[],
            encoding: Encoding::Json,
        }
    }
}

impl<'a> Tail<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.fragments.is_empty()
    }

    pub(crate) fn len(self) -> usize {
        if self.is_empty() {
            return 0;
        }
        self.spliced().map(|each| each.bytes.len()).sum::<usize>() + self.end().len()
    }

    /// The fragments' octets, and what compression made of them.
    pub(crate) fn spliced(self) -> impl Iterator<Item = Spliced<'a>> {
        self.fragments.iter().map(move |each| match self.encoding {
            Encoding::Json => Spliced {
                bytes: each.json(),
                packed: each.packed(false),
            },
            Encoding::Etf => Spliced {
                bytes: each.etf(),
                packed: each.packed(true),
            },
        })
    }

    /// What closes the payload.
    pub(crate) fn end(self) -> &'static [u8] {
        match self.encoding {
            Encoding::Json if !self.is_empty() => JSON_END,
            _ => &[],
        }
    }

    /// All of it, in pieces.
    pub(crate) fn pieces(self) -> impl Iterator<Item = &'a [u8]> {
        self.spliced().map(|each| each.bytes).chain([self.end()])
    }
}

/// The start of one session's payload: what comes before the shared bytes.
#[derive(Debug, Default)]
pub(crate) struct Start {
    bytes: [u8; MAX_HEAD_BYTES],
}

impl Start {
    /// Writes it.
    pub(crate) fn build(&mut self, encoding: Encoding, s: u64) -> &[u8] {
        let len = match encoding {
            Encoding::Json => json_head(s, &mut self.bytes),
            Encoding::Etf => etf_head(s, &mut self.bytes),
        };
        &self.bytes[..len]
    }
}

/// The frame header and the start of one dispatch, on the stack.
#[derive(Debug)]
pub(crate) struct Head {
    bytes: [u8; 10 + MAX_HEAD_BYTES],
}

impl Default for Head {
    fn default() -> Self {
        Self {
            bytes: [0; 10 + MAX_HEAD_BYTES],
        }
    }
}

impl Head {
    /// Writes the head of a frame that goes on with `rest_len` shared bytes.
    pub(crate) fn build(&mut self, encoding: Encoding, s: u64, rest_len: usize) -> &[u8] {
        let mut start = Start::default();
        let start = start.build(encoding, s);
        let mut header = [0; 10];
        let len = frame::encode_header(encoding.opcode(), start.len() + rest_len, &mut header);
        self.bytes[..len].copy_from_slice(&header[..len]);
        let end = len + start.len();
        self.bytes[len..end].copy_from_slice(start);
        &self.bytes[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_announces_the_start_and_the_shared_bytes() {
        for encoding in [Encoding::Json, Encoding::Etf] {
            for s in [0, 1, 255, 256, 99_999, 1 << 31, u64::MAX] {
                let mut start = Start::default();
                let start = start.build(encoding, s);
                for rest in [0, 100, 111, 118, 65_520, 65_529, 70_000] {
                    let mut head = Head::default();
                    let head = head.build(encoding, s, rest);
                    let (header, end) = head.split_at(head.len() - start.len());
                    let mut expected = [0; 10];
                    let len =
                        frame::encode_header(encoding.opcode(), start.len() + rest, &mut expected);
                    assert_eq!((header, end), (&expected[..len], start));
                }
            }
        }
    }
}
