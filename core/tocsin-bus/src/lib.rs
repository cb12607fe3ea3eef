//! tocsin-bus
