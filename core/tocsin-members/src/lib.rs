//! A guild's member list as clients scroll it: rows by index, and the index of a member, at a million members.
//!
//! Pure data: no clock, no I/O. `group` keeps one group in order, `list` strings groups and their headers together.

mod group;
mod list;
mod names;

pub use list::{MemberList, Row, Step};
