//! The bus over Redis Streams: each node has an inbox, and whoever publishes puts an event into those of the nodes
//! that have an interest in its scope. Redis 7.0 or newer, with `maxmemory-policy noeviction`.
//!
//! The outbox is the truth and Redis the transport: every event of a scope's log is taken once and in order, a hole
//! shows by itself, and whatever is uncertain makes a new inbox that begins with what the outbox holds.

mod bus;
mod config;
mod cursor;
mod desk;
mod entry;
mod error;
mod estate;
mod figures;
mod heir;
mod journal;
mod link;
mod links;
mod marks;
mod names;
mod outages;
mod publisher;
mod queue;
mod reader;
mod registrations;
mod routes;
mod sink;
mod slots;
mod steering;

pub use bus::Bus;
pub use config::BusConfig;
pub use cursor::{Cursor, Misplaced};
pub use entry::{EntryError, decode, encode};
pub use error::BusError;
pub use figures::Figures;
pub use names::Names;
pub use sink::Sink;
pub use tocsin_bus::journal::{JournalSink, Position};
pub use tocsin_bus::{Inheritance, Note, Why};
