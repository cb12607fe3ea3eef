//! The sequencer under any interleaving of events and answers: order kept per scope, nothing lost, nothing twice.

use std::collections::HashMap;

use bytes::Bytes;
use proptest::prelude::*;
use tocsin_bus::{Envelope, Scope, Sequencer, Step};

fn envelope(scope: u64, seq: u64, state: bool) -> Envelope {
    Envelope {
        scope: Scope { kind: 1, id: scope },
        seq,
        name: "X".into(),
        body: Bytes::new(),
        guild: scope,
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

#[derive(Debug, Clone)]
enum Op {
    Push(u64, bool),
    Again(u64),
    Resolve(proptest::sample::Index),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..3u64, any::<bool>()).prop_map(|(scope, state)| Op::Push(scope, state)),
        1 => (0..3u64).prop_map(Op::Again),
        3 => any::<proptest::sample::Index>().prop_map(Op::Resolve),
    ]
}

#[derive(Default)]
struct Seen {
    order: HashMap<u64, Vec<u64>>,
    open: Vec<u64>,
}

impl Seen {
    fn take(&mut self, step: Step) {
        let envelope = match step {
            Step::Forward(envelope) => envelope,
            Step::Ask { ticket, envelope } => {
                self.open.push(ticket);
                envelope
            }
        };
        self.order
            .entry(envelope.scope.id)
            .or_default()
            .push(envelope.seq);
    }
}

proptest! {
    #[test]
    fn order_is_kept_and_nothing_is_lost_or_doubled(ops in proptest::collection::vec(op(), 1..200)) {
        let mut sequencer = Sequencer::default();
        let mut seen = Seen::default();
        let mut pushed: HashMap<u64, u64> = HashMap::new();
        for op in ops {
            match op {
                Op::Push(scope, state) => {
                    let seq = pushed.entry(scope).or_default();
                    *seq += 1;
                    sequencer.push(envelope(scope, *seq, state)).into_iter().for_each(|step| seen.take(step));
                }
                Op::Again(scope) => {
                    if let Some(&seq) = pushed.get(&scope) {
                        prop_assert_eq!(sequencer.push(envelope(scope, seq, false)), None);
                    }
                }
                Op::Resolve(which) => {
                    if !seen.open.is_empty() {
                        let ticket = seen.open.remove(which.index(seen.open.len()));
                        sequencer.resolve(ticket).into_iter().for_each(|step| seen.take(step));
                    }
                }
            }
        }
        while let Some(ticket) = seen.open.pop() {
            sequencer.resolve(ticket).into_iter().for_each(|step| seen.take(step));
        }
        prop_assert_eq!(sequencer.held(), 0);
        prop_assert_eq!(sequencer.gaps(), 0);
        for (scope, last) in pushed {
            let expected: Vec<u64> = (1..=last).collect();
            prop_assert_eq!(&seen.order[&scope], &expected);
        }
    }
}

#[test]
fn a_held_scope_does_not_hold_others_and_ephemeral_events_wait_in_line() {
    let mut sequencer = Sequencer::default();
    let Some(Step::Ask { ticket, .. }) = sequencer.push(envelope(1, 1, true)) else {
        panic!("a state event asks");
    };
    assert_eq!(sequencer.push(envelope(1, 0, false)), None);
    assert!(matches!(
        sequencer.push(envelope(2, 1, false)),
        Some(Step::Forward(_))
    ));
    assert_eq!(sequencer.held(), 1);
    assert_eq!(sequencer.resolve(ticket).len(), 1);
    assert!(sequencer.resolve(ticket).is_empty());
}

#[test]
fn a_skipped_place_is_counted() {
    let mut sequencer = Sequencer::default();
    assert!(sequencer.push(envelope(1, 5, false)).is_some());
    assert!(sequencer.push(envelope(1, 7, false)).is_some());
    assert_eq!((sequencer.gaps(), sequencer.duplicates()), (1, 0));
}

#[test]
fn what_is_undecided_is_known_by_its_place_and_what_is_of_no_log_has_none() {
    let scope = Scope { kind: 1, id: 9 };
    let mut sequencer = Sequencer::default();
    let undecided = |sequencer: &Sequencer| sequencer.undecided().collect::<Vec<_>>();
    let Some(Step::Ask { ticket, .. }) = sequencer.push(envelope(9, 0, true)) else {
        panic!("a question");
    };
    assert!(undecided(&sequencer).is_empty() && !sequencer.is_settled());
    assert_eq!(sequencer.asked(ticket), Some((scope, 0)));
    for (seq, state) in [(1, false), (0, false), (2, true), (3, false)] {
        assert!(sequencer.push(envelope(9, seq, state)).is_none());
    }
    assert_eq!(undecided(&sequencer), [(scope, 1), (scope, 2), (scope, 3)]);
    sequencer.resolve(ticket);
    assert_eq!(undecided(&sequencer), [(scope, 2), (scope, 3)]);
    assert_eq!(sequencer.asked(ticket), None);
    assert_eq!(sequencer.asked(ticket + 1), Some((scope, 2)));
    sequencer.resolve(ticket + 1);
    assert!(undecided(&sequencer).is_empty() && sequencer.is_settled());
}

#[test]
fn a_dms_log_may_skip_places_and_a_guilds_may_not() {
    for (kind, skips) in [(1, true), (2, false), (3, true)] {
        let mut sequencer = Sequencer::default();
        for seq in [3, 5] {
            let mut sent = envelope(9, seq, false);
            sent.scope.kind = kind;
            assert!(matches!(sequencer.push(sent), Some(Step::Forward(_))));
        }
        assert_eq!(sequencer.take_loss().is_some(), skips);
        assert_eq!(sequencer.gaps(), u64::from(skips));
    }
}
