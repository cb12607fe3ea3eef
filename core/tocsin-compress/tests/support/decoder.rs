//! The client's end of a stream: zlib-rs or libzstd, which know nothing of how it was made.
#![allow(dead_code, reason = "each test file uses its part")]

use flate2::{Decompress, FlushDecompress};
use tocsin_compress::Transport;
use zstd_safe::{DCtx, InBuffer, OutBuffer};

pub(crate) enum Decoder {
    Zlib(Decompress),
    Zstd(DCtx<'static>),
}

impl Decoder {
    pub(crate) fn new(transport: Transport) -> Self {
        match transport {
            Transport::ZlibStream => Self::Zlib(Decompress::new(true)),
            Transport::ZstdStream => Self::Zstd(DCtx::create()),
        }
    }

    /// What a message decodes to; all of it must be read, and the stream must go on.
    pub(crate) fn decode(&mut self, message: &[u8], clear: &mut Vec<u8>) {
        match self {
            Self::Zlib(inflate) => {
                assert!(message.ends_with(&[0, 0, 0xff, 0xff]));
                let before = inflate.total_in();
                inflate
                    .decompress_vec(message, clear, FlushDecompress::Sync)
                    .expect("it inflates");
                assert_eq!(inflate.total_in() - before, message.len() as u64);
            }
            Self::Zstd(context) => {
                let mut input = InBuffer::around(message);
                loop {
                    let (read, start) = (input.pos(), clear.len());
                    let mut output = OutBuffer::around_pos(clear, start);
                    let hint = context
                        .decompress_stream(&mut output, &mut input)
                        .expect("it decodes");
                    assert_ne!(hint, 0, "the frame goes on");
                    if input.pos() == read && clear.len() == start {
                        break;
                    }
                }
                assert_eq!(input.pos(), message.len());
            }
        }
    }

    /// Panics unless a message decodes to exactly these parts.
    pub(crate) fn expect(&mut self, message: &[u8], parts: &[&[u8]], clear: &mut Vec<u8>) {
        clear.clear();
        clear.reserve(parts.iter().map(|part| part.len()).sum::<usize>() + 1);
        self.decode(message, clear);
        assert!(*clear == parts.concat(), "what went in comes out");
    }
}
