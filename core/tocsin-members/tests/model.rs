//! The list against a sorted `Vec`: every step, every row and every index, through random histories.

use proptest::collection::vec;
use proptest::prelude::*;
use tocsin_members::{MemberList, Row, Step};

#[derive(Default)]
struct Model {
    order: Vec<u64>,
    members: Vec<(u64, String, u64)>, // group, name, id
}

impl Model {
    fn rank(&self, group: u64) -> usize {
        let at = self.order.iter().position(|each| *each == group);
        at.unwrap_or(usize::MAX)
    }

    fn put(&mut self, id: u64, group: u64, name: &str) {
        self.remove(id);
        self.members.push((group, name.to_owned(), id));
    }

    fn remove(&mut self, id: u64) {
        self.members.retain(|each| each.2 != id);
    }

    fn rows(&self) -> Vec<Row> {
        let mut sorted = self.members.clone();
        sorted.sort_by_key(|each| (self.rank(each.0), each.1.clone(), each.2));
        let mut rows = Vec::new();
        let mut last = None;
        for (group, _, id) in &sorted {
            if last != Some(*group) {
                let count = sorted.iter().filter(|each| each.0 == *group).count();
                rows.push(Row::Group(*group, count));
                last = Some(*group);
            }
            rows.push(Row::Member(*id));
        }
        rows
    }
}

/// Applies steps to rows as a client does; counts of headers come apart from them.
fn apply(rows: &mut Vec<Row>, steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Delete(at) => {
                rows.remove(at);
            }
            Step::InsertGroup(at, group) => rows.insert(at, Row::Group(group, 0)),
            Step::Insert(at, id) => rows.insert(at, Row::Member(id)),
        }
    }
}

fn uncounted(rows: &[Row]) -> Vec<Row> {
    rows.iter()
        .map(|row| match row {
            Row::Group(id, _) => Row::Group(*id, 0),
            Row::Member(id) => Row::Member(*id),
        })
        .collect()
}

fn check(list: &MemberList, model: &Model) {
    let rows = model.rows();
    assert_eq!(list.row_count(), rows.len());
    assert_eq!(list.len(), model.members.len());
    assert_eq!(list.rows(0, usize::MAX), rows);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(list.rows(at, 1), [*row]);
        if let Row::Member(id) = row {
            assert_eq!(list.row_of(*id), Some(at));
        }
    }
    let headers = rows.iter().filter_map(|row| match row {
        Row::Group(id, count) => Some((*id, *count)),
        Row::Member(_) => None,
    });
    assert!(list.groups().eq(headers));
}

#[derive(Clone, Debug)]
enum Change {
    Put(u64, u64, String),
    Remove(u64),
    Order(Vec<u64>),
}

fn changes() -> impl Strategy<Value = Change> {
    let put = (
        0..60u64,
        1..5u64,
        "(shared-pref|shared-prefix-|é)?[a-c]{0,3}",
    );
    prop_oneof![
        8 => put.prop_map(|(id, group, name)| Change::Put(id, group, name)),
        3 => (0..60u64).prop_map(Change::Remove),
        1 => Just(vec![1, 2, 3, 4]).prop_shuffle().prop_map(Change::Order),
    ]
}

proptest! {
    #[test]
    fn every_history_gives_the_rows_of_a_sorted_vec(history in vec(changes(), 1..200)) {
        let order = vec![1, 2, 3, 4];
        let mut list = MemberList::new(&order);
        let mut model = Model { order, ..Model::default() };
        let mut seen = Vec::new();
        for change in history {
            match change {
                Change::Put(id, group, name) => {
                    apply(&mut seen, &list.put(id, group, &name));
                    model.put(id, group, &name);
                }
                Change::Remove(id) => {
                    apply(&mut seen, &list.remove(id));
                    model.remove(id);
                }
                Change::Order(order) => {
                    list.set_groups(&order);
                    model.order = order;
                    seen = model.rows();
                }
            }
            prop_assert_eq!(uncounted(&seen), uncounted(&model.rows()));
        }
        check(&list, &model);
    }
}

/// A multiplicative generator: the same numbers in every run.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

#[test]
fn many_members_through_splits_and_merges_stay_in_order() {
    let mut next = numbers(7);
    let mut list = MemberList::new(&[1, 2]);
    let mut model = Model {
        order: vec![1, 2],
        ..Model::default()
    };
    for round in 0..3 {
        for id in 0..3_000 {
            let name = format!("member-number-{}", next(900));
            list.put(id, 1 + next(2), &name);
        }
        for _ in 0..2_900 {
            list.remove(next(3_000));
        }
        for id in 0..3_000 {
            list.remove(id);
        }
        assert_eq!((list.len(), list.row_count()), (0, 0), "round {round}");
    }
    for id in 0..1_200 {
        let (group, name) = (1 + next(2), format!("member-number-{}", next(90)));
        list.put(id, group, &name);
        model.put(id, group, &name);
    }
    for _ in 0..900 {
        let id = next(1_200);
        list.remove(id);
        model.remove(id);
    }
    check(&list, &model);
}

#[test]
fn filling_at_once_gives_what_putting_one_by_one_gives() {
    let mut next = numbers(11);
    let mut one = MemberList::new(&[9, 8]);
    let mut all = MemberList::new(&[9, 8]);
    let members: Vec<(u64, u64, Box<str>)> = (0..2_000)
        .map(|id| (id % 1_800, 7 + next(3), format!("name{}", next(500)).into()))
        .collect();
    for (id, group, name) in &members {
        one.put(*id, *group, name);
    }
    all.fill(members);
    let sizes = |list: &MemberList| {
        let mut groups: Vec<_> = list.groups().collect();
        groups.sort_unstable();
        groups
    };
    assert_eq!(sizes(&one), sizes(&all));
    assert_eq!(one.rows(0, usize::MAX), all.rows(0, usize::MAX));
}

#[test]
fn a_member_who_stays_in_place_makes_no_step() {
    let mut list = MemberList::new(&[1, 2]);
    assert_eq!(
        list.put(5, 2, "ada"),
        [Step::InsertGroup(0, 2), Step::Insert(1, 5)]
    );
    assert_eq!(list.put(5, 2, "ada"), []);
    let moved = [
        Step::Delete(1),
        Step::Delete(0),
        Step::InsertGroup(0, 1),
        Step::Insert(1, 5),
    ];
    assert_eq!(list.put(5, 1, "ada"), moved);
    assert_eq!(list.group_of(5), Some(1));
    assert_eq!(list.remove(6), []);
    assert_eq!(list.row_of(6), None);
    assert!(list.rows(9, 3).is_empty());
}

#[test]
fn an_entry_of_the_list_takes_little_memory() {
    let mut list = MemberList::new(&[1]);
    list.fill((0..100_000u64).map(|id| (id, 1, format!("name{id:06}").into())));
    assert!(
        list.memory_bytes() / 100_000 < 120,
        "{}",
        list.memory_bytes()
    );
}
