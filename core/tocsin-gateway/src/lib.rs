//! tocsin-gateway
