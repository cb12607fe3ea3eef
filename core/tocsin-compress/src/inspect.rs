//! `Inspector`: decodes what a stream emits, as its client would, and compares.

use std::fmt;

use flate2::{Decompress, FlushDecompress};
use zstd_safe::{DCtx, InBuffer, OutBuffer};

use crate::Transport;

/// The far end of one stream.
pub(crate) struct Inspector {
    decoder: Decoder,
    clear: Vec<u8>,
}

enum Decoder {
    Zlib(Decompress),
    /// `None` for want of memory.
    Zstd(Option<DCtx<'static>>),
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inspector")
    }
}

impl Inspector {
    pub(crate) fn new(transport: Transport) -> Self {
        let decoder = match transport {
            Transport::ZlibStream => Decoder::Zlib(Decompress::new(true)),
            Transport::ZstdStream => Decoder::Zstd(DCtx::try_create()),
        };
        Self {
            decoder,
            clear: Vec::new(),
        }
    }

    /// Whether these octets, the stream's next, decode to exactly the payload and leave the stream open.
    pub(crate) fn agrees(&mut self, emitted: &[u8], payload: &[&[u8]]) -> bool {
        let total: usize = payload.iter().map(|part| part.len()).sum();
        self.clear.clear();
        // One octet more than is right, so that what is too much shows.
        self.clear.reserve(total + 1);
        let whole = match &mut self.decoder {
            Decoder::Zlib(inflate) => {
                let before = inflate.total_in();
                let inflated =
                    inflate.decompress_vec(emitted, &mut self.clear, FlushDecompress::Sync);
                inflated.is_ok()
                    && inflate.total_in() - before == emitted.len() as u64
                    && emitted.ends_with(&crate::fixed::FLUSH_MARKER)
            }
            Decoder::Zstd(context) => context
                .as_mut()
                .is_some_and(|context| decompress(context, emitted, &mut self.clear)),
        };
        whole && payload.concat() == self.clear
    }
}

/// Whether a frame goes on with these octets and does not end with them.
fn decompress(context: &mut DCtx<'static>, emitted: &[u8], clear: &mut Vec<u8>) -> bool {
    let mut input = InBuffer::around(emitted);
    loop {
        let (read, start) = (input.pos(), clear.len());
        let mut output = OutBuffer::around_pos(clear, start);
        match context.decompress_stream(&mut output, &mut input) {
            // The frame has ended.
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        // What it still holds comes out in calls without input.
        if input.pos() == read && clear.len() == start {
            return input.pos() == emitted.len();
        }
    }
}
