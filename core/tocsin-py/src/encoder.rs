//! `EncodedDispatch` on its own: an event that is encoded once for all sessions, each of which has a head of its own.

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use tocsin_gateway::dispatch::{
    ContentGate, EncodedDispatch, MAX_HEAD_BYTES, Variant, etf_head, json_head,
};

/// Longest name: what an atom's length octet can say.
const MAX_NAME_BYTES: usize = 255;

/// One event, encoded at most once per encoding and variant.
#[pyclass(name = "EncodedDispatch", module = "tocsin._core", frozen)]
pub(crate) struct PyEncodedDispatch {
    inner: EncodedDispatch,
}

impl PyEncodedDispatch {
    fn rest(&self, etf: bool, user_id: u64, sees_content: bool) -> &Bytes {
        let variant = self.inner.variant_for(user_id, sees_content);
        if etf {
            self.inner.etf_rest(variant)
        } else {
            self.inner.json_rest(variant)
        }
    }
}

fn write_head(s: u64, etf: bool, out: &mut [u8; MAX_HEAD_BYTES]) -> &[u8] {
    let length = if etf {
        etf_head(s, out)
    } else {
        json_head(s, out)
    };
    &out[..length]
}

fn joined<'py>(py: Python<'py>, head: &[u8], rest: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, head.len() + rest.len(), |out| {
        out[..head.len()].copy_from_slice(head);
        out[head.len()..].copy_from_slice(rest);
        Ok(())
    })
}

#[pymethods]
impl PyEncodedDispatch {
    #[new]
    #[pyo3(signature = (name, body, *, gate = None))]
    fn new(name: &str, body: &[u8], gate: Option<(u64, Vec<u64>)>) -> PyResult<Self> {
        if name.len() > MAX_NAME_BYTES {
            return Err(PyValueError::new_err(
                "a name has at most 255 octets of UTF-8",
            ));
        }
        let gate = gate.map(|(author, mentions)| ContentGate {
            author,
            mentions: mentions.into(),
        });
        let inner = EncodedDispatch::new(name, Bytes::copy_from_slice(body), gate);
        Ok(Self { inner })
    }

    /// What precedes the shared octets in the payload of the session whose sequence number is `s`.
    #[staticmethod]
    #[pyo3(signature = (s, *, etf = false))]
    fn head(py: Python<'_>, s: u64, etf: bool) -> Bound<'_, PyBytes> {
        PyBytes::new(py, write_head(s, etf, &mut [0; MAX_HEAD_BYTES]))
    }

    /// The octets that all sessions of a variant share.
    #[pyo3(signature = (*, etf = false, user_id = 0, sees_content = true))]
    fn shared<'py>(
        &self,
        py: Python<'py>,
        etf: bool,
        user_id: u64,
        sees_content: bool,
    ) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.rest(etf, user_id, sees_content))
    }

    /// The whole payloads of sessions of one variant, by their sequence numbers.
    #[pyo3(signature = (sequences, *, etf = false, user_id = 0, sees_content = true))]
    fn payloads<'py>(
        &self,
        py: Python<'py>,
        sequences: Vec<u64>,
        etf: bool,
        user_id: u64,
        sees_content: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let rest = self.rest(etf, user_id, sees_content);
        let payloads: Vec<_> = sequences
            .into_iter()
            .map(|s| joined(py, write_head(s, etf, &mut [0; MAX_HEAD_BYTES]), rest))
            .collect::<PyResult<_>>()?;
        PyList::new(py, payloads)
    }

    /// Whether the user gets all of it: `False` if content is taken out.
    #[pyo3(signature = (*, user_id, sees_content))]
    fn shows_all(&self, user_id: u64, sees_content: bool) -> bool {
        self.inner.variant_for(user_id, sees_content) == Variant::Full
    }
}
