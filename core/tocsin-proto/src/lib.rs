//! Nouns of the wire: opcodes, close codes, intents, shards, session ids. No I/O, no clock, no allocation.

mod close_code;
mod intents;
mod looking;
mod opcode;
mod session_id;
mod shard;

pub use close_code::{CloseCode, NotACloseCode};
pub use intents::Intents;
pub use looking::is_for_lookers;
pub use opcode::OpCode;
pub use session_id::{NotASessionId, SessionId};
pub use shard::ShardId;
