//! zlib-stream: a context per connection, `Z_SYNC_FLUSH` after every payload.

use flate2::{Compress, Compression, FlushCompress};

#[derive(Debug)]
pub(crate) struct ZlibStream {
    deflate: Compress,
}

impl ZlibStream {
    pub(crate) fn new() -> Self {
        Self {
            deflate: Compress::new(Compression::new(6), true),
        }
    }

    pub(crate) fn compress(&mut self, parts: &[&[u8]]) -> Vec<u8> {
        run(&mut self.deflate, parts, FlushCompress::Sync)
    }
}

/// A payload as a complete zlib stream of its own, for clients that identified with `compress: true`.
#[must_use]
pub fn zlib_standalone(parts: &[&[u8]]) -> Vec<u8> {
    run(
        &mut Compress::new(Compression::new(6), true),
        parts,
        FlushCompress::Finish,
    )
}

/// Feeds all parts and flushes after the last. Deflate itself cannot fail on a live stream.
fn run(deflate: &mut Compress, parts: &[&[u8]], last: FlushCompress) -> Vec<u8> {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(total / 4 + 64);
    for (at, part) in parts.iter().enumerate() {
        let flush = if at + 1 == parts.len() {
            last
        } else {
            FlushCompress::None
        };
        let mut rest = *part;
        loop {
            let before = deflate.total_in();
            let status = deflate.compress_vec(rest, &mut out, flush);
            rest = &rest[(deflate.total_in() - before) as usize..];
            let room = out.len() < out.capacity();
            if status.is_err() || (rest.is_empty() && room) {
                break;
            }
            out.reserve(out.capacity().max(64));
        }
    }
    out
}
