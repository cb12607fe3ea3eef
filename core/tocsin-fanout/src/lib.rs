//! Who gets an event: guild to cohorts, channel to cohorts, cohort to sessions, user to sessions. Pure data structures.

mod index;
mod users;

pub use index::{CohortId, SubscriptionIndex, Which};
pub use users::UserIndex;
