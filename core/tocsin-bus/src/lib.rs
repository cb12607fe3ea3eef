//! A node's inbox: the envelope of an event, and the sequencer that keeps each scope's events in order.

mod envelope;
mod recent;
mod sequencer;

pub use envelope::{Envelope, Scope};
pub use sequencer::{Limits, Loss, Sequencer, Step};
