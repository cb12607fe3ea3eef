//! The user index against a naive model: each user's sessions, no more and no less, and nothing left at the end.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tocsin_fanout::UserIndex;

#[derive(Debug, Clone)]
enum Op {
    Add(u64, u64, bool),
    Remove(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..10u64, 0..4u64, any::<bool>()).prop_map(|(s, u, first)| Op::Add(s, u, first)),
        2 => (0..10u64).prop_map(Op::Remove),
    ]
}

proptest! {
    #[test]
    fn a_user_has_exactly_the_sessions_added_and_not_removed(ops in proptest::collection::vec(op(), 1..200)) {
        let mut index = UserIndex::default();
        let mut model: BTreeMap<u64, (u64, bool)> = BTreeMap::new();
        for op in ops {
            match op {
                Op::Add(session, user, first) => {
                    index.add(session, user, first);
                    model.insert(session, (user, first));
                }
                Op::Remove(session) => {
                    prop_assert_eq!(index.remove(session), model.remove(&session).map(|(user, _)| user));
                }
            }
            for user in 0..4 {
                for all in [false, true] {
                    let mut found: Vec<u64> = index.sessions(user, all).collect();
                    found.sort_unstable();
                    let expected: Vec<u64> = model
                        .iter()
                        .filter(|(_, (owner, first))| *owner == user && (all || *first))
                        .map(|(session, _)| *session)
                        .collect();
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!(index.sizes().1, model.len());
        }
        for session in 0..10 {
            index.remove(session);
        }
        prop_assert_eq!(index.sizes(), (0, 0));
    }
}
