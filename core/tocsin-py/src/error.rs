//! The one place that turns a Rust error into a Python one.

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tocsin_gateway::GatewayError;

/// `ValueError` for settings, `OSError` with its errno for the system, `RuntimeError` for wrong use.
pub(crate) fn to_py(error: GatewayError) -> PyErr {
    match error {
        GatewayError::Config(_) => PyValueError::new_err(error.to_string()),
        GatewayError::Io(io) => match io.raw_os_error() {
            Some(errno) => PyOSError::new_err((errno, io.to_string())),
            None => PyOSError::new_err(io.to_string()),
        },
        other => PyRuntimeError::new_err(other.to_string()),
    }
}

/// `ValueError` with what is wrong with a regular expression.
pub(crate) fn of_pattern(error: regex::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}
