//! Sessions of another node go on here: the dispatcher's part, at one place of the inbox (ADR 0019).
//!
//! Everything before that place comes from the other node's journal and inbox, everything after it from this node's own.
//! Where an audience of the time between cannot be known, the client begins anew.

use std::collections::HashSet;
use std::sync::Arc;

use tocsin_bus::{Envelope, Inheritance, Scope};
use tocsin_codec::{ContentGate, EncodedDispatch};

use crate::dispatcher::{Dispatcher, GUILD_SCOPE};
use crate::key::SessionKey;
use crate::message::Order;
use crate::metrics::ResumeOutcome;

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
            if !settled || self.is_waiting(key) {
                self.tell_owner(key, Order::Disown(key, ResumeOutcome::Undecided));
            } else {
                self.tell_owner(key, Order::Bequeath(key, missed.collect()));
                certain.push((key, heir.known));
            }
        }
        self.spare(&mut certain);
        for envelope in tail {
            // Ephemeral events are not worth a doubt: what was typed is old by now.
            if envelope.seq == 0 {
                continue;
            }
            // It comes from this node's own inbox yet.
            if self.sequencer.is_waiting(envelope.scope, envelope.seq) && !envelope.state {
                continue;
            }
            let place = (envelope.scope, envelope.seq);
            if envelope.state {
                certain.retain(|(key, known)| {
                    let doubted = !known.contains(&place) && self.concerns(&envelope, *key);
                    if doubted {
                        let key = *key;
                        self.tell_owner(key, Order::Disown(key, ResumeOutcome::Changed));
                    }
                    !doubted
                });
                continue;
            }
            let keys: Vec<_> = certain
                .iter()
                .filter(|(_, known)| !known.contains(&place))
                .map(|(key, _)| *key)
                .collect();
            if !keys.is_empty() {
                self.fan_out(envelope, Some(&keys));
            }
        }
        for (key, _) in certain {
            self.settling.push((key.worker(), Order::Revive(key)));
        }
    }

    /// Events that wait here for the policy come out after this place, also those that an heir had where it was: it is
    /// not to get them again. Of state events the policy decides for all, so that such an heir begins anew.
    fn spare(&mut self, heirs: &mut Vec<(SessionKey, HashSet<(Scope, u64)>)>) {
        let waiting = self.sequencer.waiting().filter(|each| each.seq != 0);
        let places: Vec<_> = waiting
            .map(|each| ((each.scope, each.seq), each.state))
            .collect();
        for (place, state) in places {
            let had = |(_, known): &(_, HashSet<(Scope, u64)>)| known.contains(&place);
            let keys: Vec<_> = heirs
                .iter()
                .filter(|&heir| had(heir))
                .map(|heir| heir.0)
                .collect();
            if keys.is_empty() {
                continue;
            }
            if state {
                heirs.retain(|heir| !had(heir));
                for key in keys {
                    self.tell_owner(key, Order::Disown(key, ResumeOutcome::Undecided));
                }
            } else {
                self.had.entry(place).or_default().extend(keys);
            }
        }
    }

    /// Whether the policy is at work on a guild of the session: who may see what there is about to change.
    fn is_waiting(&self, key: SessionKey) -> bool {
        self.reach.guilds_of(key).any(|id| {
            let kind = GUILD_SCOPE;
            self.sequencer.is_deciding(Scope { kind, id })
        })
    }

    fn concerns(&self, envelope: &Envelope, key: SessionKey) -> bool {
        if envelope.guild != 0 && self.reach.is_in(key, envelope.guild) {
            return true;
        }
        let named = self.directory.sessions(&envelope.users, 0, "USER_UPDATE");
        named.contains(&key)
    }
}
