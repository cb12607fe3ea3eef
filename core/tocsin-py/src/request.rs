//! Requests as the tuples of `_core.pyi`, and their kinds.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tocsin_gateway::{HostRequest, Note};

pub(crate) const IDENTIFY: u8 = 1;
pub(crate) const COMMAND: u8 = 2;
pub(crate) const POLICY: u8 = 3;
pub(crate) const CLOSED: u8 = 4;
pub(crate) const DETACHED: u8 = 5;
pub(crate) const ATTACHED: u8 = 6;
pub(crate) const BUS_OPENED: u8 = 7;
pub(crate) const BUS_REGISTERED: u8 = 8;
pub(crate) const BUS_BEHIND: u8 = 9;
pub(crate) const BUS_AWAY: u8 = 10;
pub(crate) const BUS_MESSAGES: u8 = 11;
pub(crate) const CLAIM: u8 = 12;
pub(crate) const BUS_FOUND: u8 = 13;
pub(crate) const BUS_NOT_TAKEN: u8 = 14;

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
        HostRequest::Claim {
            session,
            session_id,
            token_digest,
            seq,
        } => {
            let digest = PyBytes::new(py, &token_digest);
            return Ok((CLAIM, session.as_u64(), session_id, digest, seq)
                .into_pyobject(py)?
                .into_any());
        }
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
        HostRequest::Bus(note) => return note_to_py(py, note),
        HostRequest::Messages(messages) => {
            let messages: Vec<_> = messages
                .into_iter()
                .map(|(guild, channel, author, body)| {
                    (guild, channel, author, PyBytes::new(py, &body))
                })
                .collect();
            return Ok((BUS_MESSAGES, messages).into_pyobject(py)?.into_any());
        }
    };
    Ok(tuple.into_any())
}

fn note_to_py(py: Python<'_>, note: Note) -> PyResult<Bound<'_, PyAny>> {
    Ok(match note {
        Note::Opened { incarnation, why } => (BUS_OPENED, incarnation, why.as_str())
            .into_pyobject(py)?
            .into_any(),
        Note::Registered { ticket, done } => {
            (BUS_REGISTERED, ticket, done).into_pyobject(py)?.into_any()
        }
        Note::Behind { scope, watermark } => (BUS_BEHIND, scope.kind, scope.id, watermark)
            .into_pyobject(py)?
            .into_any(),
        Note::Found { ticket, found } => {
            let found = match found {
                Ok(found) => {
                    let memo = PyBytes::new(py, &found.memo);
                    let (user, intents, compress) = (found.user_id, found.intents, found.compress);
                    (user, intents, compress, found.shard, memo)
                        .into_pyobject(py)?
                        .into_any()
                }
                Err(doubt) => doubt.as_str().into_pyobject(py)?.into_any(),
            };
            (BUS_FOUND, ticket, found).into_pyobject(py)?.into_any()
        }
        Note::NotTaken { session, doubt } => (BUS_NOT_TAKEN, session, doubt.as_str())
            .into_pyobject(py)?
            .into_any(),
        Note::Away(why) => (BUS_AWAY, why).into_pyobject(py)?.into_any(),
        Note::Back => (BUS_AWAY, "").into_pyobject(py)?.into_any(),
    })
}
