//! `Sequencer`: per scope, order and no duplicates; a state event holds its scope until the policy has resolved it.
//!
//! Invariant: the steps of one scope come out in the order its envelopes went in. Memory is bounded: so many idle
//! scopes are remembered, so many envelopes wait behind a held one. A held scope is never forgotten.

use std::collections::{HashMap, VecDeque};

use crate::envelope::{Envelope, Scope};
use crate::recent::Recent;

/// The kind of a DM's scope (`ScopeKind.CHANNEL`). Of its log a node hears what names its users, and not the rest: places
/// that are missing are no loss. What is lost on the way, the inbox finds;
/// what the outbox has forgotten is said (`TOCSIN_LOST`).
const CHANNEL_SCOPE: u8 = 2;

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

/// Events of a scope that will not come out. What to tell its sessions is the caller's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The places `expected..got` of the scope's log never came. Not said of DMs.
    Gap {
        /// Whose log.
        scope: Scope,
        /// The place after the last one seen.
        expected: u64,
        /// The place that came instead.
        got: u64,
    },
    /// The envelope found no room behind its held scope and was dropped. Its place does not count as seen, so the
    /// next one of the scope that finds room reports a gap. Ephemeral ones may be dropped; they are counted only.
    Overflow {
        /// The held scope.
        scope: Scope,
        /// The dropped envelope's place.
        seq: u64,
    },
}

/// How much a sequencer remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Idle scopes whose last place is known, at least 2; about 32 octets each. A scope beyond them is taken as new.
    pub scopes: usize,
    /// Envelopes that may wait behind one held scope.
    pub waiting_per_scope: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            scopes: 131_072,
            waiting_per_scope: 65_536,
        }
    }
}

#[derive(Debug)]
struct Held {
    /// The last place taken, 0 for none.
    seq: u64,
    /// The place of the event the policy looks at.
    asked: u64,
    waiting: VecDeque<Envelope>,
}

/// All scopes of a node.
#[derive(Debug)]
pub struct Sequencer {
    limits: Limits,
    /// The scopes that are not held.
    recent: Recent,
    held: HashMap<Scope, Held>,
    tickets: HashMap<u64, Scope>,
    last_ticket: u64,
    waiting: usize,
    loss: Option<Loss>,
    duplicates: u64,
    gaps: u64,
    overflows: u64,
}

impl Default for Sequencer {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Sequencer {
    /// A sequencer that has seen nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            recent: Recent::new(limits.scopes),
            held: HashMap::new(),
            tickets: HashMap::new(),
            last_ticket: 0,
            waiting: 0,
            loss: None,
            duplicates: 0,
            gaps: 0,
            overflows: 0,
        }
    }

    /// Takes the next envelope of the inbox: a step, or `None` if it waits behind a held scope, was seen before, or
    /// found no room. What was lost with it, if anything, is [`take_loss`](Self::take_loss)'s to say.
    pub fn push(&mut self, envelope: Envelope) -> Option<Step> {
        let (scope, seq) = (envelope.scope, envelope.seq);
        let held = self.held.get_mut(&scope);
        let last = match &held {
            Some(held) => held.seq,
            None if seq == 0 && !envelope.state => 0,
            None => self.recent.last(scope),
        };
        self.loss = None;
        if seq != 0 && seq <= last {
            self.duplicates += 1;
            return None;
        }
        if held
            .as_ref()
            .is_some_and(|held| held.waiting.len() >= self.limits.waiting_per_scope)
        {
            self.overflows += 1;
            self.loss = (seq != 0).then_some(Loss::Overflow { scope, seq });
            return None;
        }
        if seq != 0 && last != 0 && seq != last + 1 && scope.kind != CHANNEL_SCOPE {
            self.gaps += 1;
            let expected = last + 1;
            self.loss = Some(Loss::Gap {
                scope,
                expected,
                got: seq,
            });
        }
        let last = if seq == 0 { last } else { seq };
        if let Some(held) = held {
            held.seq = last;
            held.waiting.push_back(envelope);
            self.waiting += 1;
            return None;
        }
        if envelope.state {
            self.recent.forget(scope);
            let held = Held {
                seq: last,
                asked: 0,
                waiting: VecDeque::new(),
            };
            return Some(self.ask(envelope, held));
        }
        if seq != 0 {
            self.recent.note(scope, seq);
        }
        Some(Step::Forward(envelope))
    }

    /// The policy is done with a ticket: the steps that waited for it, up to the next state event of the scope.
    /// A ticket that is not open gives none.
    pub fn resolve(&mut self, ticket: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(scope) = self.tickets.remove(&ticket) else {
            return steps;
        };
        let Some(mut held) = self.held.remove(&scope) else {
            return steps;
        };
        while let Some(envelope) = held.waiting.pop_front() {
            self.waiting -= 1;
            if envelope.state {
                steps.push(self.ask(envelope, held));
                return steps;
            }
            steps.push(Step::Forward(envelope));
        }
        if held.seq != 0 {
            self.recent.note(scope, held.seq);
        }
        steps
    }

    /// Holds the scope of a state event.
    fn ask(&mut self, envelope: Envelope, mut held: Held) -> Step {
        held.asked = envelope.seq;
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.tickets.insert(ticket, envelope.scope);
        self.held.insert(envelope.scope, held);
        Step::Ask { ticket, envelope }
    }

    /// What the last [`push`](Self::push) found to be lost; said once.
    pub const fn take_loss(&mut self) -> Option<Loss> {
        self.loss.take()
    }

    /// Envelopes dropped because their place in the log was seen before.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// How often a log skipped places.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Envelopes dropped because too many waited behind their held scope.
    #[must_use]
    pub const fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Envelopes that wait behind a held scope now.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.waiting
    }

    /// The place of the event that the policy looks at by this ticket, while it is open; 0 for one of no log.
    #[must_use]
    pub fn asked(&self, ticket: u64) -> Option<(Scope, u64)> {
        let scope = self.tickets.get(&ticket)?;
        Some((*scope, self.held.get(scope)?.asked))
    }

    /// The places of the events that have come, and which the policy looks at or which wait behind such a one.
    pub fn undecided(&self) -> impl Iterator<Item = (Scope, u64)> {
        self.held.iter().flat_map(|(&scope, held)| {
            let waiting = held.waiting.iter().map(|envelope| envelope.seq);
            std::iter::once(held.asked)
                .chain(waiting)
                .filter(|&seq| seq != 0)
                .map(move |seq| (scope, seq))
        })
    }

    /// Whether no scope waits for the policy.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.held.is_empty()
    }

    /// How many scopes are remembered, and how many of them are held.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.recent.len() + self.held.len(), self.held.len())
    }
}
