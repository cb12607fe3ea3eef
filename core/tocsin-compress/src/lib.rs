//! tocsin-compress
