//! Fan-out inside a worker: one event to those of its sessions that may have it.
//!
//! Per recipient: two slot look-ups, the next `s`, one entry in the replay log and one in the outbox, both references.
//! Nothing is allocated but their growth, and no lock is taken.

use std::rc::Rc;
use std::sync::Arc;

use slab::Slab;
use tocsin_codec::Variant;

use crate::connection::Connection;
use crate::event::{Delivery, LocalEvent};
use crate::key::SessionKey;
use crate::message::Recipients;
use crate::sessions::{Session, Sessions};
use crate::wire::Packing;
use crate::worker::Worker;

/// What giving an event to a session touches.
struct Delivering<'a> {
    sessions: &'a mut Sessions,
    connections: &'a mut Slab<Connection>,
    dirty: &'a mut Vec<usize>,
    full: &'a mut Vec<usize>,
    packing: &'a mut Packing,
    outbound_max_bytes: usize,
    given: u64,
}

impl Delivering<'_> {
    fn offer(&mut self, key: SessionKey, delivery: &Delivery, event: &Rc<LocalEvent>) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let Some(variant) = session.admits(delivery) else {
            return;
        };
        self.given += 1;
        let s = remember(session, event, variant);
        let Some(index) = session.connection else {
            return;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection
            .wire
            .dispatch(s, variant, event, self.packing, &mut connection.outbox);
        if connection.outbox.bytes() > self.outbound_max_bytes + connection.allowance {
            self.full.push(index);
        } else if connection.wants_flush() {
            connection.dirty = true;
            self.dirty.push(index);
        }
    }
}

/// The next `s`, remembered for a resume.
fn remember(session: &mut Session, event: &Rc<LocalEvent>, variant: Variant) -> u64 {
    let entry = (Rc::clone(event), variant);
    session.replay.push(entry, event.0.cost_bytes())
}

impl Worker {
    /// One event to the recipients among this worker's sessions.
    pub(crate) fn deliver(&mut self, delivery: &Delivery, recipients: &Recipients) {
        let event = Rc::new(LocalEvent(Arc::clone(&delivery.event)));
        let mut full = std::mem::take(&mut self.full);
        let many = !matches!(recipients, Recipients::Sessions(_));
        self.packing.begin(delivery.guild, many);
        let mut to = Delivering {
            sessions: &mut self.sessions,
            connections: &mut self.connections,
            dirty: &mut self.dirty,
            full: &mut full,
            packing: &mut self.packing,
            outbound_max_bytes: self.shared.config.outbound_max_bytes,
            given: 0,
        };
        let index = &self.subscriptions;
        match recipients {
            Recipients::Sessions(keys) => {
                for &key in keys {
                    to.offer(key, delivery, &event);
                }
            }
            Recipients::Cohorts(cohorts) => {
                for key in index.cohort_sessions(cohorts) {
                    to.offer(key, delivery, &event);
                }
            }
            Recipients::Channel(guild, channel) => {
                for key in index.channel_sessions(*guild, *channel) {
                    to.offer(key, delivery, &event);
                }
            }
            Recipients::Guild(guild) => {
                for key in index.guild_sessions(*guild) {
                    to.offer(key, delivery, &event);
                }
            }
        }
        let given = to.given;
        self.packing.end();
        self.metrics().dispatches.add(given);
        for index in full.drain(..) {
            self.relieve(index);
        }
        self.full = full;
    }

    /// Gives a session an event that is for it whatever its intents, without looking at how much waits.
    pub(crate) fn give(&mut self, key: SessionKey, event: &Rc<LocalEvent>) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let variant = session.variant_of(&event.0);
        let s = remember(session, event, variant);
        let connection = session.connection;
        self.metrics().dispatches.add(1);
        if let Some(index) = connection
            && let Some(connection) = self.connections.get_mut(index)
        {
            let (packing, outbox) = (&mut self.packing, &mut connection.outbox);
            // A panic may have left a fan-out half done; this event is none of it.
            packing.end();
            connection.wire.dispatch(s, variant, event, packing, outbox);
            self.mark_dirty(index);
        }
    }
}
