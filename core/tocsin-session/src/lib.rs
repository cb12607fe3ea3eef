//! What a session is made of: sequence and replay, liveness, budgets. Sans-IO: the caller passes the time in, in ms.

mod budget;
mod heartbeat;
mod replay;

pub use budget::SendBudget;
pub use heartbeat::{Heartbeat, Liveness};
pub use replay::ReplayLog;
