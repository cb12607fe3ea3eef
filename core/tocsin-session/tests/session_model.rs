//! A session against a model that keeps everything: gapless numbers, exact resumes, bounded memory.

use proptest::prelude::*;
use tocsin_proto::{Intents, SessionId};
use tocsin_session::{ReplayLimits, ResumeError, Session, SessionInfo};

const LIMITS: ReplayLimits = ReplayLimits {
    max_events: 20,
    max_bytes: 1000,
};

#[derive(Debug, Clone)]
enum Op {
    Dispatch(usize),
    Acknowledge(u64),
    Detach,
    Resume(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..300usize).prop_map(Op::Dispatch),
        2 => (0..200u64).prop_map(Op::Acknowledge),
        1 => Just(Op::Detach),
        2 => (0..200u64).prop_map(Op::Resume),
    ]
}

fn session() -> Session<u64> {
    let info = SessionInfo {
        id: SessionId([0; 16]),
        user_id: 1,
        bot: true,
        intents: Intents::ALL,
        shard: None,
        token_digest: [0; 32],
    };
    Session::new(info, 0)
}

/// Everything ever sent with its cost, and the highest number known to be seen.
#[derive(Default)]
struct Model {
    sent: Vec<usize>,
    acknowledged: u64,
}

impl Model {
    /// The oldest number that must still be kept: by the limits, newest first.
    fn kept_from(&self) -> u64 {
        let mut bytes = 0;
        let mut from = self.sent.len() as u64 + 1;
        for (at, cost) in self.sent.iter().enumerate().rev() {
            bytes += cost;
            if self.sent.len() - at > LIMITS.max_events || bytes > LIMITS.max_bytes {
                break;
            }
            from = at as u64 + 1;
        }
        from
    }
}

proptest! {
    #[test]
    fn numbers_have_no_gap_and_resumes_are_exact(ops in proptest::collection::vec(op(), 1..300)) {
        let mut session = session();
        let mut model = Model::default();
        for op in ops {
            match op {
                Op::Dispatch(cost) => {
                    model.sent.push(cost);
                    let event = model.sent.len() as u64;
                    prop_assert_eq!(session.dispatch(event, cost, LIMITS), event);
                }
                Op::Acknowledge(seq) => {
                    let known = seq <= model.sent.len() as u64;
                    prop_assert_eq!(session.acknowledge(seq), known);
                    if known {
                        model.acknowledged = model.acknowledged.max(seq);
                    }
                }
                Op::Detach => session.detach(5),
                Op::Resume(seq) => {
                    let last = model.sent.len() as u64;
                    let missed = session
                        .missed_after(seq)
                        .map(|missed| missed.map(|(s, event)| (s, *event)).collect::<Vec<_>>());
                    match missed {
                        Err(ResumeError::SeqAhead) => prop_assert!(seq > last),
                        Err(_) => {
                            // Never lost while the limits have room for it and nobody acknowledged past it.
                            prop_assert!(seq + 1 < model.kept_from() || seq < model.acknowledged);
                        }
                        Ok(missed) => {
                            let expected: Vec<(u64, u64)> = (seq + 1..=last).map(|s| (s, s)).collect();
                            prop_assert_eq!(missed, expected);
                            session.attach(1);
                        }
                    }
                }
            }
            prop_assert!(session.replay().len() <= LIMITS.max_events);
            prop_assert!(session.replay().bytes() <= LIMITS.max_bytes);
        }
    }
}

#[test]
fn a_detached_session_expires_after_the_window() {
    let mut session = session();
    assert!(!session.expired(u64::MAX, 100));
    session.detach(50);
    assert!(!session.expired(149, 100));
    assert!(session.expired(150, 100));
    session.attach(3);
    assert_eq!(session.connection(), Some(3));
}
