//! Transport compression: one stream per connection, one flush per payload (protocol.md §5.1, §5.2).

mod zlib_stream;
mod zstd_stream;

use thiserror::Error;
use zlib_stream::ZlibStream;
use zstd_stream::ZstdStream;

pub use zlib_stream::zlib_standalone;

/// The value of the URL's `compress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// RFC 1950, every payload ends with `00 00 ff ff`.
    ZlibStream,
    /// One zstd frame that never ends, one flush per payload.
    ZstdStream,
}

impl Transport {
    /// The transport of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "zlib-stream" => Some(Self::ZlibStream),
            "zstd-stream" => Some(Self::ZstdStream),
            _ => None,
        }
    }
}

/// The stream cannot go on: no memory for it. The connection must be ended; its session may be resumed on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("compression failed")]
pub struct CompressError;

/// A connection's compressor. A resume on a new connection starts a new one.
#[derive(Debug)]
pub struct Compressor(Stream);

#[derive(Debug)]
enum Stream {
    Zlib(ZlibStream),
    Zstd(ZstdStream),
    /// After an error: a payload less would shift everything after it, so nothing more comes out.
    Broken,
}

impl Compressor {
    /// A compressor at the start of its stream.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self(match transport {
            Transport::ZlibStream => Stream::Zlib(ZlibStream::new()),
            Transport::ZstdStream => ZstdStream::new().map_or(Stream::Broken, Stream::Zstd),
        })
    }

    /// Compresses one payload, given in parts, and flushes: what is appended to `out` decodes to exactly that payload.
    ///
    /// # Errors
    /// `CompressError`, also for every later payload; what was appended then must not be sent.
    pub fn compress_into(
        &mut self,
        parts: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        let done = match &mut self.0 {
            Stream::Zlib(stream) => stream.compress(parts, out),
            Stream::Zstd(stream) => stream.compress(parts, out),
            Stream::Broken => Err(CompressError),
        };
        if done.is_err() {
            self.0 = Stream::Broken;
        }
        done
    }

    /// `compress_into` a new buffer; empty once the stream is broken.
    pub fn compress(&mut self, parts: &[&[u8]]) -> Vec<u8> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut out = Vec::with_capacity(total / 4 + 128);
        if self.compress_into(parts, &mut out).is_err() {
            out.clear();
        }
        out
    }

    /// Whether the stream has failed: close the connection with 4000.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        matches!(self.0, Stream::Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::{Compressor, Transport, zlib_standalone};
    use flate2::{Decompress, FlushDecompress};

    /// Payloads that look like gateway traffic, with sizes from tiny to far beyond a window.
    fn payloads() -> Vec<Vec<u8>> {
        let mut seed = 7u32;
        (0..400)
            .map(|at| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = "x".repeat((seed >> 16) as usize % 300);
                let many = if at % 97 == 0 { 40_000 } else { 1 };
                format!(r#"{{"s":{at},"t":"MESSAGE_CREATE","op":0,"d":{{"id":"{seed}","content":"{noise}"}}}}"#)
                    .repeat(many / 100 + 1)
                    .into_bytes()
            })
            .collect()
    }

    #[test]
    fn a_zlib_stream_ends_each_payload_with_the_flush_marker() {
        let mut compressor = Compressor::new(Transport::ZlibStream);
        let mut inflate = Decompress::new(true);
        for payload in payloads() {
            let (a, b) = payload.split_at(payload.len() / 2);
            let compressed = compressor.compress(&[a, b]);
            assert!(compressed.ends_with(&[0, 0, 0xff, 0xff]));
            let mut out = Vec::with_capacity(payload.len() + 64);
            inflate
                .decompress_vec(&compressed, &mut out, FlushDecompress::Sync)
                .expect("it decodes");
            assert_eq!(out, payload);
        }
    }

    #[test]
    fn a_zstd_stream_is_one_frame_that_never_ends() {
        let mut compressor = Compressor::new(Transport::ZstdStream);
        let mut decoder = zstd_safe::DCtx::create();
        for payload in payloads() {
            let compressed = compressor.compress(&[&payload]);
            let mut input = zstd_safe::InBuffer::around(&compressed);
            let mut out = vec![0; payload.len() + 64];
            let mut output = zstd_safe::OutBuffer::around(&mut out);
            while input.pos() < compressed.len() {
                assert_ne!(
                    decoder
                        .decompress_stream(&mut output, &mut input)
                        .expect("it decodes"),
                    0
                );
            }
            // Drain what the decoder still holds.
            decoder
                .decompress_stream(&mut output, &mut input)
                .expect("it decodes");
            let length = output.pos();
            assert_eq!(&out[..length], payload);
        }
    }

    #[test]
    fn a_flush_is_marked_once_however_long_its_payload() {
        for length in 0..3_000u32 {
            let mut seed = length;
            let payload: Vec<u8> = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            let mut compressor = Compressor::new(Transport::ZlibStream);
            let compressed = compressor.compress(&[&payload]);
            assert!(!compressor.is_broken());
            assert!(compressed.starts_with(&[0x78, 0x9c]), "{length}");
            assert!(compressed.ends_with(&[0, 0, 0xff, 0xff]), "{length}");
            assert!(!compressed.ends_with(&[0, 0, 0xff, 0xff, 0, 0, 0, 0xff, 0xff]));
        }
    }

    #[test]
    fn the_protocols_example_comes_out_octet_for_octet() {
        let mut compressor = Compressor::new(Transport::ZlibStream);
        let first = compressor.compress(&[b"{\"op\":", b"10}"]);
        assert_eq!(
            first,
            b"\x78\x9c\xaa\x56\xca\x2f\x50\xb2\x32\x34\xa8\x05\0\0\0\xff\xff"
        );
        let second = compressor.compress(&[b"{\"op\":11}"]);
        assert_eq!(second, b"\xaa\x86\x30\x0c\x6b\x01\0\0\0\xff\xff");
    }

    #[test]
    fn a_zstd_window_is_small_and_its_frame_says_nothing_of_size_or_checksum() {
        let compressed = Compressor::new(Transport::ZstdStream).compress(&[&[b'x'; 100_000]]);
        assert_eq!(compressed[..4], [0x28, 0xb5, 0x2f, 0xfd]);
        // Frame header descriptor: no content size, no single segment, no checksum, no dictionary (RFC 8878 §3.1.1.1.1).
        assert_eq!(compressed[4], 0);
        let window_log = 10 + (compressed[5] >> 3);
        assert!(window_log <= 17, "{window_log}");
    }

    #[test]
    fn a_standalone_payload_is_a_whole_zlib_stream() {
        let compressed = zlib_standalone(&[b"{\"op\":", b"10}"]);
        let mut out = Vec::with_capacity(64);
        let status =
            Decompress::new(true).decompress_vec(&compressed, &mut out, FlushDecompress::Finish);
        assert_eq!(status.expect("it decodes"), flate2::Status::StreamEnd);
        assert_eq!(out, b"{\"op\":10}");
    }

    #[test]
    fn names_are_the_protocols() {
        assert_eq!(
            Transport::from_name("zlib-stream"),
            Some(Transport::ZlibStream)
        );
        assert_eq!(
            Transport::from_name("zstd-stream"),
            Some(Transport::ZstdStream)
        );
        assert_eq!(Transport::from_name("br"), None);
    }
}
