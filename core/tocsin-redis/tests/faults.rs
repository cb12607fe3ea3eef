//! A bus whose Redis is killed, emptied, trimmed or full: nothing is lost silently, and what is sent again comes once.

mod support;

use std::sync::Arc;
use std::time::Duration;

use redis::{Commands, cmd};
use support::{Ear, Node, Redis, event, scope};
use tocsin_redis::{Bus, BusError, Names, Note, Why};

fn inbox(name: &str) -> String {
    Names::new("tocsin", 1).inboxes(0) + name
}

#[test]
fn what_is_published_while_redis_is_away_comes_when_it_is_back() {
    let mut redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut one = Node::start(redis.config("one"));
    assert_eq!(one.ear.opened(1), Why::First);
    one.follow(1, &[10]);
    one.bus.publish(&[event(10, 1)]);
    one.ear.places(1);
    redis.kill();
    one.bus.publish(&[event(10, 2), event(10, 0), event(10, 3)]);
    one.ear
        .note(|note| matches!(note, Note::Away(_)).then_some(()));
    redis.restart();
    assert_eq!(one.ear.opened(2), Why::Restart);
    // Its inbox is new, so the outbox is asked for what the old one may have held: here it is the publisher's queue.
    assert!(one.register(2, &[10]));
    one.bus.go_on(2);
    one.bus.publish(&[event(10, 2), event(10, 3), event(10, 4)]);
    let mut places: Vec<_> = one.ear.places(2).into_iter().map(|place| place.1).collect();
    while places.last() != Some(&4) {
        places = one
            .ear
            .places(places.len() + 1)
            .into_iter()
            .map(|place| place.1)
            .collect();
    }
    // 2 and 3 were published before or after the registration, as it happened; never twice, never out of order.
    assert!(
        [&[1, 2, 3, 4][..], &[1, 4], &[1, 3, 4]].contains(&places.as_slice()),
        "{places:?}"
    );
    one.ear.note(|note| (*note == Note::Back).then_some(()));
}

#[test]
fn a_redis_that_lost_everything_is_noticed_and_used_again() {
    let mut redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    one.follow(1, &[10]);
    one.bus.publish(&[event(10, 1), event(10, 2)]);
    one.ear.places(2);
    // Answered after those two, which else may be sent again, and give the new Redis its watermark.
    assert!(one.register(1, &[]));
    redis.kill();
    redis.restart();
    assert_eq!(one.ear.opened(2), Why::Restart);
    one.follow(2, &[10]);
    one.bus.publish(&[event(10, 3)]);
    // Nobody knows what else was committed: the outbox is asked, which has nothing older.
    one.ear.note(|note| match note {
        Note::Behind { watermark: 0, .. } => Some(()),
        _ => None,
    });
    one.bus.begin(scope(10), 2, false);
    one.bus.publish(&[event(10, 3)]);
    assert_eq!(one.ear.places(3)[2], (10, 3));
}

#[test]
fn entries_trimmed_before_they_are_read_end_the_incarnation() {
    let redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    let other = Node::start(redis.config("two"));
    one.ear.opened(1);
    assert!(one.register(1, &[10]));
    let events: Vec<_> = (1..=50).map(|seq| event(10, seq)).collect();
    other.bus.publish(&events);
    let mut link = redis.connect();
    let length = |link: &mut redis::Connection| -> u64 {
        let length = cmd("XLEN").arg(inbox("one.1")).query(link);
        length.expect("a length")
    };
    while length(&mut link) < 51 {
        std::thread::yield_now();
    }
    let () = cmd("XTRIM")
        .arg(inbox("one.1"))
        .arg("MAXLEN")
        .arg(10)
        .query(&mut link)
        .expect("a trim");
    one.bus.go_on(1);
    assert_eq!(one.ear.opened(2), Why::Gap);
    one.follow(2, &[10]);
    other.bus.publish(&[event(10, 51)]);
    assert_eq!(one.ear.places(1), [(10, 51)]);
}

#[test]
fn a_node_whose_inbox_is_gone_begins_anew_and_its_registrations_fail_meanwhile() {
    let redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    one.follow(1, &[10]);
    let () = redis.connect().del(inbox("one.1")).expect("a deletion");
    assert!(!one.register(1, &[11]));
    assert_eq!(one.ear.opened(2), Why::Expired);
    one.follow(2, &[10]);
    one.bus.publish(&[event(10, 1)]);
    assert_eq!(one.ear.places(1), [(10, 1)]);
}

#[test]
fn a_node_that_did_not_touch_its_inbox_in_time_says_nothing_of_it_any_more() {
    let redis = Redis::start(&[]);
    let mut config = redis.config("one");
    // As if it had been frozen: its time is over before it is asked.
    config.inbox_ttl = Duration::from_millis(1);
    let one = Node::start(config);
    one.ear.opened(1);
    one.bus.go_on(1);
    assert_eq!(one.ear.opened(2), Why::Expired);
    assert!(one.ear.events(0).is_empty());
}

#[test]
fn an_inbox_outlives_its_node_for_as_long_as_it_was_told() {
    let redis = Redis::start(&[]);
    let mut config = redis.config("one");
    config.inbox_ttl = Duration::from_secs(1_000);
    let mut one = Node::start(config);
    one.follow(1, &[10]);
    drop(one);
    let left: i64 = redis.connect().pttl(inbox("one.1")).expect("a time");
    assert!((1..=1_000_000).contains(&left), "{left}");
}

/// How many octets Redis may use; 0 is no limit.
fn set_room(redis: &Redis, octets: &str) {
    let () = cmd("CONFIG")
        .arg(&["SET", "maxmemory", octets])
        .query(&mut redis.connect())
        .expect("a setting");
}

#[test]
fn a_full_redis_takes_the_events_once_there_is_room() {
    let redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    one.follow(1, &[10]);
    set_room(&redis, "1");
    one.bus.publish(&[event(10, 1), event(10, 2)]);
    one.ear
        .note(|note| matches!(note, Note::Away(_)).then_some(()));
    set_room(&redis, "0");
    assert_eq!(one.ear.places(2), [(10, 1), (10, 2)]);
}

#[test]
fn a_node_with_nothing_to_say_notices_that_a_full_redis_has_room_again() {
    let redis = Redis::start(&[]);
    let mut one = Node::start(redis.config("one"));
    one.follow(1, &[10]);
    set_room(&redis, "1");
    // Ephemeral: it is given up, and nothing is left to try again with.
    one.bus.publish(&[event(10, 0)]);
    let why = one.ear.note(|note| match note {
        Note::Away(why) => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("OOM"), "{why}");
    set_room(&redis, "0");
    one.ear.note(|note| (*note == Note::Back).then_some(()));
    let figure = |name| {
        let all = one.bus.figures().all();
        all.iter().find(|each| each.0 == name).expect("a figure").2
    };
    assert!(figure("full") >= 1);
    one.bus.publish(&[event(10, 1)]);
    assert_eq!(one.ear.places(1), [(10, 1)]);
}

#[test]
fn what_finds_no_room_while_redis_is_away_is_named_when_it_is_back() {
    let mut redis = Redis::start(&[]);
    let mut config = redis.config("one");
    config.queue_max_bytes = 60;
    let one = Node::start(config);
    one.ear.opened(1);
    redis.kill();
    one.bus
        .publish(&[event(10, 1), event(10, 2), event(11, 1), event(12, 0)]);
    redis.restart();
    let mut behind = vec![];
    for id in [10, 11] {
        one.ear.note(|note| match note {
            Note::Behind { scope: found, .. } if *found == scope(id) => {
                behind.push(id);
                Some(())
            }
            _ => None,
        });
    }
    assert_eq!(one.bus.waiting().1, 1);
}

#[test]
fn a_redis_that_evicts_is_refused() {
    let redis = Redis::start(&["--maxmemory-policy", "allkeys-lru"]);
    let refused = Bus::start(redis.config("one"), Arc::new(Ear::default()));
    assert!(matches!(refused, Err(BusError::Evicts(policy)) if policy == "allkeys-lru"));
}
