//! A node's inbox: the envelope of an event, the sequencer that keeps each scope's events in order, and what the bus that
//! fills it has to say.

mod envelope;
mod note;
mod recent;
mod sequencer;

pub use envelope::{Envelope, Scope};
pub use note::{Note, Why};
pub use sequencer::{Limits, Loss, Sequencer, Step};
