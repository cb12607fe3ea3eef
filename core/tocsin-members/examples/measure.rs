//! CPU per operation of the member list at 1k, 100k and 1M members, beside a sorted `Vec` with binary search.
//!
//! `cargo run --release -p tocsin-members --example measure`. CPU is this thread's, from /proc/thread-self/schedstat.
#![allow(clippy::print_stdout)]

use std::hint::black_box;

use tocsin_members::MemberList;

type Key = (u64, Box<str>, u64);

fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|each| each.parse().ok())
        .unwrap_or(0)
}

fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

fn per_op(rounds: u64, mut op: impl FnMut(u64)) -> f64 {
    let before = cpu_ns();
    for round in 0..rounds {
        op(round);
    }
    (cpu_ns() - before) as f64 / rounds as f64
}

fn name(prefix: &str, n: u64) -> String {
    // Scrambled, so that ids and names are in different orders.
    format!(
        "{prefix}{:08x}",
        n.wrapping_mul(2_654_435_761) & 0xffff_ffff
    )
}

fn key(prefix: &str, id: u64) -> Key {
    (1 + id % 2, name(prefix, id).into(), id)
}

fn main() {
    println!(
        "prefix, members, structure: out and in, move, rank, 100 rows (CPU ns per operation); octets per member"
    );
    for prefix in ["", "member number "] {
        for members in [1_000u64, 100_000, 1_000_000] {
            tree(prefix, members);
            sorted_vec(prefix, members);
        }
    }
}

fn tree(prefix: &str, members: u64) {
    let mut list = MemberList::new(&[1, 2]);
    list.fill((0..members).map(|id| (id, 1 + id % 2, name(prefix, id).into())));
    let mut next = numbers(1);
    let rounds = 500_000;
    let moved = per_op(rounds, |_| {
        // As a member who goes offline, or comes back.
        let id = next(members);
        let group = 3 - list.group_of(id).unwrap_or(1);
        black_box(list.put(id, group, &name(prefix, id)));
    });
    let rank = per_op(rounds, |_| {
        black_box(list.row_of(next(members)));
    });
    let page = per_op(rounds / 5, |_| {
        black_box(list.rows(next(members) as usize, 100));
    });
    let octets = list.memory_bytes() as u64 / members;
    let insert = per_op(rounds, |round| {
        // Out and in again: the list keeps its size.
        let id = next(members);
        list.remove(id);
        black_box(list.put(id, 1 + round % 2, &name(prefix, id)));
    });
    println!(
        "{prefix:?} {members:>8} tree: {insert:7.0} {moved:7.0} {rank:7.0} {page:7.0}; {octets}"
    );
}

fn sorted_vec(prefix: &str, members: u64) {
    let mut list: Vec<Key> = (0..members).map(|id| key(prefix, id)).collect();
    list.sort_unstable();
    let mut groups: Vec<u64> = (0..members).map(|id| 1 + id % 2).collect();
    let mut next = numbers(1);
    let rounds = if members > 10_000 { 300 } else { 500_000 };
    let moved = per_op(rounds, |_| {
        let id = next(members);
        let former = (groups[id as usize], name(prefix, id).into(), id);
        let at = list.binary_search(&former).unwrap_or_else(|at| at);
        let mut one = list.remove(at);
        groups[id as usize] = 3 - groups[id as usize];
        one.0 = groups[id as usize];
        let at = list.binary_search(&one).unwrap_or_else(|at| at);
        list.insert(at, one);
    });
    let rank = per_op(500_000, |_| {
        let id = next(members);
        let wanted = (groups[id as usize], name(prefix, id).into(), id);
        let _ = black_box(list.binary_search(&wanted));
    });
    let page = per_op(200_000, |_| {
        let at = next(members) as usize;
        let rows: Vec<u64> = list[at..(at + 100).min(list.len())]
            .iter()
            .map(|each| each.2)
            .collect();
        black_box(rows);
    });
    let insert = per_op(rounds, |_| {
        let at = next(members) as usize;
        let one = list.remove(at);
        let at = list.binary_search(&one).unwrap_or_else(|at| at);
        list.insert(at, one);
    });
    println!("{prefix:?} {members:>8} Vec:  {insert:7.0} {moved:7.0} {rank:7.0} {page:7.0}");
}
