//! tocsin-codec
