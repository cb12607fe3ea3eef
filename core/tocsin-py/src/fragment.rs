//! `Fragment`: members of a JSON object that many sessions' bodies share, made by Python once.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Members of a JSON object, without braces; may be none. Encoded and compressed once for all bodies they go into.
#[pyclass(module = "tocsin._core", frozen)]
pub(crate) struct Fragment {
    pub(crate) shared: Arc<tocsin_gateway::Fragment>,
}

#[pymethods]
impl Fragment {
    #[new]
    #[pyo3(signature = (members, /))]
    fn new(members: &[u8]) -> Self {
        Self {
            shared: Arc::new(tocsin_gateway::Fragment::new(members)),
        }
    }

    /// The members as they were given.
    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.shared.members())
    }
}
