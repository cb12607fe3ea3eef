//! A node's inbox: the envelope of an event, the sequencer that keeps each scope's events in order, and what the bus that
//! fills it has to say.

mod envelope;
mod inheritance;
pub mod journal;
mod note;
pub mod octets;
mod recent;
mod sequencer;

pub use envelope::{Envelope, Scope};
pub use inheritance::{Heir, Inheritance, Missed};
pub use note::{Doubt, Found, Note, Why};
pub use sequencer::{Limits, Loss, Sequencer, Step};
pub use tocsin_proto::SessionId;
