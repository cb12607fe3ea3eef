//! `Progress`: how far into the inbox everything was given to the workers; their journals say so to an heir.

use std::time::{Duration, Instant};

use tocsin_bus::journal::Position;

use crate::message::Order;

/// How often workers are told that had nothing to do.
const TELL_ALL: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Progress {
    /// The last place of the inbox that came; its inbox is empty without a bus.
    pub(crate) arrived: Position,
    told: Vec<u64>,
    told_inbox: std::sync::Arc<str>,
    told_all: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(workers: usize) -> Self {
        let arrived = Position::default();
        Self {
            told_inbox: arrived.inbox.clone(),
            arrived,
            told: vec![0; workers],
            told_all: None,
        }
    }

    /// For now no place says what was given: tells all workers so, once.
    pub(crate) fn withdraw(&mut self, orders: &mut [Vec<Order>]) {
        if self.told_inbox.is_empty() {
            return;
        }
        self.told_inbox = Position::default().inbox;
        self.told.fill(0);
        for orders in orders {
            orders.push(Order::Reached(Position::default()));
        }
    }

    /// Everything that arrived is in these orders or was in earlier ones: says so to those who get any, to those who
    /// must know, and to all now and then.
    pub(crate) fn tell(&mut self, orders: &mut [Vec<Order>], must_know: impl Fn(usize) -> bool) {
        if self.arrived.inbox.is_empty() {
            return;
        }
        let mut all = self.told_all.is_none_or(|at| at.elapsed() >= TELL_ALL);
        if self.told_inbox != self.arrived.inbox {
            self.told_inbox = self.arrived.inbox.clone();
            self.told.fill(0);
            all = true;
        }
        if all {
            self.told_all = Some(Instant::now());
        }
        for (worker, (orders, told)) in orders.iter_mut().zip(&mut self.told).enumerate() {
            let tells = all || !orders.is_empty() || must_know(worker);
            if tells && *told != self.arrived.entry {
                *told = self.arrived.entry;
                orders.push(Order::Reached(self.arrived.clone()));
            }
        }
    }
}
