//! `Outbox`: what waits to be written to one connection, and how it is written.
//!
//! A dispatch waits as its number and a reference; its head is built when it is written. Frames that are one connection's
//! own wait on the worker's stage while the connection is to be written soon, else in memory of their own. Small items of
//! a connection are gathered into one buffer and leave in one write, large ones go by `writev` without a copy.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::rc::Rc;

use tocsin_codec::Variant;

use crate::event::{Encoding, Head, LocalEvent, Tail};
use crate::stage::{Stage, Staged};

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
    /// A frame on the stage.
    Staged(Staged),
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
    fn whole(bytes: &'a [u8]) -> Self {
        Self {
            first: bytes,
            second: &[],
            tail: Tail::default(),
        }
    }

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
    fn parts<'a>(&'a self, head: &'a mut Head, stage: &'a Stage) -> Parts<'a> {
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
            Self::Staged(frame) => Parts::whole(stage.get(*frame)),
            Self::Bytes(bytes) => Parts::whole(bytes),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Dispatch {
                s,
                encoding,
                variant,
                event,
            } => {
                let rest = event.rest(*encoding, *variant).len() + event.tail(*encoding).len();
                Head::default().build(*encoding, *s, rest).len() + rest
            }
            Self::Staged(frame) => frame.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
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
    /// The socket took less than was offered: nothing is written until it takes more.
    blocked: bool,
}

impl Outbox {
    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether the socket has to become writable first.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The socket takes more again; `false` if it did before.
    pub(crate) fn unblock(&mut self) -> bool {
        std::mem::take(&mut self.blocked)
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

    /// Appends the frame that was staged last. It stays there only if this outbox is written before the stage is cleared.
    pub(crate) fn push_staged(&mut self, frame: Staged, stage: &mut Stage) {
        if self.blocked || !stage.holds(frame) {
            self.push_bytes(stage.get(frame).into());
            stage.undo(frame);
        } else {
            self.bytes += frame.len();
            self.items.push_back(Item::Staged(frame));
        }
    }

    /// Writes the frame that was staged last, with nothing before it; what the socket does not take waits. `false` when
    /// another write is to find out what is wrong.
    pub(crate) fn write_staged(
        &mut self,
        frame: Staged,
        stage: &mut Stage,
        socket: &mut impl Write,
        count: &mut WriteCount,
    ) -> bool {
        let bytes = stage.get(frame);
        let (taken, sound) = match socket.write(bytes) {
            Ok(n) => (n, n > 0),
            Err(error) => (0, error.kind() == io::ErrorKind::WouldBlock),
        };
        count.bytes += taken as u64;
        count.calls += 1;
        if taken < bytes.len() {
            self.push_bytes(bytes[taken..].into());
            self.blocked = sound;
        }
        stage.undo(frame);
        sound
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

    /// Writes nothing until `unblock`, and takes what is on the stage along.
    pub(crate) fn hold(&mut self, stage: &Stage) {
        self.blocked = true;
        for item in &mut self.items {
            if let Item::Staged(frame) = item {
                *item = Item::Bytes(stage.get(*frame).into());
            }
        }
    }

    /// Cuts what was appended last to its first half, wherever its octets are; less what of it is written already.
    pub(crate) fn halve_last(&mut self, stage: &Stage) {
        let written = if self.items.len() == 1 {
            self.offset
        } else {
            0
        };
        let Some(last) = self.items.back_mut() else {
            return;
        };
        let (mut head, mut frame) = (Head::default(), Vec::new());
        last.parts(&mut head, stage).append_from(0, &mut frame);
        let whole = frame.len();
        frame.truncate((whole / 2).max(written));
        self.bytes -= whole - frame.len();
        *last = Item::Bytes(frame.into());
    }

    /// Turns references into bytes, so that the outbox may go to another thread.
    pub(crate) fn into_bytes(self, stage: &Stage) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes);
        let mut skip = self.offset;
        for item in &self.items {
            let mut head = Head::default();
            item.parts(&mut head, stage).append_from(skip, &mut out);
            skip = 0;
        }
        out
    }

    /// Writes as much as the socket takes, and counts the bytes and system calls.
    ///
    /// # Errors
    /// The socket is broken.
    pub(crate) fn write_to(
        &mut self,
        socket: &mut impl Write,
        stage: &Stage,
        scratch: &mut Vec<u8>,
        count: &mut WriteCount,
    ) -> io::Result<Written> {
        while let Some(first) = self.items.front() {
            let mut head = Head::default();
            let (wanted, result) = match first {
                Item::Staged(frame) if self.items.len() == 1 => {
                    let bytes = &stage.get(*frame)[self.offset..];
                    (bytes.len(), socket.write(bytes))
                }
                _ if self.bytes > GATHER_ITEM && first.len() - self.offset > GATHER_ITEM => first
                    .parts(&mut head, stage)
                    .write_from(self.offset, socket),
                _ => {
                    gather(&self.items, self.offset, stage, scratch);
                    (scratch.len(), socket.write(scratch))
                }
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    count.bytes += n as u64;
                    count.calls += 1;
                    self.consume(n);
                    if n < wanted {
                        self.hold(stage);
                        return Ok(Written::Blocked);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    count.calls += 1;
                    self.hold(stage);
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
        if self.bytes == 0 {
            self.items.clear();
            self.offset = 0;
            return;
        }
        while n > 0 {
            let Some(first) = self.items.front() else {
                return;
            };
            let left = first.len() - self.offset;
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

fn gather(items: &VecDeque<Item>, offset: usize, stage: &Stage, scratch: &mut Vec<u8>) {
    scratch.clear();
    let mut skip = offset;
    for item in items {
        let mut head = Head::default();
        let parts = item.parts(&mut head, stage);
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

    fn staged(stage: &mut Stage, size: usize) -> (Staged, Vec<u8>) {
        let built = stage.build(2, |out| {
            out.resize(out.len() + size, 6);
            Ok::<_, ()>(())
        });
        let frame = built.expect("it cannot fail");
        (frame, stage.get(frame).to_vec())
    }

    fn drain(outbox: &mut Outbox, socket: &mut Stingy, stage: &mut Stage) {
        let (mut scratch, mut count) = (Vec::new(), WriteCount::default());
        let before = socket.taken.len();
        let waiting = outbox.bytes();
        while outbox
            .write_to(socket, stage, &mut scratch, &mut count)
            .expect("no error")
            == Written::Blocked
        {
            // Who is blocked has taken everything along.
            stage.clear();
            assert!(outbox.unblock());
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
            let (mut outbox, mut stage) = (Outbox::default(), Stage::default());
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
                let (frame, bytes) = staged(&mut stage, size % 9_000);
                outbox.push_staged(frame, &mut stage);
                all.extend(bytes);
            }
            drain(&mut outbox, &mut socket, &mut stage);
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
            drain(&mut outbox, &mut socket, &mut Stage::default());
            assert_eq!(socket.taken, [&all[..kept], &[8; 4]].concat());
        }
    }

    #[test]
    fn what_was_appended_last_is_cut_to_its_half_wherever_it_is_and_nothing_before_it() {
        for (kind, written) in [(0, 0), (1, 0), (0, 20), (0, 200), (1, 3)] {
            let (mut outbox, mut stage) = (Outbox::default(), Stage::default());
            let mut all = Vec::new();
            if written == 0 {
                outbox.push_bytes(Box::new([9; 30]));
                all.extend([9; 30]);
            }
            let event = event(300);
            let (staged, bytes) = staged(&mut stage, 40);
            let last = match kind {
                0 => {
                    outbox.push_dispatch(7, Encoding::Etf, Variant::Full, Rc::clone(&event));
                    frame(7, Encoding::Etf, &event)
                }
                _ => {
                    outbox.push_staged(staged, &mut stage);
                    bytes
                }
            };
            outbox.consume(written);
            outbox.halve_last(&stage);
            outbox.hold(&stage);
            outbox.unblock();
            all.extend(&last[..(last.len() / 2).max(written)]);
            assert_eq!(outbox.bytes(), all.len() - written);
            assert_eq!(outbox.into_bytes(&stage), all[written..]);
        }
    }

    #[test]
    fn an_outbox_that_moves_keeps_the_octets_still_to_be_written() {
        let (mut outbox, mut stage) = (Outbox::default(), Stage::default());
        let event = event(300);
        outbox.push_dispatch(7, Encoding::Etf, Variant::Full, Rc::clone(&event));
        outbox.push_bytes(Box::new([9; 3]));
        let (own, bytes) = staged(&mut stage, 40);
        outbox.push_staged(own, &mut stage);
        outbox.consume(20);
        let whole = [frame(7, Encoding::Etf, &event), vec![9; 3], bytes].concat();
        assert_eq!(outbox.into_bytes(&stage), whole[20..]);
    }

    #[test]
    fn a_staged_frame_leaves_at_once_and_what_is_not_taken_waits_in_its_own_memory() {
        for dice in 0..40 {
            let mut socket = Stingy {
                taken: Vec::new(),
                dice,
            };
            let (mut outbox, mut stage) = (Outbox::default(), Stage::default());
            let mut count = WriteCount::default();
            let (frame, bytes) = staged(&mut stage, 300);
            assert!(outbox.write_staged(frame, &mut stage, &mut socket, &mut count));
            stage.clear();
            assert_eq!(count.bytes as usize, socket.taken.len());
            assert_eq!(outbox.bytes(), bytes.len() - socket.taken.len());
            assert_eq!(outbox.is_blocked(), outbox.bytes() > 0);
            let (next, more) = staged(&mut stage, 10);
            outbox.push_staged(next, &mut stage);
            if outbox.is_blocked() {
                stage.clear();
            }
            drain(&mut outbox, &mut socket, &mut stage);
            assert_eq!(socket.taken, [bytes, more].concat());
        }
    }
}
