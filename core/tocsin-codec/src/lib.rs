//! Bytes to values and back: WebSocket frames, the upgrade handshake, client commands, server dispatches.
//!
//! Everything here is sans-IO: no socket, no clock, no thread.

pub mod command;
mod content;
pub mod dispatch;
pub mod etf;
pub mod fragment;
pub mod frame;
pub mod handshake;
mod json;
pub mod payload;
mod utf8;

pub use command::{DecodeError, Envelope, Resume};
pub use dispatch::{ContentGate, EncodedDispatch, Variant};
pub use etf::EtfError;
pub use fragment::Fragment;
pub use frame::{FrameDecoder, FrameError, FrameLimits, Incoming, MessageKind};
pub use handshake::{Handshake, HandshakeError, HandshakeParser, Query};
