//! The replay log against a model that keeps everything: gapless numbers, exact resumes, bounded memory.

use proptest::prelude::*;
use tocsin_session::ReplayLog;

const MAX_EVENTS: usize = 20;
const MAX_BYTES: usize = 1000;

#[derive(Debug, Clone)]
enum Op {
    Dispatch(usize),
    Acknowledge(u64),
    Resume(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..300usize).prop_map(Op::Dispatch),
        2 => (0..200u64).prop_map(Op::Acknowledge),
        2 => (0..200u64).prop_map(Op::Resume),
    ]
}

/// The cost of everything ever sent, and the highest number known to be seen.
#[derive(Default)]
struct Model {
    sent: Vec<usize>,
    acknowledged: u64,
}

impl Model {
    /// The oldest number the limits have room for, counted from the newest.
    fn kept_from(&self) -> u64 {
        let mut bytes = 0;
        let mut from = self.sent.len() as u64 + 1;
        for (at, cost) in self.sent.iter().enumerate().rev() {
            bytes += cost;
            if self.sent.len() - at > MAX_EVENTS || bytes > MAX_BYTES {
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
        let mut log = ReplayLog::new(MAX_EVENTS, MAX_BYTES);
        let mut model = Model::default();
        for op in ops {
            match op {
                Op::Dispatch(cost) => {
                    model.sent.push(cost);
                    let number = model.sent.len() as u64;
                    prop_assert_eq!(log.push(number, cost), number);
                }
                Op::Acknowledge(seq) => {
                    log.acknowledge(seq);
                    if seq <= model.sent.len() as u64 {
                        model.acknowledged = model.acknowledged.max(seq);
                    }
                }
                Op::Resume(seq) => {
                    let last = model.sent.len() as u64;
                    let missed: Vec<(u64, u64)> = log.after(seq).map(|(s, number)| (s, *number)).collect();
                    // Lost if never sent, acknowledged past, or out of room, and only then. Then nothing is replayed.
                    let first = model.kept_from().max(model.acknowledged + 1);
                    let reaches = seq <= last && seq + 1 >= first;
                    prop_assert_eq!(log.reaches(seq), reaches);
                    let from = if reaches { seq + 1 } else { last + 1 };
                    let expected: Vec<(u64, u64)> = (from..=last).map(|s| (s, s)).collect();
                    prop_assert_eq!(missed, expected);
                }
            }
            prop_assert_eq!(log.last_seq(), model.sent.len() as u64);
            prop_assert!(log.len() <= MAX_EVENTS);
            prop_assert!(log.bytes() <= MAX_BYTES);
            let kept = &model.sent[model.sent.len() - log.len()..];
            prop_assert_eq!(log.bytes(), kept.iter().sum::<usize>());
        }
    }
}

#[test]
fn an_acknowledged_log_is_empty_and_goes_on_counting() {
    let mut log = ReplayLog::new(100, 1 << 20);
    for number in 1..=50u64 {
        log.push(number, 10);
    }
    log.acknowledge(50);
    assert!(log.is_empty());
    assert_eq!((log.bytes(), log.last_seq(), log.push(0, 1)), (0, 50, 51));
    assert!(log.reaches(50) && !log.reaches(49) && !log.reaches(52));
    assert!(!log.reaches(u64::MAX));
}
