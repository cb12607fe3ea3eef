//! tocsin-fanout
