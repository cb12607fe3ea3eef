//! `Outbox`: what waits to be written to one connection, and how it is written.
//!
//! A dispatch waits as its number and a reference; its head is built when it is written. Small items of a connection
//! are gathered into one buffer and leave in one write, large ones go by `writev` without a copy.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::rc::Rc;

use tocsin_codec::Variant;

use crate::event::{Encoding, Head, LocalEvent, Tail};

/// Items up to this size are copied together.
const GATHER_ITEM: usize = 16 * 1024;
/// How much is gathered for one write.
const GATHER_TOTAL: usize = 64 * 1024;
/// Most pieces of one vectored write; what is left goes with the next.
const SLICES: usize = 8;

#[derive(Debug)]
enum Item {
    /// An event for a connection without compression: frame header and head are made when written.
    Dispatch {
        s: u64,
        encoding: Encoding,
        variant: Variant,
        event: Rc<LocalEvent>,
    },
    /// Whole frames, or the HTTP answer of the handshake.
    Bytes(Box<[u8]>),
}

/// An item's octets, in pieces: two, and more only for an event with fragments.
#[derive(Debug)]
struct Parts<'a> {
    first: &'a [u8],
    second: &'a [u8],
    tail: Tail<'a>,
}

impl<'a> Parts<'a> {
    fn len(&self) -> usize {
        self.first.len() + self.second.len() + self.tail.len()
    }

    fn pieces(&self) -> impl Iterator<Item = &'a [u8]> {
        [self.first, self.second]
            .into_iter()
            .chain(self.tail.pieces())
    }

    /// Appends what is left after `skip` octets.
    fn append_from(&self, skip: usize, out: &mut Vec<u8>) {
        let mut skip = skip;
        for piece in self.pieces() {
            let from = skip.min(piece.len());
            out.extend_from_slice(&piece[from..]);
            skip -= from;
        }
    }

    /// Writes from what is left after `skip` octets; returns how much was offered and what was taken.
    fn write_from(&self, skip: usize, socket: &mut impl Write) -> (usize, io::Result<usize>) {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let (mut skip, mut offered, mut count) = (skip, 0, 0);
        for piece in self.pieces() {
            let from = skip.min(piece.len());
            skip -= from;
            if from < piece.len() && count < SLICES {
                slices[count] = IoSlice::new(&piece[from..]);
                offered += piece.len() - from;
                count += 1;
            }
        }
        (offered, socket.write_vectored(&slices[..count]))
    }
}

impl Item {
    fn parts<'a>(&'a self, head: &'a mut Head) -> Parts<'a> {
        match self {
            Self::Dispatch {
                s,
                encoding,
                variant,
                event,
            } => {
                let (rest, tail) = (event.rest(*encoding, *variant), event.tail(*encoding));
                Parts {
                    first: head.build(*encoding, *s, rest.len() + tail.len()),
                    second: rest,
                    tail,
                }
            }
            Self::Bytes(bytes) => Parts {
                first: bytes,
                second: &[],
                tail: Tail::default(),
            },
        }
    }

    fn len(&self) -> usize {
        self.parts(&mut Head::default()).len()
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// Nothing waits any more.
    All,
    /// The socket takes no more for now.
    Blocked,
}

/// The pending output of one connection, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    items: VecDeque<Item>,
    /// Bytes of all items, less what of the first is already written.
    bytes: usize,
    /// Bytes of the first item already written.
    offset: usize,
}

impl Outbox {
    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives the room of a burst back, if nothing waits.
    pub(crate) fn give_back(&mut self) {
        if self.items.is_empty() {
            self.items = VecDeque::new();
        }
    }

    /// Appends ready frames.
    pub(crate) fn push_bytes(&mut self, bytes: Box<[u8]>) {
        self.bytes += bytes.len();
        self.items.push_back(Item::Bytes(bytes));
    }

    /// Appends an event by reference.
    pub(crate) fn push_dispatch(
        &mut self,
        s: u64,
        encoding: Encoding,
        variant: Variant,
        event: Rc<LocalEvent>,
    ) {
        let item = Item::Dispatch {
            s,
            encoding,
            variant,
            event,
        };
        self.bytes += item.len();
        self.items.push_back(item);
    }

    /// Drops everything but a frame that is already partly written, so that a close frame can follow.
    pub(crate) fn discard_unstarted(&mut self) {
        let keep = usize::from(self.offset > 0);
        self.items.truncate(keep);
        self.bytes = match self.items.front() {
            Some(item) => item.len() - self.offset,
            None => 0,
        };
    }

    /// Turns references into bytes, so that the outbox may go to another thread.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes);
        let mut skip = self.offset;
        for item in &self.items {
            let mut head = Head::default();
            item.parts(&mut head).append_from(skip, &mut out);
            skip = 0;
        }
        out
    }

    /// Writes as much as the socket takes. Returns the bytes and system calls it took.
    ///
    /// # Errors
    /// The socket is broken.
    pub(crate) fn write_to(
        &mut self,
        socket: &mut impl Write,
        scratch: &mut Vec<u8>,
        count: &mut WriteCount,
    ) -> io::Result<Written> {
        while let Some(first) = self.items.front() {
            let mut head = Head::default();
            let parts = first.parts(&mut head);
            let left = parts.len() - self.offset;
            let (wanted, result) = if left > GATHER_ITEM {
                parts.write_from(self.offset, socket)
            } else {
                gather(&self.items, self.offset, scratch);
                (scratch.len(), socket.write(scratch))
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    count.bytes += n as u64;
                    count.calls += 1;
                    self.consume(n);
                    if n < wanted {
                        return Ok(Written::Blocked);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    count.calls += 1;
                    return Ok(Written::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Written::All)
    }

    fn consume(&mut self, mut n: usize) {
        self.bytes -= n;
        while n > 0 {
            let Some(first) = self.items.front() else {
                return;
            };
            let mut head = Head::default();
            let left = first.parts(&mut head).len() - self.offset;
            if n < left {
                self.offset += n;
                return;
            }
            n -= left;
            self.offset = 0;
            self.items.pop_front();
        }
    }
}

/// Bytes written and system calls made.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct WriteCount {
    pub(crate) bytes: u64,
    pub(crate) calls: u64,
}

fn gather(items: &VecDeque<Item>, offset: usize, scratch: &mut Vec<u8>) {
    scratch.clear();
    let mut skip = offset;
    for item in items {
        let mut head = Head::default();
        let parts = item.parts(&mut head);
        let left = parts.len() - skip;
        if !scratch.is_empty() && (left > GATHER_ITEM || scratch.len() + left > GATHER_TOTAL) {
            return;
        }
        parts.append_from(skip, scratch);
        skip = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use tocsin_codec::EncodedDispatch;

    use super::*;

    /// A socket that takes a few octets at a time and is blocked now and then.
    struct Stingy {
        taken: Vec<u8>,
        dice: u32,
    }

    impl Stingy {
        fn allowance(&mut self) -> usize {
            self.dice = self
                .dice
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            match self.dice >> 24 {
                n @ 0..40 => n as usize % 3,
                n @ 40..120 => n as usize,
                n => n as usize * 400,
            }
        }
    }

    impl Write for Stingy {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = self.allowance().min(bytes.len());
            if n == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.taken.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
            self.write(&all)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn event(size: usize) -> Rc<LocalEvent> {
        let body = Bytes::from(format!("\"{}\"", "y".repeat(size)));
        Rc::new(LocalEvent(Arc::new(EncodedDispatch::new("E", body, None))))
    }

    fn expected(s: u64, event: &LocalEvent) -> Vec<u8> {
        frame(s, Encoding::Json, event)
    }

    fn frame(s: u64, encoding: Encoding, event: &LocalEvent) -> Vec<u8> {
        let rest = event.rest(encoding, Variant::Full);
        let mut head = Head::default();
        [head.build(encoding, s, rest.len()), rest].concat()
    }

    fn drain(outbox: &mut Outbox, socket: &mut Stingy) {
        let (mut scratch, mut count) = (Vec::new(), WriteCount::default());
        let before = socket.taken.len();
        let waiting = outbox.bytes();
        while outbox
            .write_to(socket, &mut scratch, &mut count)
            .expect("no error")
            == Written::Blocked
        {
            assert_eq!(
                waiting - outbox.bytes(),
                socket.taken.len() - before,
                "the account is exact"
            );
        }
        assert_eq!(count.bytes as usize, waiting);
    }

    #[test]
    fn what_is_queued_arrives_in_order_however_little_the_socket_takes() {
        for dice in 0..40 {
            let mut socket = Stingy {
                taken: Vec::new(),
                dice,
            };
            let mut outbox = Outbox::default();
            let mut all = Vec::new();
            for (s, size) in [0, 100, 70_000, 20_000, 5, 17_000, 16_300, 1]
                .into_iter()
                .enumerate()
            {
                let (s, event) = (s as u64 + 95, event(size));
                all.extend(expected(s, &event));
                outbox.push_dispatch(s, Encoding::Json, Variant::Full, event);
                outbox.push_bytes(Box::new([7; 9]));
                all.extend([7; 9]);
            }
            drain(&mut outbox, &mut socket);
            assert_eq!(socket.taken, all);
            assert_eq!(outbox.bytes(), 0);
        }
    }

    #[test]
    fn a_begun_frame_is_finished_before_a_close_and_the_rest_is_dropped() {
        for limit in [1, 50, 20_000, 90_000] {
            let mut outbox = Outbox::default();
            let events = [event(100), event(30_000), event(60_000)];
            let mut all = Vec::new();
            let mut ends = Vec::new();
            for (s, event) in (1..).zip(&events) {
                all.extend(expected(s, event));
                ends.push(all.len());
                outbox.push_dispatch(s, Encoding::Json, Variant::Full, Rc::clone(event));
            }
            outbox.consume(limit);
            outbox.discard_unstarted();
            let kept = ends.iter().copied().find(|&end| end >= limit).unwrap_or(0);
            outbox.push_bytes(Box::new([8; 4]));
            let mut socket = Stingy {
                taken: all[..limit].to_vec(),
                dice: 3,
            };
            drain(&mut outbox, &mut socket);
            assert_eq!(socket.taken, [&all[..kept], &[8; 4]].concat());
        }
    }

    #[test]
    fn an_outbox_that_moves_keeps_the_octets_still_to_be_written() {
        let mut outbox = Outbox::default();
        let event = event(300);
        outbox.push_dispatch(7, Encoding::Etf, Variant::Full, Rc::clone(&event));
        outbox.push_bytes(Box::new([9; 3]));
        outbox.consume(20);
        let whole = [frame(7, Encoding::Etf, &event), vec![9; 3]].concat();
        assert_eq!(outbox.into_bytes(), whole[20..]);
    }
}
