//! Transport compression: one stream per connection, one flush per payload (protocol.md §5.1, §5.2).

mod bits;
mod fixed;
mod fse;
mod history;
mod huffman;
mod inspect;
mod packed;
mod positions;
mod relocatable;
mod relocatable_zstd;
mod search;
mod searched;
mod shared;
mod zlib_stream;
mod zstd_block;
mod zstd_stream;

use inspect::Inspector;
use relocatable::RelocatableStream;
use relocatable_zstd::RelocatableZstd;
use thiserror::Error;
use zlib_stream::ZlibStream;
use zstd_stream::ZstdStream;

pub use packed::{Packed, Spliced};
pub use shared::{FORMS, SharedBodies};
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

/// How the work of compressing is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Matches are searched once per event and relocated for each connection (ADR 0003).
    Shared,
    /// Every connection has a compressor of its own.
    Connection,
}

impl Compression {
    /// The setting's value of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "shared" => Some(Self::Shared),
            "connection" => Some(Self::Connection),
            _ => None,
        }
    }
}

/// The stream cannot go on: no memory for it, or an inspector disagrees with it. The connection must be ended; its
/// session may be resumed on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("compression failed")]
pub struct CompressError;

/// A connection's compressor. A resume on a new connection starts a new one.
///
/// Payloads are compressed in the order in which the socket carries them, none twice and none left out.
#[derive(Debug)]
pub struct Compressor {
    stream: Stream,
    inspector: Option<Box<Inspector>>,
}

#[derive(Debug)]
enum Stream {
    Relocatable(Box<RelocatableStream>),
    RelocatableZstd(Box<RelocatableZstd>),
    Zlib(Box<ZlibStream>),
    Zstd(Box<ZstdStream>),
    /// After an error: a payload less would shift everything after it, so nothing more comes out.
    Broken,
}

impl Compressor {
    /// A compressor at the start of its stream. With `inspect`, what it emits is decoded and compared.
    #[must_use]
    pub fn new(transport: Transport, compression: Compression, inspect: bool) -> Self {
        let stream = match (transport, compression) {
            (Transport::ZlibStream, Compression::Shared) => Stream::Relocatable(Box::default()),
            (Transport::ZlibStream, Compression::Connection) => {
                Stream::Zlib(Box::new(ZlibStream::new()))
            }
            (Transport::ZstdStream, Compression::Shared) => Stream::RelocatableZstd(Box::default()),
            (Transport::ZstdStream, Compression::Connection) => {
                ZstdStream::new().map_or(Stream::Broken, |stream| Stream::Zstd(Box::new(stream)))
            }
        };
        Self {
            stream,
            inspector: inspect.then(|| Box::new(Inspector::new(transport))),
        }
    }

    /// Appends the shared bodies' event in hand, in one of its forms below 8: what is this connection's, then the body
    /// that all recipients of the form share. It decodes to exactly that payload.
    ///
    /// # Errors
    /// `CompressError`, also for every later payload; what was appended then must not be sent.
    pub fn compress_shared(
        &mut self,
        shared: &mut SharedBodies,
        form: usize,
        head: &[u8],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        let start = out.len();
        let done = match &mut self.stream {
            Stream::Relocatable(stream) => shared.emit(stream, form, head, body, out),
            Stream::RelocatableZstd(stream) => {
                shared.emit_zstd(stream, form, head, body, out);
                Ok(())
            }
            Stream::Zlib(stream) => stream.compress(&[head, body], out),
            Stream::Zstd(stream) => stream.compress(&[head, body], out),
            Stream::Broken => Err(CompressError),
        };
        self.settle(done, &out[start..], &[head, body])
    }

    /// Appends a payload, given in parts, that only this connection gets.
    ///
    /// # Errors
    /// As [`compress_shared`](Self::compress_shared).
    pub fn compress_private(
        &mut self,
        shared: &mut SharedBodies,
        parts: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        let start = out.len();
        let done = match &mut self.stream {
            Stream::Relocatable(stream) => shared.emit_private(stream, parts, out),
            Stream::RelocatableZstd(stream) => {
                shared.emit_private_zstd(stream, parts, out);
                Ok(())
            }
            Stream::Zlib(stream) => stream.compress(parts, out),
            Stream::Zstd(stream) => stream.compress(parts, out),
            Stream::Broken => Err(CompressError),
        };
        self.settle(done, &out[start..], parts)
    }

    /// Appends a payload whose start and end only this connection gets, with parts between that others get too.
    ///
    /// # Errors
    /// As [`compress_shared`](Self::compress_shared).
    pub fn compress_spliced(
        &mut self,
        shared: &mut SharedBodies,
        start: &[&[u8]],
        spliced: &[Spliced<'_>],
        end: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        let between = spliced.iter().map(|each| each.bytes);
        let parts: Vec<&[u8]> = start.iter().copied().chain(between).chain([end]).collect();
        let from = out.len();
        let done = match &mut self.stream {
            Stream::Relocatable(stream) => shared.emit_spliced(stream, start, spliced, end, out),
            Stream::RelocatableZstd(stream) => {
                shared.emit_spliced_zstd(stream, start, spliced, end, out)
            }
            Stream::Zlib(stream) => stream.compress(&parts, out),
            Stream::Zstd(stream) => stream.compress(&parts, out),
            Stream::Broken => Err(CompressError),
        };
        self.settle(done, &out[from..], &parts)
    }

    /// Appends a payload of some octets that only this connection gets. In relocatable streams its octets stay as long
    /// as they are.
    ///
    /// # Errors
    /// As [`compress_shared`](Self::compress_shared).
    pub fn compress_tiny(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        let start = out.len();
        let done = match &mut self.stream {
            Stream::Relocatable(stream) => {
                stream.emit_literals(&[payload], out);
                Ok(())
            }
            Stream::RelocatableZstd(stream) => {
                stream.emit_raw(&[payload], out);
                Ok(())
            }
            Stream::Zlib(stream) => stream.compress(&[payload], out),
            Stream::Zstd(stream) => stream.compress(&[payload], out),
            Stream::Broken => Err(CompressError),
        };
        self.settle(done, &out[start..], &[payload])
    }

    fn settle(
        &mut self,
        done: Result<(), CompressError>,
        emitted: &[u8],
        payload: &[&[u8]],
    ) -> Result<(), CompressError> {
        let agreed = match &mut self.inspector {
            Some(inspector) if done.is_ok() => inspector.agrees(emitted, payload),
            _ => true,
        };
        if done.is_err() || !agreed {
            self.stream = Stream::Broken;
            return Err(CompressError);
        }
        Ok(())
    }

    /// Whether the stream has failed: close the connection with 4000.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        matches!(self.stream, Stream::Broken)
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};

    use super::*;

    fn compressor(transport: Transport) -> Compressor {
        Compressor::new(transport, Compression::Connection, false)
    }

    fn compress(compressor: &mut Compressor, parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        compressor
            .compress_private(&mut SharedBodies::new(0), parts, &mut out)
            .expect("memory");
        out
    }

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
        let mut compressor = compressor(Transport::ZlibStream);
        let mut inflate = Decompress::new(true);
        for payload in payloads() {
            let (a, b) = payload.split_at(payload.len() / 2);
            let compressed = compress(&mut compressor, &[a, b]);
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
        let mut compressor = compressor(Transport::ZstdStream);
        let mut decoder = zstd_safe::DCtx::create();
        for payload in payloads() {
            let compressed = compress(&mut compressor, &[&payload]);
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
            let mut compressor = compressor(Transport::ZlibStream);
            let compressed = compress(&mut compressor, &[&payload]);
            assert!(!compressor.is_broken());
            assert!(compressed.starts_with(&[0x78, 0x9c]), "{length}");
            assert!(compressed.ends_with(&[0, 0, 0xff, 0xff]), "{length}");
            assert!(!compressed.ends_with(&[0, 0, 0xff, 0xff, 0, 0, 0, 0xff, 0xff]));
        }
    }

    #[test]
    fn the_protocols_example_comes_out_octet_for_octet() {
        let mut compressor = compressor(Transport::ZlibStream);
        let first = compress(&mut compressor, &[b"{\"op\":", b"10}"]);
        assert_eq!(
            first,
            b"\x78\x9c\xaa\x56\xca\x2f\x50\xb2\x32\x34\xa8\x05\0\0\0\xff\xff"
        );
        let second = compress(&mut compressor, &[b"{\"op\":11}"]);
        assert_eq!(second, b"\xaa\x86\x30\x0c\x6b\x01\0\0\0\xff\xff");
    }

    #[test]
    fn a_zstd_window_is_small_and_its_frame_says_nothing_of_size_or_checksum() {
        let compressed = compress(&mut compressor(Transport::ZstdStream), &[&[b'x'; 100_000]]);
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
    fn a_relocatable_stream_takes_no_more_than_a_kilobyte_and_a_half() {
        assert!(size_of::<RelocatableStream>() <= 1_280);
        assert!(size_of::<RelocatableZstd>() <= 1_280);
        assert!(size_of::<Compressor>() <= 32);
        // Neither owns anything that is not in it.
        assert!(!std::mem::needs_drop::<RelocatableStream>());
        assert!(!std::mem::needs_drop::<RelocatableZstd>());
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
