//! A fault: a connection that ends in the middle of a dispatch's frame, as a network does. The session is kept, detached.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tocsin_codec::{EncodedDispatch, Variant};

use crate::command::ANY_EVENT;
use crate::connection::NO_CLOSE;
use crate::event::LocalEvent;
use crate::key::SessionKey;
use crate::worker::Worker;

impl Worker {
    /// Breaks the next dispatch of this name; without one, a dispatch at once: the last that is remembered, again.
    pub(crate) fn break_frame(&mut self, key: SessionKey, event: Option<Box<str>>) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let Some(index) = session.connection else {
            return;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if event.is_some() {
            connection.breaks_at = event;
            return;
        }
        // It is not remembered once more: the client never has the whole of it, and resumes after what it had.
        let s = session.replay.last_seq() + 1;
        let last = session.replay.after(s.saturating_sub(2)).last();
        let (event, variant) = last.map_or_else(
            || {
                let empty = EncodedDispatch::new("RESUMED", Bytes::from_static(b"{}"), None);
                (Rc::new(LocalEvent(Arc::new(empty))), Variant::Full)
            },
            |(_, (event, variant))| (Rc::clone(event), *variant),
        );
        let (packing, outbox) = (&mut self.packing, &mut connection.outbox);
        packing.end();
        connection
            .wire
            .dispatch(s, variant, &event, packing, outbox);
        self.break_last(index);
    }

    /// What was queued last is cut half-way, and the TCP ends after it.
    pub(crate) fn break_last(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index) {
            let stage = &self.packing.stage;
            connection.breaks_at = None;
            connection.outbox.halve_last(stage);
            // A stall ends with the connection.
            connection.stalled_until_ms = 0;
            connection.outbox.hold(stage);
            connection.outbox.unblock();
        }
        self.leave(index, NO_CLOSE, true);
    }
}

/// Whether a connection that breaks at events of the name `at` breaks at this one.
pub(crate) fn meets(at: Option<&str>, event: &LocalEvent) -> bool {
    at.is_some_and(|name| name == ANY_EVENT || name == event.0.name())
}
