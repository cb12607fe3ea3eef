//! The sequencer at its limits: what waits and what is remembered is bounded, and nothing is lost without a word.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;
use tocsin_bus::{Envelope, Limits, Loss, Scope, Sequencer, Step};

const LIMITS: Limits = Limits {
    scopes: 4,
    waiting_per_scope: 3,
};

fn scope(id: u64) -> Scope {
    Scope { kind: 1, id }
}

fn envelope(id: u64, seq: u64, state: bool) -> Envelope {
    Envelope {
        scope: scope(id),
        seq,
        name: "X".into(),
        body: Bytes::new(),
        guild: id,
        channel: 0,
        users: vec![],
        exclude_user: 0,
        author: 0,
        mentions: vec![],
        gated: false,
        state,
        traced: None,
    }
}

fn ticket(step: Option<Step>) -> u64 {
    match step {
        Some(Step::Ask { ticket, .. }) => ticket,
        other => panic!("a state event asks, not {other:?}"),
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// A durable event, this many places after the last one sent.
    Push(u64, u64, bool),
    Ephemeral(u64),
    Resolve(proptest::sample::Index),
}

fn op() -> impl Strategy<Value = Op> {
    let skip = prop_oneof![6 => Just(1u64), 1 => 2..5u64];
    prop_oneof![
        6 => (0..9u64, skip, proptest::bool::weighted(0.3)).prop_map(|(s, by, state)| Op::Push(s, by, state)),
        2 => (0..9u64).prop_map(Op::Ephemeral),
        2 => any::<proptest::sample::Index>().prop_map(Op::Resolve),
    ]
}

/// A scope as it ought to be.
#[derive(Default)]
struct Model {
    sent: u64,
    /// The last durable place that was taken.
    taken: u64,
    /// What must still come out, in order.
    due: VecDeque<u64>,
    held: bool,
}

/// Checks steps against what is due; gives the tickets that opened, each with its scope.
fn settle(
    models: &mut HashMap<u64, Model>,
    steps: impl IntoIterator<Item = Step>,
) -> Vec<(u64, u64)> {
    let mut open = vec![];
    for step in steps {
        let (envelope, opened) = match step {
            Step::Forward(envelope) => (envelope, None),
            Step::Ask { ticket, envelope } => (envelope, Some(ticket)),
        };
        let id = envelope.scope.id;
        let model = models.entry(id).or_default();
        assert_eq!(model.due.pop_front(), Some(envelope.seq));
        assert!(
            !model.held,
            "nothing follows a state event before its answer"
        );
        model.held = opened.is_some();
        open.extend(opened.map(|ticket| (ticket, id)));
    }
    open
}

fn push(
    sequencer: &mut Sequencer,
    models: &mut HashMap<u64, Model>,
    sent: Envelope,
) -> Vec<(u64, u64)> {
    let (id, seq) = (sent.scope.id, sent.seq);
    let model = models.entry(id).or_default();
    let full = model.held && model.due.len() == LIMITS.waiting_per_scope;
    let step = sequencer.push(sent);
    let loss = sequencer.take_loss();
    assert_eq!(sequencer.take_loss(), None);
    if full {
        let scope = scope(id);
        let durable = (seq != 0).then_some(Loss::Overflow { scope, seq });
        assert_eq!((step, loss), (None, durable));
        return vec![];
    }
    if seq != 0 {
        let gap = Loss::Gap {
            scope: scope(id),
            expected: model.taken + 1,
            got: seq,
        };
        // An idle scope may have been forgotten, and then it is new; a held one is not.
        match loss {
            Some(loss) => assert_eq!(loss, gap),
            None => assert!(!model.held || model.taken == 0 || seq == model.taken + 1),
        }
        model.taken = seq;
    }
    model.due.push_back(seq);
    assert_eq!(step.is_none(), model.held);
    settle(models, step)
}

proptest! {
    #[test]
    fn everything_comes_out_once_in_order_or_is_said_to_be_lost(ops in proptest::collection::vec(op(), 1..300)) {
        let mut sequencer = Sequencer::new(LIMITS);
        let mut models = HashMap::new();
        let mut open: Vec<(u64, u64)> = vec![];
        for op in ops {
            match op {
                Op::Push(id, by, state) => {
                    let model: &mut Model = models.entry(id).or_default();
                    model.sent += by;
                    let seq = model.sent;
                    open.extend(push(&mut sequencer, &mut models, envelope(id, seq, state)));
                }
                Op::Ephemeral(id) => {
                    open.extend(push(&mut sequencer, &mut models, envelope(id, 0, false)));
                }
                Op::Resolve(which) => {
                    if !open.is_empty() {
                        let (ticket, id) = open.remove(which.index(open.len()));
                        models.entry(id).or_default().held = false;
                        let steps = sequencer.resolve(ticket);
                        open.extend(settle(&mut models, steps));
                        let model = &models[&id];
                        prop_assert!(model.held || model.due.is_empty());
                    }
                }
            }
            let (known, held) = sequencer.sizes();
            prop_assert_eq!(held, open.len());
            prop_assert!(known - held <= LIMITS.scopes);
            prop_assert!(sequencer.held() <= held * LIMITS.waiting_per_scope);
        }
    }
}

#[test]
fn a_held_scope_knows_its_place_however_many_others_pass() {
    let mut sequencer = Sequencer::new(LIMITS);
    let ticket = ticket(sequencer.push(envelope(0, 5, true)));
    assert_eq!(sequencer.push(envelope(0, 6, false)), None);
    for id in 1..1_000 {
        assert!(sequencer.push(envelope(id, 1, false)).is_some());
    }
    for seq in [5, 6] {
        assert_eq!(sequencer.push(envelope(0, seq, false)), None);
    }
    assert_eq!((sequencer.duplicates(), sequencer.held()), (2, 1));
    assert_eq!(sequencer.resolve(ticket).len(), 1);
    assert_eq!(sequencer.push(envelope(0, 6, false)), None);
    assert_eq!(sequencer.duplicates(), 3);
}

#[test]
fn one_too_many_behind_a_held_scope_is_dropped_and_shows_as_a_gap_later() {
    let mut sequencer = Sequencer::new(LIMITS);
    let ticket = ticket(sequencer.push(envelope(1, 1, true)));
    for seq in 2..=4 {
        assert_eq!(sequencer.push(envelope(1, seq, false)), None);
        assert_eq!(sequencer.take_loss(), None);
    }
    assert_eq!(sequencer.push(envelope(1, 5, false)), None);
    assert_eq!(
        sequencer.take_loss(),
        Some(Loss::Overflow {
            scope: scope(1),
            seq: 5
        })
    );
    assert_eq!(sequencer.push(envelope(1, 0, false)), None);
    assert_eq!(sequencer.take_loss(), None);
    assert_eq!(sequencer.resolve(ticket).len(), 3);
    assert!(sequencer.push(envelope(1, 6, false)).is_some());
    assert_eq!(
        sequencer.take_loss(),
        Some(Loss::Gap {
            scope: scope(1),
            expected: 5,
            got: 6
        })
    );
    assert_eq!((sequencer.overflows(), sequencer.gaps()), (2, 1));
}

#[test]
fn ephemeral_events_of_an_idle_scope_leave_nothing_behind() {
    let mut sequencer = Sequencer::new(LIMITS);
    for id in 0..100 {
        assert!(sequencer.push(envelope(id, 0, false)).is_some());
    }
    assert_eq!(sequencer.sizes(), (0, 0));
}

#[test]
fn a_scope_is_remembered_in_one_place_and_a_loss_until_the_next_push() {
    let mut sequencer = Sequencer::new(LIMITS);
    assert!(sequencer.push(envelope(1, 1, false)).is_some());
    assert_eq!(sequencer.sizes(), (1, 0));
    let ticket = ticket(sequencer.push(envelope(1, 3, true)));
    assert_eq!((sequencer.sizes(), sequencer.gaps()), ((1, 1), 1));
    assert!(sequencer.resolve(ticket).is_empty());
    assert_eq!(sequencer.sizes(), (1, 0));
    assert!(sequencer.push(envelope(1, 4, false)).is_some());
    assert_eq!(sequencer.take_loss(), None);
}
