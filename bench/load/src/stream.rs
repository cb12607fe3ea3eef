//! Stream: a connection's stream compression, undone as a client does it: one context, one message at a time.

use std::io;

use flate2::{Decompress, FlushDecompress};
use zstd_safe::{DCtx, InBuffer, OutBuffer};

use crate::args::fail;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    None,
    Zlib,
    Zstd,
}

pub(crate) enum Stream {
    Zlib(Decompress),
    Zstd(DCtx<'static>),
}

impl Stream {
    pub(crate) fn of(transport: Transport) -> Option<Self> {
        match transport {
            Transport::None => None,
            Transport::Zlib => Some(Self::Zlib(Decompress::new(true))),
            Transport::Zstd => Some(Self::Zstd(DCtx::create())),
        }
    }

    /// Put what a message of the stream holds into `text`. An error when the message is not whole by itself.
    pub(crate) fn read(&mut self, message: &[u8], text: &mut Vec<u8>) -> io::Result<()> {
        text.clear();
        text.reserve(4096);
        match self {
            Self::Zlib(inflater) => zlib(inflater, message, text),
            Self::Zstd(context) => zstd(context, message, text),
        }
    }
}

fn zlib(inflater: &mut Decompress, message: &[u8], text: &mut Vec<u8>) -> io::Result<()> {
    if !message.ends_with(&[0, 0, 0xFF, 0xFF]) {
        return Err(fail("a message of zlib-stream does not end with a flush"));
    }
    let before = inflater.total_in();
    loop {
        let read = (inflater.total_in() - before) as usize;
        if read == message.len() && text.len() < text.capacity() {
            return Ok(());
        }
        if text.len() == text.capacity() {
            text.reserve(65536);
        }
        inflater
            .decompress_vec(&message[read..], text, FlushDecompress::Sync)
            .map_err(|error| fail(format!("zlib-stream: {error}")))?;
    }
}

fn zstd(context: &mut DCtx<'static>, message: &[u8], text: &mut Vec<u8>) -> io::Result<()> {
    let mut input = InBuffer::around(message);
    loop {
        if text.len() == text.capacity() {
            text.reserve(65536);
        }
        let at = text.len();
        let mut output = OutBuffer::around_pos(text, at);
        context
            .decompress_stream(&mut output, &mut input)
            .map_err(|code| fail(format!("zstd-stream: {}", zstd_safe::get_error_name(code))))?;
        if input.pos() == message.len() && text.len() < text.capacity() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_zstd_stream_are_read_one_by_one() {
        let texts = [vec![b'a'; 100_000], b"{\"op\":11}".to_vec(), vec![b'b'; 70]];
        let mut context = zstd_safe::CCtx::create();
        let mut stream = Stream::of(Transport::Zstd).expect("a stream");
        let mut read = Vec::new();
        for text in &texts {
            let mut message = Vec::with_capacity(200_000);
            {
                let mut output = OutBuffer::around(&mut message);
                let mut input = InBuffer::around(text);
                context
                    .compress_stream(&mut output, &mut input)
                    .expect("compresses");
                assert_eq!(context.flush_stream(&mut output), Ok(0));
            }
            stream.read(&message, &mut read).expect("whole");
            assert_eq!(&read, text);
        }
    }

    #[test]
    fn a_zlib_message_without_a_flush_is_an_error() {
        let mut stream = Stream::of(Transport::Zlib).expect("a stream");
        assert!(stream.read(&[0x78, 0x9C, 1], &mut Vec::new()).is_err());
    }
}
