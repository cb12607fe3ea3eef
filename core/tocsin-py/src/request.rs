//! Requests as the tuples of `_core.pyi`, and their kinds.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tocsin_gateway::HostRequest;

pub(crate) const IDENTIFY: u8 = 1;
pub(crate) const COMMAND: u8 = 2;
pub(crate) const POLICY: u8 = 3;
pub(crate) const CLOSED: u8 = 4;
pub(crate) const DETACHED: u8 = 5;
pub(crate) const ATTACHED: u8 = 6;

/// One request as a tuple.
pub(crate) fn to_py(py: Python<'_>, request: HostRequest) -> PyResult<Bound<'_, PyAny>> {
    let tuple = match request {
        HostRequest::Identify {
            session,
            session_id,
            d,
            peer,
            version,
        } => (
            IDENTIFY,
            session.as_u64(),
            session_id,
            PyBytes::new(py, &d),
            peer,
            version,
        )
            .into_pyobject(py)?,
        HostRequest::Command { session, op, d } => {
            return Ok((COMMAND, session.as_u64(), op, PyBytes::new(py, &d))
                .into_pyobject(py)?
                .into_any());
        }
        HostRequest::Policy {
            ticket,
            scope_kind,
            scope_id,
            seq,
            name,
            body,
        } => (
            POLICY,
            ticket,
            scope_kind,
            scope_id,
            seq,
            name,
            PyBytes::new(py, &body),
        )
            .into_pyobject(py)?,
        HostRequest::Closed { session, reason } => {
            (CLOSED, session.as_u64(), reason).into_pyobject(py)?
        }
        HostRequest::Detached {
            session,
            close_code,
        } => (DETACHED, session.as_u64(), close_code).into_pyobject(py)?,
        HostRequest::Attached { session } => (ATTACHED, session.as_u64()).into_pyobject(py)?,
    };
    Ok(tuple.into_any())
}
