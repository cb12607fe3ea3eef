//! tocsin-session
