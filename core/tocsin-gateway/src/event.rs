//! An event on its way to sessions: what the dispatcher sends once, and what a worker shares among its own.

use std::sync::Arc;

use tocsin_codec::dispatch::{MAX_HEAD_BYTES, json_head};
use tocsin_codec::{EncodedDispatch, frame};
use tocsin_proto::Intents;

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
}

/// The event as one worker holds it: inside an `Rc`, so that replay logs and queues share it without atomics.
#[derive(Debug)]
pub(crate) struct LocalEvent(pub(crate) Arc<EncodedDispatch>);

/// The frame header and the `{"s":N,` of one dispatch, on the stack.
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
    /// Writes the head of a text frame that goes on with `rest_len` shared bytes.
    pub(crate) fn build(&mut self, s: u64, rest_len: usize) -> &[u8] {
        let mut json = [0; MAX_HEAD_BYTES];
        let json_len = json_head(s, &mut json);
        let mut header = [0; 10];
        let header_len = frame::encode_header(frame::TEXT, json_len + rest_len, &mut header);
        self.bytes[..header_len].copy_from_slice(&header[..header_len]);
        let end = header_len + json_len;
        self.bytes[header_len..end].copy_from_slice(&json[..json_len]);
        &self.bytes[..end]
    }

    /// The length of the whole frame.
    pub(crate) fn frame_len(s: u64, rest_len: usize) -> usize {
        let digits = s.checked_ilog10().map_or(1, |log| log as usize + 1);
        let payload = 6 + digits + rest_len;
        let header = match payload {
            0..126 => 2,
            126..65_536 => 4,
            _ => 10,
        };
        header + payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announced_length_is_the_built_one() {
        for s in [0, 1, 9, 10, 99_999, u64::MAX] {
            for rest in [0, 100, 111, 118, 119, 65_520, 65_529, 70_000] {
                let mut head = Head::default();
                assert_eq!(head.build(s, rest).len() + rest, Head::frame_len(s, rest));
            }
        }
    }
}
