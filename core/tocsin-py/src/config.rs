//! `GatewayConfig` as Python sees it: keyword arguments, checked at once.

use pyo3::prelude::*;
use tocsin_gateway::{Compression, GatewayConfig, GatewayError};

use crate::error;

/// Everything the Rust half needs, validated once. All durations in ms, all sizes in bytes.
#[pyclass(name = "GatewayConfig", module = "tocsin._core", frozen)]
pub(crate) struct PyGatewayConfig {
    pub(crate) inner: GatewayConfig,
}

#[pymethods]
impl PyGatewayConfig {
    #[new]
    #[pyo3(signature = (
        *,
        host = "127.0.0.1",
        port = 0,
        workers = 1,
        heartbeat_interval_ms = 41_250,
        identify_timeout_ms = 15_000,
        handshake_timeout_ms = 10_000,
        resume_window_ms = 120_000,
        replay_max_events = 1_000,
        replay_max_bytes = 4_194_304,
        outbound_max_bytes = 4_194_304,
        payload_max_bytes = 15_360,
        send_limit = 120,
        send_window_ms = 60_000,
        host_queue_max = 65_536,
        max_connections = 1_000_000,
        compression = "shared",
        debug_inflate = false,
        session_tag = None,
        traces = false,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of _core.pyi")]
    fn new(
        host: &str,
        port: u16,
        workers: usize,
        heartbeat_interval_ms: u64,
        identify_timeout_ms: u64,
        handshake_timeout_ms: u64,
        resume_window_ms: u64,
        replay_max_events: usize,
        replay_max_bytes: usize,
        outbound_max_bytes: usize,
        payload_max_bytes: usize,
        send_limit: u32,
        send_window_ms: u64,
        host_queue_max: usize,
        max_connections: usize,
        compression: &str,
        debug_inflate: bool,
        session_tag: Option<[u8; 4]>,
        traces: bool,
    ) -> PyResult<Self> {
        let compression = Compression::from_name(compression)
            .ok_or_else(|| error::to_py(GatewayError::Config("compression")))?;
        let inner = GatewayConfig {
            host: host.to_owned(),
            port,
            workers,
            heartbeat_interval_ms,
            identify_timeout_ms,
            handshake_timeout_ms,
            resume_window_ms,
            replay_max_events,
            replay_max_bytes,
            outbound_max_bytes,
            payload_max_bytes,
            send_limit,
            send_window_ms,
            host_queue_max,
            max_connections,
            compression,
            session_tag,
            traces,
            debug_inflate,
        };
        inner.validate().map_err(error::to_py)?;
        Ok(Self { inner })
    }
}
