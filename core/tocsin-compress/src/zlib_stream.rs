//! zlib-stream with a context per connection, `Z_SYNC_FLUSH` after every payload; and streams of one payload.

use flate2::{Compress, Compression, FlushCompress};

use crate::CompressError;

const LEVEL: u32 = 6;

#[derive(Debug)]
pub(crate) struct ZlibStream {
    deflate: Compress,
}

impl ZlibStream {
    pub(crate) fn new() -> Self {
        Self {
            deflate: Compress::new(Compression::new(LEVEL), true),
        }
    }

    pub(crate) fn compress(
        &mut self,
        parts: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        run(&mut self.deflate, parts, FlushCompress::Sync, out)
    }
}

/// Deflates payloads that refer to nothing before them.
#[derive(Debug)]
pub(crate) struct Independent {
    deflate: Compress,
}

impl Default for Independent {
    fn default() -> Self {
        Self {
            deflate: Compress::new(Compression::new(LEVEL), false),
        }
    }
}

impl Independent {
    /// Appends the payload as raw deflate with an empty window, flushed.
    pub(crate) fn deflate(
        &mut self,
        parts: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        self.deflate.reset();
        run(&mut self.deflate, parts, FlushCompress::Sync, out)
    }
}

/// A payload as a complete zlib stream of its own, for clients that identified with `compress: true`.
#[must_use]
pub fn zlib_standalone(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut deflate = Compress::new(Compression::new(LEVEL), true);
    run(&mut deflate, parts, FlushCompress::Finish, &mut out)
        .expect("a fresh deflate stream takes any input");
    out
}

/// Feeds all parts and flushes after the last.
fn run(
    deflate: &mut Compress,
    parts: &[&[u8]],
    last: FlushCompress,
    out: &mut Vec<u8>,
) -> Result<(), CompressError> {
    for (at, part) in parts.iter().enumerate() {
        let flush = if at + 1 == parts.len() {
            last
        } else {
            FlushCompress::None
        };
        let mut rest = *part;
        loop {
            // Room for the worst case: a flush that runs into the end of its room is marked twice (zlib.h, deflate).
            out.reserve(rest.len() + rest.len() / 512 + 64);
            let before = deflate.total_in();
            deflate
                .compress_vec(rest, out, flush)
                .map_err(|_| CompressError)?;
            rest = &rest[(deflate.total_in() - before) as usize..];
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
    }
    Ok(())
}
