//! zstd-stream: a small context per connection, `ZSTD_e_flush` after every payload.

use std::fmt;

use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

/// Small enough for both ends' memory, large enough for a guild's worth of traffic.
const WINDOW_LOG: u32 = 17;
const TABLE_LOG: u32 = 12;
const LEVEL: i32 = 1;

pub(crate) struct ZstdStream {
    context: CCtx<'static>,
}

impl fmt::Debug for ZstdStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ZstdStream")
    }
}

impl ZstdStream {
    pub(crate) fn new() -> Self {
        let mut context = CCtx::create();
        for parameter in [
            CParameter::CompressionLevel(LEVEL),
            CParameter::WindowLog(WINDOW_LOG),
            CParameter::HashLog(TABLE_LOG),
            CParameter::ContentSizeFlag(false),
            CParameter::ChecksumFlag(false),
        ] {
            // Constants within libzstd's bounds; the tests decode what comes of them.
            let _ = context.set_parameter(parameter);
        }
        Self { context }
    }

    pub(crate) fn compress(&mut self, parts: &[&[u8]]) -> Vec<u8> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut out = Vec::with_capacity(total / 4 + 128);
        for (at, part) in parts.iter().enumerate() {
            let last = at + 1 == parts.len();
            let directive = if last {
                ZSTD_EndDirective::ZSTD_e_flush
            } else {
                ZSTD_EndDirective::ZSTD_e_continue
            };
            let mut input = InBuffer::around(part);
            loop {
                out.reserve(128);
                let start = out.len();
                let mut output = OutBuffer::around_pos(&mut out, start);
                let Ok(left) = self
                    .context
                    .compress_stream2(&mut output, &mut input, directive)
                else {
                    break;
                };
                if input.pos() == part.len() && (!last || left == 0) {
                    break;
                }
            }
        }
        out
    }
}
