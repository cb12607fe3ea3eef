//! `Recovered`: what came from the outbox instead of the inbox, and may come by the inbox once more.
//!
//! A new inbox after a loss is read from its beginning, but sessions were given events that go before it, and some of
//! them are published again. Until that is over, a place of the inbox does not say what sessions have, neither of this
//! node nor of one whose sessions it is to take over (ADR 0019).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tocsin_bus::Scope;

/// How long after its recovery an event may be published: by its writer, or by those who sweep up after a dead one.
const LATE: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The last place that was recovered of each log. An inbox's places of a log only rise.
    last: HashMap<Scope, u64>,
    since: Option<Instant>,
}

impl Recovered {
    /// An event came from the outbox, whether or not it was known.
    pub(crate) fn note(&mut self, scope: Scope, seq: u64) {
        let last = self.last.entry(scope).or_default();
        *last = seq.max(*last);
        self.since = Some(Instant::now());
    }

    /// An event came by the inbox: earlier ones of its log will not.
    pub(crate) fn arrived(&mut self, scope: Scope, seq: u64) {
        if self.last.get(&scope).is_some_and(|&last| last <= seq) {
            self.last.remove(&scope);
        }
    }

    /// Whether places of the inbox say what sessions were given.
    pub(crate) fn is_settled(&mut self) -> bool {
        if !self.last.is_empty() && self.since.is_none_or(|since| since.elapsed() >= LATE) {
            self.last = HashMap::new();
        }
        self.last.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Scope = Scope { kind: 1, id: 1 };
    const TWO: Scope = Scope { kind: 1, id: 2 };

    #[test]
    fn it_is_settled_when_each_log_has_gone_on() {
        let mut recovered = Recovered::default();
        assert!(recovered.is_settled());
        recovered.note(ONE, 7);
        recovered.note(ONE, 6);
        recovered.note(TWO, 1);
        recovered.arrived(ONE, 6);
        recovered.arrived(TWO, 2);
        assert!(!recovered.is_settled());
        recovered.arrived(ONE, 7);
        assert!(recovered.is_settled());
    }

    #[test]
    fn a_quiet_log_does_not_hold_it_up_for_ever() {
        let mut recovered = Recovered::default();
        recovered.note(ONE, 7);
        recovered.since = Instant::now().checked_sub(LATE);
        assert!(recovered.is_settled());
    }
}
