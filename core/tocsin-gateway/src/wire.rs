//! `Wire`: how one connection speaks: handshake, frames, encoding, compression, its clocks and budgets.

use std::rc::Rc;

use tocsin_codec::frame::{self, FrameDecoder, FrameLimits, MessageKind};
use tocsin_codec::{DecodeError, Envelope, HandshakeParser, Query, Variant};
use tocsin_compress::{Compression, Compressor, SharedBodies, Spliced, Transport};
use tocsin_proto::CloseCode;
use tocsin_session::{Heartbeat, Liveness, SendBudget};

use crate::config::GatewayConfig;
use crate::control::Control;
use crate::event::{Encoding, LocalEvent, Start};
use crate::stage::{Stage, Staged};
use crate::writer::Outbox;

/// Most fragments of one message (reliability.md §2.2).
const MAX_FRAGMENTS: u32 = 128;
/// Pongs are queued one by one while less than this waits, then only the last one counts (RFC 6455 §5.5.3).
const PONG_QUEUE_BYTES: usize = 16 * 1024;
/// Payloads above this go as standalone zlib frames to clients that asked for it.
const STANDALONE_BYTES: usize = 1_024;
/// Dispatches that other connections get too are copied up to this size when they are written at once.
const COPIED_BYTES: usize = 16 * 1024;

/// What became of the octets of a request head.
pub(crate) enum Upgrade {
    /// More is needed.
    Incomplete,
    /// An HTTP error, after which the connection ends.
    Refused(Vec<u8>),
    /// Upgraded; `refused` is what the query deserves.
    Accepted {
        response: Vec<u8>,
        leftover: Vec<u8>,
        refused: Option<CloseCode>,
    },
}

/// The protocol state of one connection. It moves with the socket.
#[derive(Debug)]
pub(crate) struct Wire {
    parser: Option<Box<HandshakeParser>>,
    pub(crate) decoder: FrameDecoder,
    pub(crate) limits: FrameLimits,
    pub(crate) encoding: Encoding,
    /// 9 or 10, once settled.
    pub(crate) version: u8,
    compressor: Option<Box<Compressor>>,
    compression: Compression,
    debug_inflate: bool,
    /// Large payloads go as standalone zlib frames.
    pub(crate) standalone: bool,
    heartbeat: Option<Heartbeat>,
    budget: SendBudget,
    pong: Option<Box<[u8]>>,
}

impl Wire {
    /// The state at accept.
    pub(crate) fn new(config: &GatewayConfig) -> Self {
        let limits = FrameLimits {
            max_message_bytes: config.payload_max_bytes,
            max_fragments: MAX_FRAGMENTS,
        };
        Self {
            parser: Some(Box::default()),
            decoder: FrameDecoder::new(limits),
            limits,
            encoding: Encoding::Json,
            version: 10,
            compressor: None,
            compression: config.compression,
            debug_inflate: config.debug_inflate,
            standalone: false,
            heartbeat: None,
            budget: SendBudget::new(
                config.send_limit,
                u32::try_from(config.send_window_ms).unwrap_or(u32::MAX),
            ),
            pong: None,
        }
    }

    /// Takes octets of the request head.
    pub(crate) fn upgrade(&mut self, bytes: &[u8]) -> Upgrade {
        let Some(parser) = &mut self.parser else {
            return Upgrade::Incomplete;
        };
        match parser.feed(bytes) {
            Ok(None) => Upgrade::Incomplete,
            Err(error) => Upgrade::Refused(error.response()),
            Ok(Some(handshake)) => {
                self.parser = None;
                let refused = self.settle(&handshake.query).err();
                Upgrade::Accepted {
                    response: handshake.response(),
                    leftover: handshake.leftover,
                    refused,
                }
            }
        }
    }

    /// Decides version, encoding and compression (protocol.md §1.1).
    fn settle(&mut self, query: &Query) -> Result<(), CloseCode> {
        self.version = match query.v.as_deref() {
            Some("9") => 9,
            Some("10") => 10,
            _ => return Err(CloseCode::InvalidApiVersion),
        };
        self.encoding = match query.encoding.as_deref() {
            None | Some("" | "json") => Encoding::Json,
            Some("etf") => Encoding::Etf,
            Some(_) => return Err(CloseCode::Decode),
        };
        self.compressor = match query.compress.as_deref() {
            None | Some("") => None,
            Some(name) => {
                let transport = Transport::from_name(name).ok_or(CloseCode::Decode)?;
                let compressor = Compressor::new(transport, self.compression, self.debug_inflate);
                Some(Box::new(compressor))
            }
        };
        Ok(())
    }

    /// Reads a client payload. JSON may come as text or binary, ETF as binary only (protocol.md §1.1).
    ///
    /// # Errors
    /// It cannot be understood: close 4002.
    pub(crate) fn decode(&self, kind: MessageKind, data: &[u8]) -> Result<Envelope, DecodeError> {
        match (self.encoding, kind) {
            (Encoding::Json, _) => Envelope::decode(data),
            (Encoding::Etf, MessageKind::Binary) => Envelope::decode_etf(data),
            (Encoding::Etf, MessageKind::Text) => Err(DecodeError::Envelope),
        }
    }

    /// Counts a payload; `false` when it is one too many.
    pub(crate) fn may_send(&mut self, now_ms: u64) -> bool {
        self.budget.spend(now_ms)
    }

    /// Heartbeats are due from now on.
    pub(crate) fn begin_heartbeats(&mut self, interval_ms: u64, now_ms: u64) {
        self.heartbeat = Some(Heartbeat::new(interval_ms, now_ms));
    }

    /// A heartbeat arrived.
    pub(crate) fn beat(&mut self, now_ms: u64) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.beat(now_ms);
        }
    }

    /// When silence next means something.
    pub(crate) fn next_heartbeat_ms(&self) -> u64 {
        self.heartbeat.map_or(u64::MAX, |h| h.next_ms())
    }

    /// What the silence means now.
    pub(crate) fn check_heartbeat(&mut self, now_ms: u64) -> Liveness {
        self.heartbeat
            .as_mut()
            .map_or(Liveness::Fine(u64::MAX), |h| h.check(now_ms))
    }

    /// Compression has failed: nothing more may be sent, and the connection has to be closed with 4000.
    pub(crate) fn is_broken(&self) -> bool {
        self.compressor.as_ref().is_some_and(|c| c.is_broken())
    }

    /// Queues a payload that is no dispatch; nothing once compression has failed.
    pub(crate) fn control(&mut self, control: Control, stage: &mut Stage, outbox: &mut Outbox) {
        let payload = control.encode(self.encoding);
        let built = match &mut self.compressor {
            Some(compressor) => {
                stage.build(frame::BINARY, |out| compressor.compress_tiny(&payload, out))
            }
            None => stage.build(self.encoding.opcode(), |out| {
                out.extend_from_slice(&payload);
                Ok(())
            }),
        };
        if let Ok(frame) = built {
            outbox.push_staged(frame, stage);
        }
    }

    /// Queues a dispatch: by reference if the bytes can be shared, else compressed; nothing once compression has failed.
    ///
    /// What is queued is what is written, in this order, so a stream's position is right from here on.
    pub(crate) fn dispatch(
        &mut self,
        s: u64,
        variant: Variant,
        event: &Rc<LocalEvent>,
        packing: &mut Packing,
        outbox: &mut Outbox,
    ) {
        if self.shares(variant, event) {
            outbox.push_dispatch(s, self.encoding, variant, Rc::clone(event));
        } else if let Some(frame) = self.stage(s, variant, event, packing) {
            outbox.push_staged(frame, &mut packing.stage);
        }
    }

    /// Whether the dispatch's bytes are those that other connections get.
    fn shares(&self, variant: Variant, event: &LocalEvent) -> bool {
        self.compressor.is_none()
            && !(self.standalone
                && self.encoding == Encoding::Json
                && length(self.encoding, variant, event) > STANDALONE_BYTES)
    }

    /// Whether the dispatch is to be queued by reference rather than written from a copy.
    pub(crate) fn prefers_reference(&self, variant: Variant, event: &LocalEvent) -> bool {
        self.shares(variant, event) && length(self.encoding, variant, event) > COPIED_BYTES
    }

    /// Builds a dispatch's frame on the stage; `None` once compression has failed. The frame is to be written or queued
    /// next, for a stream's position moves on.
    pub(crate) fn stage(
        &mut self,
        s: u64,
        variant: Variant,
        event: &LocalEvent,
        packing: &mut Packing,
    ) -> Option<Staged> {
        let (rest, tail) = (
            event.rest(self.encoding, variant),
            event.tail(self.encoding),
        );
        let shares = self.shares(variant, event);
        let mut start = Start::default();
        let head = start.build(self.encoding, s);
        let stage = &mut packing.stage;
        let built = if let Some(compressor) = &mut self.compressor {
            let (form, sharing) = (self.encoding.form(variant), packing.sharing);
            let bodies = &mut packing.bodies;
            stage.build(frame::BINARY, |out| {
                if !tail.is_empty() {
                    let spliced: Vec<Spliced<'_>> = tail.spliced().collect();
                    compressor.compress_spliced(bodies, &[head, rest], &spliced, tail.end(), out)
                } else if sharing {
                    compressor.compress_shared(bodies, form, head, rest, out)
                } else {
                    compressor.compress_private(bodies, &[head, rest], out)
                }
            })
        } else if shares {
            stage.build(self.encoding.opcode(), |out| {
                out.extend_from_slice(head);
                out.extend_from_slice(rest);
                tail.pieces().for_each(|piece| out.extend_from_slice(piece));
                Ok(())
            })
        } else {
            let parts: Vec<&[u8]> = [head, rest].into_iter().chain(tail.pieces()).collect();
            stage.build(frame::BINARY, |out| {
                out.extend_from_slice(&tocsin_compress::zlib_standalone(&parts));
                Ok(())
            })
        };
        built.ok()
    }

    /// Queues the answer to a ping, or remembers it when too much waits already.
    pub(crate) fn pong(&mut self, data: &[u8], outbox: &mut Outbox) {
        let frame = frame::pong_frame(data).into_boxed_slice();
        if outbox.bytes() < PONG_QUEUE_BYTES {
            outbox.push_bytes(frame);
        } else {
            self.pong = Some(frame);
        }
    }

    /// Queues the remembered pong.
    pub(crate) fn flush_pong(&mut self, outbox: &mut Outbox) {
        if let Some(frame) = self.pong.take() {
            outbox.push_bytes(frame);
        }
    }
}

/// What a worker's connections share: what was compressed for many of them, and where their own frames are built.
#[derive(Debug)]
pub(crate) struct Packing {
    bodies: SharedBodies,
    /// The event in hand is one of those that `bodies` was told of.
    sharing: bool,
    pub(crate) stage: Stage,
}

impl Packing {
    /// Nothing shared yet.
    pub(crate) fn new(worker: usize) -> Self {
        Self {
            bodies: SharedBodies::new(u8::try_from(worker).unwrap_or(u8::MAX)),
            sharing: false,
            stage: Stage::default(),
        }
    }

    /// What is dispatched next is one event of a guild, 0 for none, to many sessions if `kept`; until `end`.
    pub(crate) fn begin(&mut self, guild: u64, kept: bool) {
        self.bodies.begin(guild, kept);
        self.sharing = true;
    }

    /// What is dispatched next is for one session only.
    pub(crate) fn end(&mut self) {
        self.sharing = false;
    }
}

/// Octets of a dispatch after its start.
fn length(encoding: Encoding, variant: Variant, event: &LocalEvent) -> usize {
    event.rest(encoding, variant).len() + event.tail(encoding).len()
}

/// A close frame with the reason that goes with the code.
pub(crate) fn close_frame(code: u16) -> Box<[u8]> {
    let reason = CloseCode::from_code(code).map_or("", CloseCode::reason);
    frame::close_frame(code, reason).into_boxed_slice()
}

/// The answer to the peer's close frame: its code back, without a reason (RFC 6455 §5.5.1).
pub(crate) fn close_answer(code: Option<u16>) -> Box<[u8]> {
    match code {
        Some(code) => frame::close_frame(code, ""),
        None => frame::close_frame_empty(),
    }
    .into_boxed_slice()
}
