//! `Sequencer`: per scope, order and no duplicates; a state event holds its scope until the policy has resolved it.
//!
//! Invariant: the steps of one scope come out in the order its envelopes went in.

use std::collections::{HashMap, VecDeque};

use crate::envelope::{Envelope, Scope};

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Fan it out.
    Forward(Envelope),
    /// Hand it to the policy; its scope waits for the ticket.
    Ask {
        /// What `resolve` must be given.
        ticket: u64,
        /// The state event.
        envelope: Envelope,
    },
}

#[derive(Debug, Default)]
struct ScopeState {
    /// The last place seen in the log, 0 for none.
    seq: u64,
    /// The ticket that holds the scope.
    ticket: Option<u64>,
    waiting: VecDeque<Envelope>,
}

/// All scopes of a node.
#[derive(Debug, Default)]
pub struct Sequencer {
    scopes: HashMap<Scope, ScopeState>,
    tickets: HashMap<u64, Scope>,
    last_ticket: u64,
    duplicates: u64,
    gaps: u64,
    held: usize,
}

impl Sequencer {
    /// Takes the next envelope of the inbox: a step, or `None` if it waits behind a held scope or was seen before.
    pub fn push(&mut self, envelope: Envelope) -> Option<Step> {
        let state = self.scopes.entry(envelope.scope).or_default();
        if envelope.seq != 0 {
            if envelope.seq <= state.seq {
                self.duplicates += 1;
                return None;
            }
            if state.seq != 0 && envelope.seq != state.seq + 1 {
                self.gaps += 1;
            }
            state.seq = envelope.seq;
        }
        if state.ticket.is_some() {
            state.waiting.push_back(envelope);
            self.held += 1;
            return None;
        }
        Some(self.step(envelope))
    }

    /// The policy is done with a ticket: the steps that waited for it, up to the next state event of the scope.
    /// A ticket that is not open gives none.
    pub fn resolve(&mut self, ticket: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(scope) = self.tickets.remove(&ticket) else {
            return steps;
        };
        if let Some(state) = self.scopes.get_mut(&scope) {
            state.ticket = None;
        }
        while let Some(envelope) = self.next_waiting(scope) {
            self.held -= 1;
            let step = self.step(envelope);
            let holds = matches!(step, Step::Ask { .. });
            steps.push(step);
            if holds {
                break;
            }
        }
        steps
    }

    fn next_waiting(&mut self, scope: Scope) -> Option<Envelope> {
        self.scopes.get_mut(&scope)?.waiting.pop_front()
    }

    fn step(&mut self, envelope: Envelope) -> Step {
        if !envelope.state {
            return Step::Forward(envelope);
        }
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.tickets.insert(ticket, envelope.scope);
        self.scopes.entry(envelope.scope).or_default().ticket = Some(ticket);
        Step::Ask { ticket, envelope }
    }

    /// Envelopes dropped because their place in the log was seen before.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Places of a log that were skipped.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Envelopes that wait behind a held scope now.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }
}
