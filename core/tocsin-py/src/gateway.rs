//! `Gateway`: the running gateway half as Python holds it.
//!
//! The GIL is released wherever a thread is started or joined or a batch handed over, and no Rust lock is held while
//! Python objects are made.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tocsin_gateway::{Door, Gateway, GatewayError, Passage};

use crate::batch::Batch;
use crate::config::PyGatewayConfig;
use crate::error::to_py;
use crate::request;

/// The body, receivers, workers, then arrived, ordered, handed, begun and given, then the first and the last write.
type PassageTuple<'py> = (
    Bound<'py, PyBytes>,
    u64,
    u32,
    (u64, u64, u64, u64, u64),
    Option<(u64, u64)>,
);

/// The running gateway half: worker threads and the dispatcher.
#[pyclass(name = "Gateway", module = "tocsin._core", frozen)]
pub(crate) struct PyGateway {
    inner: Gateway,
}

impl PyGateway {
    /// A way in for the bus.
    pub(crate) fn door(&self) -> Result<Door, GatewayError> {
        self.inner.door()
    }
}

#[pymethods]
impl PyGateway {
    #[new]
    fn new(config: &PyGatewayConfig) -> Self {
        Self {
            inner: Gateway::new(config.inner.clone()),
        }
    }

    /// The port the workers listen on.
    #[getter]
    fn port(&self) -> PyResult<u16> {
        self.inner.port().map_err(to_py)
    }

    /// Binds the port and starts the threads.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.start()).map_err(to_py)
    }

    /// A descriptor that is readable when requests wait.
    fn fileno(&self) -> PyResult<i32> {
        self.inner.fileno().map_err(to_py)
    }

    /// Up to `max` requests, in order.
    #[pyo3(signature = (max = 256))]
    fn drain<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let requests = self.inner.drain(max).map_err(to_py)?;
        requests
            .into_iter()
            .map(|r| request::to_py(py, r))
            .collect()
    }

    /// Whether changes of presence (op 3) wake nobody for now; whoever ends that drains after it.
    fn let_presences_wait(&self, patient: bool) -> PyResult<()> {
        self.inner.let_presences_wait(patient).map_err(to_py)
    }

    /// Hands a batch to the dispatcher and empties it.
    fn submit(&self, py: Python<'_>, mut batch: PyRefMut<'_, Batch>) -> PyResult<()> {
        let commands = std::mem::take(&mut batch.commands);
        drop(batch);
        py.detach(|| self.inner.submit(commands)).map_err(to_py)
    }

    /// Figures by name.
    fn stats(&self) -> PyResult<HashMap<&'static str, u64>> {
        Ok(self.inner.stats().map_err(to_py)?.into_iter().collect())
    }

    /// Prometheus text exposition.
    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.inner.metrics()).map_err(to_py)
    }

    /// What traced events went through since this was last asked, as the tuples of `_core.pyi`.
    fn passages<'py>(&self, py: Python<'py>) -> PyResult<Vec<PassageTuple<'py>>> {
        let passages = py.detach(|| self.inner.passages()).map_err(to_py)?;
        let tuple = |each: Passage| {
            let times = (
                each.arrived,
                each.ordered,
                each.handed,
                each.begun,
                each.given,
            );
            let body = PyBytes::new(py, &each.body);
            (body, each.receivers, each.workers, times, each.writes)
        };
        Ok(passages.into_iter().map(tuple).collect())
    }

    /// Stops accepting, spreads op 7 over the time, then closes with 4000.
    fn begin_drain(&self, spread_ms: u64) -> PyResult<()> {
        self.inner.begin_drain(spread_ms).map_err(to_py)
    }

    /// Joins the threads; idempotent.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.inner.stop());
    }
}
