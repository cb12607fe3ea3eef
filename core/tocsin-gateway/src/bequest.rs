//! Sessions of another node go on here: the dispatcher's part, at one place of each inbox (ADR 0019).
//!
//! Everything before that place comes from the other node's journal and inbox, everything after it from this node's own.
//! Each partition has its part, for the scopes that it has the logs of; what a client missed goes before the first.
//! Where an audience of the time between cannot be known, the client begins anew.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tocsin_bus::{Envelope, Inheritance, Missed, Scope};
use tocsin_codec::{ContentGate, EncodedDispatch};

use crate::decided::Place;
use crate::dispatcher::Dispatcher;
use crate::key::SessionKey;
use crate::message::Order;
use crate::metrics::ResumeOutcome;
use crate::parts::Part;

/// A session of another node, and how far it has each log.
struct Heir {
    key: SessionKey,
    /// The last place of the log that it was given anything of: of what was before, it had what was for it.
    had: HashMap<Scope, u64>,
}

impl Heir {
    fn new(key: SessionKey, known: &HashSet<Place>, tail: &[Envelope]) -> Self {
        let mut had = HashMap::new();
        for envelope in tail {
            if known.contains(&(envelope.scope, envelope.seq)) {
                let last = had.entry(envelope.scope).or_default();
                *last = envelope.seq.max(*last);
            }
        }
        Self { key, had }
    }

    fn lacks(&self, (scope, seq): Place) -> bool {
        self.had.get(&scope).is_none_or(|&last| last < seq)
    }
}

impl Dispatcher {
    /// Gives the heirs what was theirs.
    pub(crate) fn on_inherit(&mut self, inheritance: Inheritance) {
        let Inheritance {
            partition,
            partitions,
            heirs,
            tail,
        } = inheritance;
        self.parts.of(partitions);
        let bit = self.parts.bit_of(partition);
        let mut certain = Vec::new();
        let settled = self.recovered.is_settled();
        for heir in heirs {
            let key = SessionKey::from_u64(heir.session);
            if !self.reach.knows(key) {
                continue;
            }
            let missed = match self.parts.begin(key) {
                Part::First => heir.missed.iter().map(event_of).collect(),
                Part::Next => Vec::new(),
                Part::Vain => continue,
            };
            if settled {
                self.tell_owner(key, Order::Bequeath(key, missed, bit));
                certain.push(Heir::new(key, &heir.known, &tail));
            } else {
                self.disown(key, ResumeOutcome::Undecided);
            }
        }
        // Of what other partitions have, their own parts decide.
        let undecided = self.sequencer.undecided();
        let undecided = undecided.filter(|place| self.parts.bit(place.0) == bit);
        let undecided: HashSet<Place> = undecided.collect();
        self.spare(&certain, &undecided, &tail);
        for envelope in tail {
            // Ephemeral events are not worth a doubt: what was typed is old by now.
            if envelope.seq == 0 {
                continue;
            }
            let place = (envelope.scope, envelope.seq);
            let lacking = certain.iter().filter(|heir| heir.lacks(place));
            let mut keys: Vec<_> = lacking.map(|heir| heir.key).collect();
            if envelope.state {
                keys.retain(|&key| self.concerns(&envelope, key));
            }
            if keys.is_empty() {
                continue;
            }
            if undecided.contains(&place) {
                // It comes from this node's own inbox yet. Of a state event the policy may find that it had it: then it
                // says nothing of it to anybody.
                if envelope.state {
                    let awaited = self.awaited.entry(place);
                    let awaited = awaited.or_insert_with(|| (envelope, Vec::new()));
                    awaited.1.extend(keys);
                }
            } else if envelope.state {
                let doubted = self.tell_again(&envelope, keys);
                certain.retain(|heir| !doubted.contains(&heir.key));
            } else {
                self.fan_out(envelope, Some(&keys));
            }
        }
        for Heir { key, .. } in certain {
            if self.parts.end(key, bit) {
                self.decided.forget(key);
                self.settling.push((key.worker(), Order::Revive(key)));
            }
        }
    }

    /// What came to a session of another node is not certain: its client begins anew.
    pub(crate) fn disown(&mut self, key: SessionKey, why: ResumeOutcome) {
        self.parts.lose(key);
        self.tell_owner(key, Order::Disown(key, why));
    }

    /// Events that are yet undecided here come out after this place, also those that an heir had where it was, or came
    /// after: it is not to get them again.
    fn spare(&mut self, heirs: &[Heir], undecided: &HashSet<Place>, tail: &[Envelope]) {
        if undecided.is_empty() {
            return;
        }
        let tail = tail.iter().map(|each| (each.scope, each.seq));
        let open: HashSet<Place> = tail.filter(|place| undecided.contains(place)).collect();
        for place in undecided {
            // What the other node's inbox does not have by now was given there before.
            let having = heirs
                .iter()
                .filter(|heir| !open.contains(place) || !heir.lacks(*place));
            let keys: Vec<_> = having.map(|heir| heir.key).collect();
            if !keys.is_empty() {
                self.had.entry(*place).or_default().extend(keys);
            }
        }
    }

    fn concerns(&self, envelope: &Envelope, key: SessionKey) -> bool {
        if envelope.guild != 0 && self.reach.is_in(key, envelope.guild) {
            return true;
        }
        let named = self.directory.sessions(&envelope.users, 0, "USER_UPDATE");
        named.contains(&key)
    }
}

fn event_of(missed: &Missed) -> Arc<EncodedDispatch> {
    let gate = missed.gate.as_ref().map(|(author, mentions)| ContentGate {
        author: *author,
        mentions: mentions.clone().into_boxed_slice(),
    });
    Arc::new(EncodedDispatch::new(
        &missed.name,
        missed.body.clone(),
        gate,
    ))
}
