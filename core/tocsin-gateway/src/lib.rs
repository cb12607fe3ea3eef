//! The gateway half of a node: workers that own sockets and sessions, and the dispatcher that orders what they send.

pub mod command;
mod config;
mod connection;
mod control;
mod directory;
mod dispatcher;
mod drain;
mod error;
mod event;
mod fanout;
mod frames;
mod gateway;
mod host;
mod key;
mod lifecycle;
mod listener;
mod mailbox;
mod message;
mod metrics;
mod orders;
mod registry;
mod resume;
mod sessions;
mod timers;
mod token;
mod wire;
mod worker;
mod writer;

pub use config::GatewayConfig;
pub use error::GatewayError;
pub use gateway::Gateway;
pub use host::{HostQueue, HostRequest};
pub use key::SessionKey;
pub use tocsin_bus::{Envelope, Scope};
pub use token::token_digest;
