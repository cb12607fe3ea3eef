//! `Sink`: who is told what the bus brings and what happens to it. Called on the bus's own threads; must not block.

use tocsin_bus::{Envelope, Note};

/// The receiver of events and notes.
pub trait Sink: Send + Sync + 'static {
    /// The next events of the inbox, in order.
    fn events(&self, events: Vec<Envelope>);
    /// Something happened.
    fn note(&self, note: Note);
}
