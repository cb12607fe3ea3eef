//! tocsin-proto
