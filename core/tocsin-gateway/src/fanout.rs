//! Fan-out inside a worker: one event to those of its sessions that may have it.
//!
//! Per recipient: two slot look-ups, the next `s`, an entry in the replay log, and the frame: written at once from the
//! stage where nothing waits and nothing follows in this turn, else queued, by reference if others get the same bytes.
//! Nothing is allocated but growth, and no lock is taken. Of an event with very many recipients only so many are written
//! to in its turn; the others wait in their outboxes, so that what comes later stays behind it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;
use tocsin_codec::Variant;

use crate::breaking::meets;
use crate::connection::Connection;
use crate::event::{Delivery, LocalEvent};
use crate::key::SessionKey;
use crate::message::Recipients;
use crate::sessions::{Mode, Session, Sessions};
use crate::wire::Packing;
use crate::worker::Worker;
use crate::writer::WriteCount;

/// Sessions that are looked up one after the other before the first of them is written to.
const TOGETHER: usize = 16;

/// What giving an event to a session touches.
struct Delivering<'a> {
    sessions: &'a mut Sessions,
    connections: &'a mut Slab<Connection>,
    dirty: &'a mut Vec<usize>,
    postponed: &'a mut VecDeque<usize>,
    full: &'a mut Vec<usize>,
    /// Whose frame of this event is to be broken off.
    broken: Vec<usize>,
    packing: &'a mut Packing,
    outbound_max_bytes: usize,
    /// How many are written to in this turn.
    writes: usize,
    at_once: bool,
    given: u64,
    count: WriteCount,
    /// Who got it, for the journal.
    slots: Option<Vec<u32>>,
    /// Whom the event was remembered for and not yet sent to: connection, `s` and variant.
    next: Vec<(usize, u64, Variant)>,
    /// Of a traced event: when it was first written.
    first_write: Option<Instant>,
    traced: bool,
}

impl Delivering<'_> {
    fn offer(&mut self, key: SessionKey, delivery: &Delivery, event: &Rc<LocalEvent>) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let Some(variant) = session.admits(delivery) else {
            return;
        };
        if delivery.had_by.contains(&key) {
            return;
        }
        self.given += 1;
        let s = remember(session, event, variant);
        let quiet = session.mode == Mode::Quiet;
        if let Some(slots) = &mut self.slots
            && !quiet
        {
            slots.push(key.slot());
        }
        if let Some(index) = session.connection
            && !quiet
        {
            self.next.push((index, s, variant));
            if self.next.len() == TOGETHER {
                self.send(event);
            }
        }
    }

    /// The event to the connections of those it was remembered for and not yet sent to.
    fn send(&mut self, event: &Rc<LocalEvent>) {
        if self.traced && self.at_once && self.first_write.is_none() {
            self.first_write = Some(Instant::now());
        }
        let next = std::mem::take(&mut self.next);
        // Waiting for each connection's memory in turn costs more than asking for all of it before the first write.
        let waiting = next
            .iter()
            .filter_map(|&(index, ..)| self.connections.get(index))
            .filter(|connection| !connection.outbox.is_empty() || connection.dirty);
        std::hint::black_box(waiting.count());
        for &(index, s, variant) in &next {
            self.send_to(index, s, variant, event);
        }
        self.next = next;
        self.next.clear();
    }

    fn send_to(&mut self, index: usize, s: u64, variant: Variant, event: &Rc<LocalEvent>) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let (wire, outbox) = (&mut connection.wire, &mut connection.outbox);
        let breaks = meets(connection.breaks_at.as_deref(), event);
        if self.at_once
            && !breaks
            && self.writes > 0
            && outbox.is_empty()
            && !outbox.is_blocked()
            && !connection.dirty
            && !wire.prefers_reference(variant, event)
        {
            self.writes -= 1;
            let stage = wire.stage(s, variant, event, self.packing);
            let written = stage.is_some_and(|frame| {
                let (stage, socket) = (&mut self.packing.stage, &mut connection.socket);
                outbox.write_staged(frame, stage, socket, &mut self.count)
            });
            if !written {
                connection.dirty = true;
                self.dirty.push(index);
            }
            return;
        }
        wire.dispatch(s, variant, event, self.packing, outbox);
        if breaks {
            self.broken.push(index);
        } else if outbox.bytes() > self.outbound_max_bytes + connection.allowance {
            self.full.push(index);
        } else if connection.wants_flush() && !connection.postponed {
            if self.writes > 0 {
                self.writes -= 1;
                connection.dirty = true;
                self.dirty.push(index);
            } else {
                connection.postponed = true;
                self.postponed.push_back(index);
            }
        }
    }
}

/// The next `s`, remembered for a resume.
pub(crate) fn remember(session: &mut Session, event: &Rc<LocalEvent>, variant: Variant) -> u64 {
    let entry = (Rc::clone(event), variant);
    session.replay.push(entry, event.0.cost_bytes())
}

impl Worker {
    /// One event to the recipients among this worker's sessions.
    pub(crate) fn deliver(&mut self, delivery: Arc<Delivery>, recipients: &Recipients) {
        let traced = delivery.flight.trace.is_some();
        let began = traced.then(Instant::now);
        let event = Rc::new(LocalEvent(Arc::clone(&delivery.event)));
        let many = !matches!(
            recipients,
            Recipients::Sessions(_)
                | Recipients::Named(..)
                | Recipients::Only(..)
                | Recipients::Among(..)
        );
        let (whole, which) = (delivery.whole, delivery.which());
        self.packing.begin(delivery.guild, many);
        let mut to = Delivering {
            sessions: &mut self.sessions,
            connections: &mut self.connections,
            dirty: &mut self.dirty,
            postponed: &mut self.postponed,
            full: &mut self.full,
            broken: Vec::new(),
            packing: &mut self.packing,
            outbound_max_bytes: self.shared.config.outbound_max_bytes,
            writes: self.writes_per_turn,
            at_once: self.at_once,
            given: 0,
            count: WriteCount::default(),
            slots: self.journal.is_some().then(Vec::new),
            next: Vec::with_capacity(TOGETHER),
            first_write: None,
            traced,
        };
        let index = &self.subscriptions;
        match recipients {
            Recipients::Sessions(keys) => {
                for &key in keys {
                    to.offer(key, &delivery, &event);
                }
            }
            Recipients::Cohorts(cohorts) => {
                for key in index.cohort_sessions(cohorts, which) {
                    to.offer(key, &delivery, &event);
                }
            }
            Recipients::Channel(guild, channel) => {
                for key in index.channel_sessions(*guild, *channel, which) {
                    to.offer(key, &delivery, &event);
                }
            }
            Recipients::Guild(guild) => {
                for key in index.guild_sessions(*guild, which) {
                    to.offer(key, &delivery, &event);
                }
            }
            Recipients::Only(guild, channel, keys) => {
                for &key in keys {
                    let there = if *channel == 0 {
                        index.cohort_of(key, *guild).is_some()
                    } else {
                        index.may_view(key, *guild, *channel)
                    };
                    if there && (whole || !index.is_passive(key, *guild)) {
                        to.offer(key, &delivery, &event);
                    }
                }
            }
            Recipients::Among(guild, cohorts, keys) => {
                for &key in keys {
                    let cohort = index.cohort_of(key, *guild);
                    if cohort.is_some_and(|each| cohorts.contains(&each))
                        && (whole || !index.is_passive(key, *guild))
                    {
                        to.offer(key, &delivery, &event);
                    }
                }
            }
            Recipients::Named(guild, channel, roles, keys) => {
                for &key in keys {
                    if index.is_passive(key, *guild)
                        && index.may_view(key, *guild, *channel)
                        && !index.holds(key, *guild, roles)
                    {
                        to.offer(key, &delivery, &event);
                    }
                }
            }
            Recipients::Holders(guild, channel, roles) => {
                for key in index.passive_holders(*guild, *channel, roles) {
                    to.offer(key, &delivery, &event);
                }
            }
        }
        to.send(&event);
        let first_write = to.first_write.filter(|_| to.count.calls > 0);
        let (given, count, broken) = (to.given, to.count, to.broken);
        if let (Some(journal), Some(mut slots)) = (&mut self.journal, to.slots)
            && !slots.is_empty()
        {
            journal.given(&delivery.event, delivery.place, &mut slots);
        }
        self.packing.end();
        self.metrics().dispatches.add(given);
        self.count_write(count);
        delivery.flight.add(given);
        if let (Some(trace), Some(began)) = (&delivery.flight.trace, began) {
            trace.given(self.index, began, first_write);
        }
        self.flights.add(delivery, given > 0);
        for index in broken {
            self.break_last(index);
        }
        while let Some(index) = self.full.pop() {
            self.relieve(index);
        }
    }

    /// Gives a session an event that is for it whatever its intents, without looking at how much waits.
    pub(crate) fn give(&mut self, key: SessionKey, event: &Rc<LocalEvent>) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        if session.mode != Mode::Live {
            return;
        }
        let variant = session.variant_of(&event.0);
        let s = remember(session, event, variant);
        let connection = session.connection;
        if let Some(journal) = &mut self.journal {
            journal.given(&event.0, None, &mut [key.slot()]);
        }
        self.metrics().dispatches.add(1);
        if let Some(index) = connection
            && let Some(connection) = self.connections.get_mut(index)
        {
            let (packing, outbox) = (&mut self.packing, &mut connection.outbox);
            // A panic may have left a fan-out half done; this event is none of it.
            packing.end();
            connection.wire.dispatch(s, variant, event, packing, outbox);
            if meets(connection.breaks_at.as_deref(), event) {
                self.break_last(index);
            } else {
                self.mark_dirty(index);
            }
        }
    }
}
