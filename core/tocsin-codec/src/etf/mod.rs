//! Erlang's external term format (`encoding=etf`, protocol.md §5.4): JSON to terms for what we send, terms to JSON for
//! what clients send. No tree of terms is ever built.

mod decode;
mod encode;
mod scan;
mod snowflake;
mod tag;
mod term;

pub use decode::{EtfError, Rules, etf_to_json};
pub use encode::{json_to_etf, term_of_json};

pub(crate) use encode::{
    dispatch_head, envelope_head, map_pairs, push_body, push_envelope, push_map,
};
