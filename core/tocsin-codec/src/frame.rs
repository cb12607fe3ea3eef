//! WebSocket frames, strictly by RFC 6455: a decoder for what clients send, and headers for what we send.
//!
//! Invariant: work and memory are linear in the octets received; nothing is allocated for octets merely announced.

use thiserror::Error;
use tocsin_proto::CloseCode;

use crate::utf8::Utf8Check;

/// A text frame's opcode.
pub const TEXT: u8 = 1;
/// A binary frame's opcode.
pub const BINARY: u8 = 2;
/// A close frame's opcode.
pub const CLOSE: u8 = 8;
/// A ping frame's opcode.
pub const PING: u8 = 9;
/// A pong frame's opcode.
pub const PONG: u8 = 10;

/// A buffer above this is given back once it is empty.
const KEEP_BYTES: usize = 256;
const MASK_BYTES: usize = 4;

/// What one message may cost.
#[derive(Debug, Clone, Copy)]
pub struct FrameLimits {
    /// Payload octets of a message, summed over its fragments.
    pub max_message_bytes: usize,
    /// Fragments of a message.
    pub max_fragments: u32,
}

/// Whether a message came as text or binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Opcode 1; its data is UTF-8.
    Text,
    /// Opcode 2.
    Binary,
}

/// Something complete from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Message {
        /// Text or binary.
        kind: MessageKind,
        /// The unmasked payload.
        data: Vec<u8>,
    },
    /// A ping, to be answered with the same payload.
    Ping(Vec<u8>),
    /// A pong.
    Pong,
    /// The closing handshake; `code` is `None` when the frame was empty.
    Close {
        /// A code that may be on the wire (RFC 6455 §7.4).
        code: Option<u16>,
    },
}

/// A violation; the connection must be failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// RSV bits without an extension.
    #[error("reserved bits are set")]
    ReservedBits,
    /// An opcode that does not exist.
    #[error("reserved opcode")]
    ReservedOpcode,
    /// A client frame without a mask.
    #[error("frame is not masked")]
    Unmasked,
    /// A length in a longer form than it needs, or with the top bit set.
    #[error("length is not in its shortest form")]
    Length,
    /// A control frame that is fragmented or over 125 octets.
    #[error("control frame is fragmented or too long")]
    Control,
    /// A continuation of nothing, or a new message inside another.
    #[error("fragments out of order")]
    Fragment,
    /// A close frame with one octet or a code that must not be sent.
    #[error("close code is not valid")]
    CloseCode,
    /// Text or a close reason that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A message over the limit, in octets or in fragments.
    #[error("message is too big")]
    TooBig,
}

impl FrameError {
    /// The close code to fail the connection with.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Utf8 => CloseCode::InvalidText,
            Self::TooBig => CloseCode::Decode,
            _ => CloseCode::Protocol,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Header {
    opcode: u8,
    fin: bool,
    length: usize,
    mask: [u8; MASK_BYTES],
    /// Payload octets of this frame already taken.
    taken: usize,
}

#[derive(Debug)]
struct Partial {
    kind: MessageKind,
    data: Vec<u8>,
    fragments: u32,
    check: Utf8Check,
}

/// Takes octets in any pieces and gives out messages and control frames in order.
#[derive(Debug)]
pub struct FrameDecoder {
    limits: FrameLimits,
    buffer: Vec<u8>,
    start: usize,
    header: Option<Header>,
    control: Vec<u8>,
    partial: Option<Box<Partial>>,
}

impl FrameDecoder {
    /// A decoder at the start of a connection.
    #[must_use]
    pub const fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            start: 0,
            header: None,
            control: Vec::new(),
            partial: None,
        }
    }

    /// Adds octets from the socket.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete thing, or `None` until more is fed.
    ///
    /// # Errors
    /// A `FrameError` once the peer has broken a rule; the decoder is of no use afterwards.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator that ends may not go on, a decoder does after the next feed"
    )]
    pub fn next(&mut self) -> Result<Option<Incoming>, FrameError> {
        loop {
            let header = match self.header {
                Some(header) => header,
                None => match self.read_header()? {
                    Some(header) => header,
                    None => return Ok(self.rest()),
                },
            };
            let done = self.take_payload(header)?;
            if !done {
                return Ok(self.rest());
            }
            self.header = None;
            if let Some(incoming) = self.complete(header)? {
                return Ok(Some(incoming));
            }
        }
    }

    /// Gives memory back before waiting for more.
    fn rest(&mut self) -> Option<Incoming> {
        if self.start == self.buffer.len() {
            self.start = 0;
            if self.buffer.capacity() > KEEP_BYTES {
                self.buffer = Vec::new();
            } else {
                self.buffer.clear();
            }
        }
        None
    }

    fn read_header(&mut self) -> Result<Option<Header>, FrameError> {
        let bytes = &self.buffer[self.start..];
        let &[first, second, ..] = bytes else {
            // The first octet alone can already be wrong.
            if let Some(&first) = bytes.first() {
                Self::check_first(first)?;
            }
            return Ok(None);
        };
        let opcode = Self::check_first(first)?;
        let fin = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(FrameError::Unmasked);
        }
        let short = usize::from(second & 0x7f);
        let is_control = opcode >= CLOSE;
        if is_control && (!fin || short > 125) {
            return Err(FrameError::Control);
        }
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(extension) = bytes.get(2..2 + extended) else {
            return Ok(None);
        };
        let length = match extended {
            0 => short as u64,
            2 => extension
                .iter()
                .fold(0, |sum, &octet| sum << 8 | u64::from(octet)),
            _ => {
                if extension[0] & 0x80 != 0 {
                    return Err(FrameError::Length);
                }
                extension
                    .iter()
                    .fold(0, |sum, &octet| sum << 8 | u64::from(octet))
            }
        };
        if (extended == 2 && length < 126) || (extended == 8 && length < 1 << 16) {
            return Err(FrameError::Length);
        }
        if !is_control {
            self.check_message(opcode, length)?;
        }
        let mask_at = self.start + 2 + extended;
        let Some(mask) = self.buffer.get(mask_at..mask_at + MASK_BYTES) else {
            return Ok(None);
        };
        let header = Header {
            opcode,
            fin,
            length: length as usize,
            mask: [mask[0], mask[1], mask[2], mask[3]],
            taken: 0,
        };
        self.start = mask_at + MASK_BYTES;
        self.header = Some(header);
        self.begin(header);
        Ok(Some(header))
    }

    const fn check_first(first: u8) -> Result<u8, FrameError> {
        if first & 0x70 != 0 {
            return Err(FrameError::ReservedBits);
        }
        match first & 0x0f {
            opcode @ (0..=2 | CLOSE..=PONG) => Ok(opcode),
            _ => Err(FrameError::ReservedOpcode),
        }
    }

    fn check_message(&self, opcode: u8, length: u64) -> Result<(), FrameError> {
        let (so_far, fragments) = match (&self.partial, opcode) {
            (Some(partial), 0) => (partial.data.len(), partial.fragments),
            (None, TEXT | BINARY) => (0, 0),
            _ => return Err(FrameError::Fragment),
        };
        let total = (so_far as u64).saturating_add(length);
        if total > self.limits.max_message_bytes as u64 || fragments >= self.limits.max_fragments {
            return Err(FrameError::TooBig);
        }
        Ok(())
    }

    fn begin(&mut self, header: Header) {
        match header.opcode {
            TEXT | BINARY => {
                self.partial = Some(Box::new(Partial {
                    kind: if header.opcode == TEXT {
                        MessageKind::Text
                    } else {
                        MessageKind::Binary
                    },
                    data: Vec::new(),
                    fragments: 1,
                    check: Utf8Check::default(),
                }));
            }
            0 => {
                if let Some(partial) = &mut self.partial {
                    partial.fragments += 1;
                }
            }
            _ => self.control.clear(),
        }
    }

    /// Moves what has arrived of the current frame's payload, unmasked; whether that was all of it.
    fn take_payload(&mut self, header: Header) -> Result<bool, FrameError> {
        let wanted = header.length - header.taken;
        let available = wanted.min(self.buffer.len() - self.start);
        let piece = &mut self.buffer[self.start..self.start + available];
        unmask(piece, header.mask, header.taken);
        if header.opcode >= CLOSE {
            self.control.extend_from_slice(piece);
        } else if let Some(partial) = &mut self.partial {
            if partial.kind == MessageKind::Text && !partial.check.push(piece) {
                return Err(FrameError::Utf8);
            }
            partial.data.extend_from_slice(piece);
        }
        self.start += available;
        self.header = Some(Header {
            taken: header.taken + available,
            ..header
        });
        Ok(available == wanted)
    }

    fn complete(&mut self, header: Header) -> Result<Option<Incoming>, FrameError> {
        match header.opcode {
            PING => Ok(Some(Incoming::Ping(std::mem::take(&mut self.control)))),
            PONG => {
                self.control = Vec::new();
                Ok(Some(Incoming::Pong))
            }
            CLOSE => {
                let payload = std::mem::take(&mut self.control);
                Ok(Some(Incoming::Close {
                    code: close_code_of(&payload)?,
                }))
            }
            _ if !header.fin => Ok(None),
            _ => {
                let Some(partial) = self.partial.take() else {
                    return Err(FrameError::Fragment);
                };
                if partial.kind == MessageKind::Text && !partial.check.is_complete() {
                    return Err(FrameError::Utf8);
                }
                Ok(Some(Incoming::Message {
                    kind: partial.kind,
                    data: partial.data,
                }))
            }
        }
    }
}

/// Takes the mask off octets that are the payload's from `offset` on.
fn unmask(piece: &mut [u8], mut mask: [u8; MASK_BYTES], offset: usize) {
    mask.rotate_left(offset % MASK_BYTES);
    let mut words = piece.chunks_exact_mut(MASK_BYTES);
    for word in &mut words {
        for (octet, key) in word.iter_mut().zip(mask) {
            *octet ^= key;
        }
    }
    for (octet, key) in words.into_remainder().iter_mut().zip(mask) {
        *octet ^= key;
    }
}

fn close_code_of(payload: &[u8]) -> Result<Option<u16>, FrameError> {
    match payload {
        [] => Ok(None),
        [_] => Err(FrameError::CloseCode),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err(FrameError::CloseCode);
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(FrameError::Utf8);
            }
            Ok(Some(code))
        }
    }
}

/// Whether a close code may be on the wire: RFC 6455 §7.4 and the IANA registry.
#[must_use]
pub const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Writes the header of an unmasked, unfragmented server frame; returns its length, 2 to 10 octets.
pub fn encode_header(opcode: u8, payload_len: usize, out: &mut [u8; 10]) -> usize {
    out[0] = 0x80 | opcode;
    if payload_len < 126 {
        out[1] = payload_len as u8;
        2
    } else if let Ok(length) = u16::try_from(payload_len) {
        out[1] = 126;
        out[2..4].copy_from_slice(&length.to_be_bytes());
        4
    } else {
        out[1] = 127;
        out[2..10].copy_from_slice(&(payload_len as u64).to_be_bytes());
        10
    }
}

/// A whole close frame with a code and a reason, which is cut at 123 octets.
#[must_use]
pub fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    control_frame(CLOSE, &payload)
}

/// A whole pong frame. `payload` is that of a ping, at most 125 octets.
#[must_use]
pub fn pong_frame(payload: &[u8]) -> Vec<u8> {
    control_frame(PONG, payload)
}

fn control_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode, payload.len() as u8];
    frame.extend_from_slice(payload);
    frame
}

/// A whole close frame without a code.
#[must_use]
pub fn close_frame_empty() -> Vec<u8> {
    control_frame(CLOSE, b"")
}
