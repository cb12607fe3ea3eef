//! `Compressor` and `SharedBodies` on their own: streams of many connections that search each event once.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use tocsin_gateway::Compression;
use tocsin_gateway::compress::{CompressError, Compressor, FORMS, SharedBodies, Transport};

fn broken(error: CompressError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

fn checked(form: usize) -> PyResult<usize> {
    if form < FORMS {
        Ok(form)
    } else {
        Err(PyValueError::new_err("a form is below 8"))
    }
}

/// What compressors share: bodies lately sent, and the event in hand.
#[pyclass(name = "SharedBodies", module = "tocsin._core")]
pub(crate) struct PySharedBodies {
    inner: SharedBodies,
}

#[pymethods]
impl PySharedBodies {
    #[new]
    fn new() -> Self {
        Self {
            inner: SharedBodies::new(0),
        }
    }

    /// Goes on to another event.
    #[pyo3(signature = (scope = 0, *, kept = true))]
    fn begin(&mut self, scope: u64, kept: bool) {
        self.inner.begin(scope, kept);
    }

    /// The event in hand for each compressor: its own head, then the body that all get.
    #[pyo3(signature = (compressors, heads, body, *, form = 0))]
    fn compress<'py>(
        &mut self,
        py: Python<'py>,
        compressors: Vec<PyRefMut<'py, PyCompressor>>,
        heads: Vec<Bound<'py, PyBytes>>,
        body: &[u8],
        form: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let form = checked(form)?;
        if compressors.len() != heads.len() {
            return Err(PyValueError::new_err("every compressor needs a head"));
        }
        let mut out = Vec::new();
        let mut found = Vec::with_capacity(heads.len());
        for (mut compressor, head) in compressors.into_iter().zip(heads) {
            out.clear();
            compressor
                .inner
                .compress_shared(&mut self.inner, form, head.as_bytes(), body, &mut out)
                .map_err(broken)?;
            found.push(PyBytes::new(py, &out));
        }
        PyList::new(py, found)
    }

    /// Octets that the bodies lately sent occupy.
    #[getter]
    fn memory_bytes(&self) -> usize {
        self.inner.memory_bytes()
    }
}

/// One connection's compressed stream.
#[pyclass(name = "Compressor", module = "tocsin._core")]
pub(crate) struct PyCompressor {
    inner: Compressor,
}

#[pymethods]
impl PyCompressor {
    #[new]
    #[pyo3(signature = (transport, *, compression = "shared", inspect = false))]
    fn new(transport: &str, compression: &str, inspect: bool) -> PyResult<Self> {
        let transport = Transport::from_name(transport)
            .ok_or_else(|| PyValueError::new_err("transport: zlib-stream or zstd-stream"))?;
        let compression = Compression::from_name(compression)
            .ok_or_else(|| PyValueError::new_err("compression: shared or connection"))?;
        Ok(Self {
            inner: Compressor::new(transport, compression, inspect),
        })
    }

    /// The event that `shared` has in hand: this connection's head, then the body that all get.
    #[pyo3(signature = (shared, head, body, *, form = 0))]
    fn compress<'py>(
        &mut self,
        py: Python<'py>,
        mut shared: PyRefMut<'py, PySharedBodies>,
        head: &[u8],
        body: &[u8],
        form: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Vec::new();
        self.inner
            .compress_shared(&mut shared.inner, checked(form)?, head, body, &mut out)
            .map_err(broken)?;
        Ok(PyBytes::new(py, &out))
    }

    /// A payload that only this connection gets.
    fn compress_private<'py>(
        &mut self,
        py: Python<'py>,
        mut shared: PyRefMut<'py, PySharedBodies>,
        payload: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Vec::new();
        self.inner
            .compress_private(&mut shared.inner, &[payload], &mut out)
            .map_err(broken)?;
        Ok(PyBytes::new(py, &out))
    }

    /// Whether it has failed; nothing more comes out of it.
    #[getter]
    const fn is_broken(&self) -> bool {
        self.inner.is_broken()
    }
}
