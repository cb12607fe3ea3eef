//! Sessions of another node go on here: the dispatcher's part, at one place of the inbox (ADR 0019).
//!
//! Everything before that place comes from the other node's journal and inbox, everything after it from this node's own.
//! Where an audience of the time between cannot be known, the client begins anew.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tocsin_bus::{Envelope, Inheritance, Scope};
use tocsin_codec::{ContentGate, EncodedDispatch};

use crate::decided::Place;
use crate::dispatcher::Dispatcher;
use crate::key::SessionKey;
use crate::message::Order;
use crate::metrics::ResumeOutcome;

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
        let Inheritance { heirs, tail } = inheritance;
        let mut certain = Vec::new();
        let settled = self.recovered.is_settled();
        for heir in heirs {
            let key = SessionKey::from_u64(heir.session);
            let missed = heir.missed.into_iter().map(|missed| {
                let gate = missed.gate.map(|(author, mentions)| ContentGate {
                    author,
                    mentions: mentions.into_boxed_slice(),
                });
                Arc::new(EncodedDispatch::new(&missed.name, missed.body, gate))
            });
            if settled {
                self.tell_owner(key, Order::Bequeath(key, missed.collect()));
                certain.push(Heir::new(key, &heir.known, &tail));
            } else {
                self.tell_owner(key, Order::Disown(key, ResumeOutcome::Undecided));
            }
        }
        let undecided: HashSet<Place> = self.sequencer.undecided().collect();
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
            self.settling.push((key.worker(), Order::Revive(key)));
        }
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
