//! `tocsin._core`: the binding crate, a table of contents.

mod batch;
mod bus;
mod codec;
mod config;
mod encoder;
mod error;
mod fragment;
mod gateway;
mod index;
mod members;
mod patterns;
mod request;
mod stream;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tikv_jemallocator::Jemalloc;

/// What a storm has left free goes back to the system within seconds; glibc keeps it (ADR 0009).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// SHA-256 of a token without its `Bot ` or `Bearer ` prefix: 32 bytes.
#[pyfunction]
fn token_digest<'py>(py: Python<'py>, token: &str) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &tocsin_gateway::token_digest(token))
}

/// The Rust core: sockets, sessions, fan-out.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("IDENTIFY", request::IDENTIFY)?;
    module.add("COMMAND", request::COMMAND)?;
    module.add("POLICY", request::POLICY)?;
    module.add("CLOSED", request::CLOSED)?;
    module.add("DETACHED", request::DETACHED)?;
    module.add("ATTACHED", request::ATTACHED)?;
    module.add("BUS_OPENED", request::BUS_OPENED)?;
    module.add("BUS_REGISTERED", request::BUS_REGISTERED)?;
    module.add("BUS_BEHIND", request::BUS_BEHIND)?;
    module.add("BUS_AWAY", request::BUS_AWAY)?;
    module.add("BUS_MESSAGES", request::BUS_MESSAGES)?;
    module.add("CLAIM", request::CLAIM)?;
    module.add("BUS_FOUND", request::BUS_FOUND)?;
    module.add("BUS_NOT_TAKEN", request::BUS_NOT_TAKEN)?;
    module.add_class::<config::PyGatewayConfig>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<bus::PyBus>()?;
    module.add_class::<fragment::Fragment>()?;
    module.add_class::<gateway::PyGateway>()?;
    module.add_class::<encoder::PyEncodedDispatch>()?;
    module.add_class::<index::PySubscriptionIndex>()?;
    module.add_class::<members::PyMemberList>()?;
    module.add_class::<patterns::PyPatterns>()?;
    module.add_class::<stream::PySharedBodies>()?;
    module.add_class::<stream::PyCompressor>()?;
    module.add_function(wrap_pyfunction!(codec::json_to_etf, module)?)?;
    module.add_function(wrap_pyfunction!(codec::etf_to_json, module)?)?;
    module.add_function(wrap_pyfunction!(token_digest, module)?)
}
