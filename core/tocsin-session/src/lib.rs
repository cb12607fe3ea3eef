//! A session's state: sequence numbers, replay, liveness, budgets. Sans-IO: the caller passes the time in, in ms.

mod budget;
mod heartbeat;
mod replay;
mod session;
mod token;

pub use budget::SendBudget;
pub use heartbeat::{Heartbeat, Liveness};
pub use replay::{ReplayLimits, ReplayLog};
pub use session::{Attachment, ResumeError, Session, SessionInfo};
pub use token::{TokenDigest, digests_match};
