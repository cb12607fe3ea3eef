//! What is published reaches the nodes that asked for its scope: once, in order, whatever is sent again.

mod support;

use redis::Commands;
use support::{Node, Redis, event, scope};
use tocsin_bus::Scope;
use tocsin_redis::{Names, Note};

#[test]
fn an_event_reaches_the_nodes_that_asked_for_its_scope_and_no_other() {
    let redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    let mut two = Node::start(redis.config("two"));
    one.follow(1, &[10, 11]);
    two.follow(1, &[11, 12]);
    one.bus
        .publish(&[event(10, 1), event(11, 1), event(12, 1), event(11, 2)]);
    one.bus.publish(&[event(12, 2), event(10, 2)]);
    assert_eq!(one.ear.places(4), [(10, 1), (11, 1), (11, 2), (10, 2)]);
    assert_eq!(two.ear.places(4), [(11, 1), (12, 1), (11, 2), (12, 2)]);
    assert_eq!(one.ear.events(4)[0], event(10, 1));
}

#[test]
fn partitions_are_read_together() {
    let redis = Redis::start(&[]);
    let mut config = redis.config("one");
    config.partitions = 8;
    let mut one = Node::start(config);
    let scopes: Vec<u64> = (1..=50).collect();
    one.follow(1, &scopes);
    for seq in 1..=20 {
        let events: Vec<_> = scopes.iter().map(|&id| event(id, seq)).collect();
        one.bus.publish(&events);
    }
    let places = one.ear.places(1_000);
    for id in scopes {
        let of_scope: Vec<u64> = places
            .iter()
            .filter(|place| place.0 == id)
            .map(|place| place.1)
            .collect();
        assert_eq!(of_scope, (1..=20).collect::<Vec<_>>(), "scope {id}");
    }
}

#[test]
fn what_is_published_twice_is_delivered_once_also_when_runs_overlap() {
    let redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    let other = Node::start(redis.config("two"));
    one.follow(1, &[10]);
    one.bus.publish(&[event(10, 1), event(10, 2), event(10, 3)]);
    one.ear.places(3);
    other
        .bus
        .publish(&[event(10, 2), event(10, 3), event(10, 4), event(10, 5)]);
    one.ear.places(5);
    other.bus.publish(&[event(10, 4), event(10, 0)]);
    assert_eq!(
        one.ear.places(6),
        [(10, 1), (10, 2), (10, 3), (10, 4), (10, 5), (10, 0)]
    );
}

#[test]
fn a_hole_in_a_scopes_log_is_refused_and_named_until_it_is_filled() {
    let redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    one.follow(1, &[10]);
    one.bus.publish(&[event(10, 1)]);
    one.bus.publish(&[event(10, 3)]);
    let watermark = one.ear.note(|note| match note {
        Note::Behind {
            scope: found,
            watermark,
        } if *found == scope(10) => Some(*watermark),
        _ => None,
    });
    assert_eq!(watermark, 1);
    one.bus.publish(&[event(10, 2), event(10, 3)]);
    assert_eq!(one.ear.places(3), [(10, 1), (10, 2), (10, 3)]);
}

#[test]
fn a_hole_that_cannot_be_filled_is_let_through_when_told() {
    let redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    one.follow(1, &[10]);
    one.bus.publish(&[event(10, 1)]);
    one.bus.begin(scope(10), 4, true);
    one.bus.publish(&[event(10, 5), event(10, 6)]);
    assert_eq!(one.ear.places(3), [(10, 1), (10, 5), (10, 6)]);
}

#[test]
fn of_a_log_that_nobody_knows_no_node_publishes_before_what_another_has_of_it() {
    let redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    let two = Node::start(redis.config("two"));
    one.follow(1, &[10, 11]);
    let behind = |node: &Node, id| {
        node.ear.note(|note| match note {
            Note::Behind {
                scope: found,
                watermark,
            } if *found == scope(id) => Some(*watermark),
            _ => None,
        })
    };
    // Committed as 1 and 2 by two nodes, the second of which is quicker to publish.
    two.bus.publish(&[event(10, 2)]);
    assert_eq!(behind(&two, 10), 0);
    one.bus.publish(&[event(10, 1)]);
    one.ear.places(1);
    two.bus.begin(scope(10), 0, false);
    two.bus.publish(&[event(10, 1), event(10, 2)]);
    assert_eq!(one.ear.places(2), [(10, 1), (10, 2)]);
    // A log that has gone on for long, of which Redis knows nothing any more.
    two.bus.publish(&[event(11, 72)]);
    assert_eq!(behind(&two, 11), 0);
    two.bus.begin(scope(11), 70, false);
    two.bus.publish(&[event(11, 71), event(11, 72)]);
    one.ear.places(4);
    // Who says so later changes nothing.
    one.bus.begin(scope(11), 71, false);
    one.bus.begin(scope(11), 60, true);
    one.bus
        .publish(&[event(11, 71), event(11, 72), event(11, 73)]);
    let heard = one.ear.places(5);
    assert_eq!(heard[2..], [(11, 71), (11, 72), (11, 73)]);
}

#[test]
fn an_interest_registered_under_load_misses_nothing_after_it() {
    let redis = Redis::start(&[]);
    let publisher = Node::start(redis.config("publisher"));
    let mut reader = Node::start(redis.config("reader"));
    reader.follow(1, &[]);
    let last = std::thread::scope(|threads| {
        let bus = &publisher.bus;
        let sent = threads.spawn(move || {
            for seq in 1..=2_000 {
                for id in 1..=20 {
                    bus.publish(&[event(id, seq)]);
                }
            }
            2_000
        });
        for id in 1..=20 {
            assert!(reader.register(1, &[id]));
        }
        sent.join().expect("the publisher")
    });
    let mut seen = std::collections::HashMap::<u64, u64>::new();
    let mut count = 0;
    while seen.len() < 20 || seen.values().any(|&seq| seq < last) {
        let places = reader.ear.places(count + 1);
        for &(id, seq) in &places[count..] {
            if let Some(before) = seen.insert(id, seq) {
                assert_eq!(seq, before + 1, "scope {id}");
            }
        }
        count = places.len();
    }
}

#[test]
fn the_interest_of_a_node_that_is_gone_is_cleaned_by_the_next_event() {
    let redis = Redis::start(&[]);
    let mut gone = Node::start(redis.config("gone"));
    let mut stays = Node::start(redis.config("stays"));
    gone.follow(1, &[10]);
    stays.follow(1, &[10]);
    drop(gone);
    let mut link = redis.connect();
    let names = Names::new("tocsin", 1);
    let inbox = names.inboxes(0) + "gone.1";
    let () = link.del(&inbox).expect("its time is over");
    stays.bus.publish(&[event(10, 1), event(10, 2)]);
    stays.ear.places(2);
    let interested: Vec<String> = link.smembers(names.interest(0, scope(10))).expect("a set");
    assert_eq!(interested, ["stays.1"]);
    assert!(!link.exists::<_, bool>(&inbox).expect("an answer"));
}

#[test]
fn a_direct_message_reaches_each_node_that_has_one_of_its_people_once() {
    let redis = Redis::start(&[]);
    let mut nodes: Vec<Node> = ["one", "two", "three"]
        .iter()
        .map(|name| {
            let mut config = redis.config(name);
            config.partitions = 4;
            Node::start(config)
        })
        .collect();
    for (node, users) in nodes.iter_mut().zip([vec![1, 2], vec![2], vec![3]]) {
        node.ear.opened(1);
        let scopes = users.iter().map(|&id| Scope { kind: 3, id }).collect();
        assert!(node.register_scopes(1, scopes));
        node.bus.go_on(1);
    }
    let direct = |channel: u64, users: &[u64]| {
        let mut event = event(channel, 1);
        event.scope.kind = 2;
        event.guild = 0;
        event.users = users.to_vec();
        event
    };
    nodes[2]
        .bus
        .publish(&[direct(50, &[1, 2]), direct(51, &[2, 3]), direct(52, &[3])]);
    let mut first = nodes[0].ear.places(2);
    first.sort_unstable();
    assert_eq!(first, [(50, 1), (51, 1)]);
    assert_eq!(nodes[1].ear.places(2).len(), 2);
    assert_eq!(nodes[2].ear.places(2).len(), 2);
}
