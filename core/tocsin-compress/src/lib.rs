//! Transport compression: one stream per connection, one flush per payload (protocol.md §5.1, §5.2).

mod zlib_stream;
mod zstd_stream;

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

/// A connection's compressor. A resume on a new connection starts a new one.
#[derive(Debug)]
pub struct Compressor(Stream);

#[derive(Debug)]
enum Stream {
    Zlib(ZlibStream),
    Zstd(ZstdStream),
}

impl Compressor {
    /// A compressor at the start of its stream.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self(match transport {
            Transport::ZlibStream => Stream::Zlib(ZlibStream::new()),
            Transport::ZstdStream => Stream::Zstd(ZstdStream::new()),
        })
    }

    /// Compresses one payload, given in parts, and flushes: what comes out decodes to exactly that payload.
    pub fn compress(&mut self, parts: &[&[u8]]) -> Vec<u8> {
        match &mut self.0 {
            Stream::Zlib(stream) => stream.compress(parts),
            Stream::Zstd(stream) => stream.compress(parts),
        }
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
                    decoder.decompress_stream(&mut output, &mut input).expect("it decodes"),
                    0
                );
            }
            // Drain what the decoder still holds.
            decoder.decompress_stream(&mut output, &mut input).expect("it decodes");
            let length = output.pos();
            assert_eq!(&out[..length], payload);
        }
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
