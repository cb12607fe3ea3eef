//! The codec on its own, for tests and measurements: JSON to terms and back.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tocsin_gateway::etf::{self, Rules};

/// A JSON value as a term. With payload, a gateway payload as clients get it.
#[pyfunction]
#[pyo3(signature = (json, *, payload = false))]
pub(crate) fn json_to_etf<'py>(
    py: Python<'py>,
    json: &[u8],
    payload: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let term = if payload {
        etf::json_to_etf(json)
    } else {
        etf::term_of_json(json)
    };
    term.map(|term| PyBytes::new(py, &term))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// A term as JSON, by the rules for what erlpack takes.
#[pyfunction]
pub(crate) fn etf_to_json<'py>(py: Python<'py>, term: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    etf::etf_to_json(term, Rules::LENIENT)
        .map(|json| PyBytes::new(py, &json))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}
