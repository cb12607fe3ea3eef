//! `Bus`: a node's part of the bus over Redis Streams, between Python and the gateway's dispatcher.
//!
//! What it brings goes to the dispatcher without Python; what Python must decide comes up with the gateway's requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyConnectionError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tocsin_gateway::command::Command;
use tocsin_gateway::{
    Door, Envelope, HostRequest, Inheritance, JournalSink, Position, Scope, SessionId, SessionKey,
};

use tocsin_redis::{Bus, BusConfig, Note, Sink};

use crate::batch::Batch;
use crate::error::to_py;
use crate::gateway::PyGateway;

struct ToGateway(Door);

impl Sink for ToGateway {
    fn events(&self, events: Vec<Envelope>, position: Position) {
        let messages: Vec<_> = events
            .iter()
            // One for some users only is in no history.
            .filter(|event| {
                event.guild != 0 && event.users.is_empty() && event.name == "MESSAGE_CREATE"
            })
            .map(|event| (event.guild, event.channel, event.author, event.body.clone()))
            .collect();
        self.0.publish(events, position);
        if !messages.is_empty() {
            self.0.tell(HostRequest::Messages(messages));
        }
    }

    fn inherit(&self, inheritance: Inheritance) {
        self.0.order(Command::Inherit(Box::new(inheritance)));
    }

    fn fence(&self, sessions: Vec<SessionId>) {
        self.0.order(Command::Fence { sessions });
    }

    fn workers(&self) -> usize {
        self.0.workers()
    }

    fn write_to(&self, worker: usize, journal: Box<dyn JournalSink>, epoch: u64) {
        self.0.write_to(worker, journal, epoch);
    }

    fn note(&self, note: Note) {
        self.0.tell(HostRequest::Bus(note));
    }
}

/// A node's part of the bus over Redis Streams. It begins at once.
#[pyclass(name = "Bus", module = "tocsin._core", frozen)]
pub(crate) struct PyBus {
    inner: Mutex<Option<Bus>>,
}

impl PyBus {
    fn with<T>(&self, call: impl FnOnce(&Bus) -> T) -> PyResult<T> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .as_ref()
            .map(call)
            .ok_or_else(|| PyRuntimeError::new_err("the bus is stopped"))
    }
}

#[pymethods]
impl PyBus {
    #[new]
    #[pyo3(signature = (gateway, url, node, tag, *, prefix, partitions, inbox_ttl_ms, watermark_ttl_ms, queue_max_bytes, session_ttl_ms))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of _core.pyi")]
    fn new(
        py: Python<'_>,
        gateway: &PyGateway,
        url: &str,
        node: &str,
        tag: [u8; 4],
        prefix: &str,
        partitions: u32,
        inbox_ttl_ms: u64,
        watermark_ttl_ms: u64,
        queue_max_bytes: usize,
        session_ttl_ms: u64,
    ) -> PyResult<Self> {
        let door = gateway.door().map_err(to_py)?;
        let mut config = BusConfig::new(url, node);
        prefix.clone_into(&mut config.prefix);
        config.partitions = partitions;
        config.inbox_ttl = Duration::from_millis(inbox_ttl_ms);
        config.retention = config.inbox_ttl;
        config.watermark_ttl = Duration::from_millis(watermark_ttl_ms);
        config.queue_max_bytes = queue_max_bytes;
        config.tag = tag;
        config.session_ttl = Duration::from_millis(session_ttl_ms);
        let bus = py
            .detach(|| Bus::start(config, Arc::new(ToGateway(door))))
            .map_err(|error| PyConnectionError::new_err(error.to_string()))?;
        Ok(Self {
            inner: Mutex::new(Some(bus)),
        })
    }

    /// Publishes the batch's events, and nothing else of it, and empties it.
    fn publish(&self, py: Python<'_>, mut batch: PyRefMut<'_, Batch>) -> PyResult<()> {
        let commands = std::mem::take(&mut batch.commands);
        drop(batch);
        py.detach(|| {
            let events: Vec<Envelope> = commands
                .into_iter()
                .filter_map(|command| match command {
                    Command::Publish(envelope) => Some(*envelope),
                    _ => None,
                })
                .collect();
            self.with(|bus| bus.publish(&events))
        })
    }

    /// Asks for all later events of the scopes, as (kind, id).
    fn register(
        &self,
        py: Python<'_>,
        ticket: u64,
        incarnation: u64,
        scopes: Vec<(u8, u64)>,
    ) -> PyResult<()> {
        let scopes = scopes
            .into_iter()
            .map(|(kind, id)| Scope { kind, id })
            .collect();
        py.detach(|| self.with(|bus| bus.register(ticket, incarnation, scopes)))
    }

    /// Asks for a session of another node by its id.
    fn find(
        &self,
        ticket: u64,
        session_id: &str,
        token_digest: [u8; 32],
        seq: u64,
    ) -> PyResult<()> {
        let id: SessionId = session_id
            .parse()
            .map_err(|_| PyValueError::new_err("not a session's id"))?;
        self.with(|bus| bus.find(ticket, id, token_digest, seq))
    }

    /// Takes over what was found, for a session that was adopted.
    fn take(&self, ticket: u64, session: u64) -> PyResult<()> {
        let worker = SessionKey::from_u64(session).worker();
        self.with(|bus| bus.take(ticket, session, worker))
    }

    /// Goes on with a scope's log after a place, where that is not known, or over a hole that stays.
    fn begin(&self, scope_kind: u8, scope_id: u64, after: u64, over_hole: bool) -> PyResult<()> {
        let scope = Scope {
            kind: scope_kind,
            id: scope_id,
        };
        self.with(|bus| bus.begin(scope, after, over_hole))
    }

    /// The inbox of this incarnation may be read.
    fn go_on(&self, incarnation: u64) -> PyResult<()> {
        self.with(|bus| bus.go_on(incarnation))
    }

    /// Each counter by name, with its meaning.
    fn figures(&self) -> PyResult<HashMap<&'static str, (&'static str, u64)>> {
        self.with(|bus| {
            let all = bus.figures().all();
            all.into_iter()
                .map(|(name, help, value)| (name, (help, value)))
                .collect()
        })
    }

    /// Octets that wait to be published, and ephemeral events dropped for want of room.
    fn waiting(&self) -> PyResult<(usize, u64)> {
        self.with(Bus::waiting)
    }

    /// Publishes what waits, for at most so long, and ends; idempotent.
    fn stop(&self, py: Python<'_>, grace_ms: u64) {
        py.detach(|| {
            let bus = self
                .inner
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(bus) = bus {
                bus.stop(Duration::from_millis(grace_ms));
            }
        });
    }
}
