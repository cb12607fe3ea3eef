//! `Progress`: how far into the inboxes everything was given to the workers; their journals say so to an heir.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tocsin_bus::journal::Position;

use crate::message::Order;

/// How often workers are told that had nothing to do.
const TELL_ALL: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Progress {
    /// The last places of the inboxes that came; the inbox is empty without a bus.
    arrived: Position,
    /// Another one each time.
    version: u64,
    told: Vec<u64>,
    told_inbox: Arc<str>,
    told_all: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(workers: usize) -> Self {
        let arrived = Position::default();
        Self {
            told_inbox: arrived.inbox.clone(),
            arrived,
            version: 0,
            told: vec![0; workers],
            told_all: None,
        }
    }

    /// Something came, and here are the places of those who brought it, if they have any.
    pub(crate) fn arrive(&mut self, position: Position) {
        if position.inbox.is_empty() {
            return;
        }
        let arrived = &mut self.arrived;
        let of_others = position.redis != arrived.redis
            || position.entries.len() != arrived.entries.len()
            || position.inbox != arrived.inbox;
        let news = |(old, new): (&u64, &u64)| new > old;
        if !of_others && !arrived.entries.iter().zip(&*position.entries).any(news) {
            return;
        }
        if of_others || position.is_whole() {
            *arrived = position;
        } else {
            let entries = Arc::make_mut(&mut arrived.entries);
            for (entry, &new) in entries.iter_mut().zip(&*position.entries) {
                *entry = new.max(*entry);
            }
        }
        self.version += 1;
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
        if !self.arrived.is_whole() {
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
            if tells && *told != self.version {
                *told = self.version;
                orders.push(Order::Reached(self.arrived.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(inbox: &str, entries: &[u64]) -> Position {
        Position {
            inbox: inbox.into(),
            entries: entries.into(),
            redis: 1,
        }
    }

    /// What the workers are told.
    fn told(progress: &mut Progress, must_know: bool) -> Vec<Vec<Position>> {
        let mut orders = vec![Vec::new(), Vec::new()];
        progress.tell(&mut orders, |worker| must_know && worker == 1);
        let positions = |orders: Vec<Order>| {
            let positions = orders.into_iter().map(|order| match order {
                Order::Reached(position) => position,
                _ => panic!("something else"),
            });
            positions.collect()
        };
        orders.into_iter().map(positions).collect()
    }

    #[test]
    fn a_place_is_told_once_each_partition_has_one_and_of_one_node_only() {
        let mut progress = Progress::new(2);
        progress.arrive(Position::default());
        progress.arrive(position("a", &[7, 0]));
        assert_eq!(told(&mut progress, true), [vec![], vec![]]);
        progress.arrive(position("a", &[0, 4]));
        let both = position("a", &[7, 4]);
        assert_eq!(
            told(&mut progress, false),
            [vec![both.clone()], vec![both.clone()]]
        );
        progress.arrive(position("a", &[0, 4]));
        assert_eq!(told(&mut progress, true), [vec![], vec![]], "nothing new");
        progress.arrive(position("a", &[9, 0]));
        progress.told_all = Some(Instant::now());
        assert_eq!(
            told(&mut progress, true),
            [vec![], vec![position("a", &[9, 4])]]
        );
        assert_eq!(both, position("a", &[7, 4]), "what was told stays");
        progress.arrive(position("b", &[1, 0]));
        assert_eq!(told(&mut progress, true), [vec![], vec![]]);
        progress.arrive(position("b", &[0, 1]));
        let new = position("b", &[1, 1]);
        assert_eq!(
            told(&mut progress, false),
            [vec![new.clone()], vec![new.clone()]]
        );
        let mut orders = vec![Vec::new(), Vec::new()];
        progress.withdraw(&mut orders);
        assert!(orders.iter().all(|orders| orders.len() == 1));
        assert_eq!(told(&mut progress, true), [vec![new.clone()], vec![new]]);
    }
}
