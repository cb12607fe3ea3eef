//! `Sink`: who is told what the bus brings and what happens to it. Called on the bus's own threads; must not block.

use tocsin_bus::journal::{JournalSink, Position};
use tocsin_bus::{Envelope, Inheritance, Note, SessionId};

/// The receiver of events and notes.
pub trait Sink: Send + Sync + 'static {
    /// The next events of the inbox, in order: all there were up to the place, if it is given.
    fn events(&self, events: Vec<Envelope>, position: Position);
    /// At this place of the inbox, sessions of another node go on here.
    fn inherit(&self, inheritance: Inheritance);
    /// At this place of the inbox, these sessions are another node's.
    fn fence(&self, sessions: Vec<SessionId>);
    /// How many workers write a journal each.
    fn workers(&self) -> usize;
    /// A worker's journal goes there from now on; `epoch` differs from all before.
    fn write_to(&self, worker: usize, journal: Box<dyn JournalSink>, epoch: u64);
    /// Something happened.
    fn note(&self, note: Note);
}
