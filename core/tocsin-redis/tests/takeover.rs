//! Sessions of a node that is gone, or is not: found in its journal, taken once, with what came to its inbox since.

mod support;

use bytes::Bytes;
use support::{Node, Redis, event, scope};
use tocsin_bus::journal::{JournalSink, Position, SessionRecord, Writer};
use tocsin_bus::{Doubt, Found, Missed, SessionId};
use tocsin_redis::{BusConfig, Inheritance, Note};

const TAG: [u8; 4] = [1, 2, 3, 4];

fn id(last: u8) -> SessionId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&TAG);
    id[15] = last;
    SessionId(id)
}

fn record(slot: u32, last: u8) -> SessionRecord {
    SessionRecord {
        slot,
        id: id(last),
        user_id: 77,
        bot: true,
        intents: 512,
        compress: false,
        shard: None,
        token_digest: [last; 32],
        seq: 5,
        memo: Bytes::from_static(b"memo"),
    }
}

fn config(redis: &Redis, node: &str, tag: [u8; 4]) -> BusConfig {
    let mut config = redis.config(node);
    config.tag = tag;
    config
}

/// A worker's part of a node, in a few lines.
struct Worker {
    journal: Box<dyn JournalSink>,
    epoch: u64,
    writer: Writer,
}

impl Worker {
    fn of(node: &Node) -> Self {
        let (journal, epoch) = node.ear.journal();
        let writer = Writer::default();
        Self {
            journal,
            epoch,
            writer,
        }
    }

    fn given(&mut self, seq: u64, slots: &mut [u32]) {
        let place = Some((scope(10), seq));
        let body = format!("{{\"id\":\"{seq}\"}}");
        self.writer
            .given("MESSAGE_CREATE", Some(body.as_bytes()), None, place, slots);
    }

    fn write(&mut self, snapshot: bool, position: &Position) {
        let entry = self.writer.take(self.epoch, snapshot, position);
        assert!(self.journal.append(&entry, 0));
    }
}

/// Two scopes of different partitions, of four.
fn apart() -> (u64, u64) {
    let one = 10;
    let two = (11..).find(|&id| scope(id).partition(4) != scope(one).partition(4));
    (one, two.expect("some scope is elsewhere"))
}

/// A node whose journal has session 1, the other one, and where the first one's inbox was.
fn two(redis: &Redis) -> (Node, Node, Worker, Position) {
    let mut old = Node::start(config(redis, "old", TAG));
    let mut heir = Node::start(config(redis, "heir", [9; 4]));
    old.follow(1, &[10]);
    heir.follow(1, &[10]);
    let mut worker = Worker::of(&old);
    worker.writer.begin(&record(0, 1));
    let position = old.ear.position(1);
    worker.write(true, &position);
    (old, heir, worker, position)
}

/// The parts of one takeover: with how many events had been heard before each.
fn parts(node: &Node, first: usize) -> Vec<(usize, Inheritance)> {
    let mut parts: Vec<_> = (first..first + 4)
        .map(|number| node.ear.inherited(number))
        .collect();
    parts.sort_by_key(|(_, part)| part.partition);
    let partitions: Vec<_> = parts.iter().map(|(_, part)| part.partition).collect();
    assert_eq!(partitions, [0, 1, 2, 3]);
    parts
}

fn find(node: &Node, ticket: u64, last: u8, seq: u64) -> Option<Found> {
    node.bus.find(ticket, id(last), [last; 32], seq);
    node.ear.note(|note| match note {
        Note::Found {
            ticket: answered,
            found,
        } if *answered == ticket => Some(found.clone().ok()),
        _ => None,
    })
}

fn not_taken(node: &Node, session: u64) -> Doubt {
    node.ear.note(|note| match note {
        Note::NotTaken {
            session: said,
            doubt,
        } if *said == session => Some(*doubt),
        _ => None,
    })
}

#[test]
fn a_session_is_taken_with_what_its_client_missed_and_what_was_not_given_yet() {
    let redis = Redis::start(&[]);
    let (old, heir, mut worker, _) = two(&redis);
    heir.bus.publish(&[event(10, 1), event(10, 2)]);
    old.ear.places(2);
    worker.given(1, &mut [0, 8]);
    worker.given(2, &mut [0]);
    worker.write(false, &old.ear.position(3));
    // Given to it by a worker that died before it had said so, and not given at all.
    heir.bus.publish(&[event(10, 3), event(10, 4)]);
    old.ear.places(4);

    assert_eq!(find(&heir, 1, 2, 5), None, "no such session");
    assert_eq!(
        find(&heir, 2, 1, 8),
        None,
        "its client cannot have that much"
    );
    let found = find(&heir, 3, 1, 6).expect("the session");
    assert_eq!((found.user_id, &found.memo[..]), (77, &b"memo"[..]));
    heir.bus.take(3, 4_000, 0);
    let (before, inheritance) = heir.ear.inherited(0);
    heir.bus.publish(&[event(10, 5)]);
    assert_eq!(
        before, 4,
        "this node's own inbox has those before the place too"
    );
    assert_eq!(inheritance.tail, [event(10, 3), event(10, 4)]);
    let heir_of = &inheritance.heirs[0];
    assert_eq!(heir_of.session, 4_000);
    let missed = Missed {
        name: "MESSAGE_CREATE".into(),
        body: Bytes::from_static(b"{\"id\":\"2\"}"),
        gate: None,
    };
    assert_eq!(heir_of.missed[..], [missed]);
    assert!(heir_of.known.is_empty(), "what it had is not in the tail");
    assert_eq!(heir.ear.places(5)[4], (10, 5));
    assert_eq!(old.ear.fenced(), id(1), "it lives, and is told");
}

#[test]
fn a_session_is_taken_by_one_only_and_found_with_its_new_owner() {
    let redis = Redis::start(&[]);
    let mut old = Node::start(config(&redis, "old", TAG));
    let mut one = Node::start(config(&redis, "one", [5; 4]));
    let mut two = Node::start(config(&redis, "two", [6; 4]));
    for node in [&mut old, &mut one, &mut two] {
        node.follow(1, &[10]);
    }
    let mut worker = Worker::of(&old);
    worker.writer.begin(&record(0, 1));
    worker.write(true, &old.ear.position(1));
    assert!(find(&one, 1, 1, 5).is_some() && find(&two, 1, 1, 5).is_some());
    one.bus.take(1, 100, 0);
    one.ear.inherited(0);
    two.bus.take(1, 200, 0);
    not_taken(&two, 200);
    // Its new owner's journal is where it is looked for now, if its client has more than it had then.
    assert_eq!(find(&two, 2, 1, 6), None);
    let mut worker = Worker::of(&one);
    worker.writer.begin(&record(7, 1));
    worker.write(true, &one.ear.position(1));
    assert!(find(&two, 3, 1, 5).is_some());
    two.bus.take(3, 201, 0);
    two.ear.inherited(0);
    assert_eq!(one.ear.fenced(), id(1));
}

#[test]
fn a_session_whose_heir_never_had_it_is_taken_from_who_had_it_before() {
    let redis = Redis::start(&[]);
    let (old, one, mut worker, _) = two(&redis);
    let mut two = Node::start(config(&redis, "two", [6; 4]));
    two.follow(1, &[10]);
    let mut of_one = Worker::of(&one);
    of_one.write(true, &one.ear.position(1));
    one.bus.publish(&[event(10, 1)]);
    old.ear.places(1);
    worker.given(1, &mut [0]);
    worker.write(false, &old.ear.position(2));
    assert!(find(&one, 1, 1, 6).is_some());
    one.bus.take(1, 100, 0);
    one.ear.inherited(0);
    assert_eq!(old.ear.fenced(), id(1));
    one.bus.publish(&[event(10, 2)]);

    assert_eq!(find(&two, 1, 1, 5), None, "its client had more than that");
    assert!(find(&two, 2, 1, 6).is_some());
    two.bus.take(2, 200, 0);
    let (_, inheritance) = two.ear.inherited(0);
    assert_eq!(inheritance.heirs[0].session, 200);
    assert_eq!(inheritance.tail, [event(10, 2)]);
    assert_eq!(one.ear.fenced(), id(1), "should it be alive, it is told");
    // One that had it and says that it has ended is believed.
    let mut of_two = Worker::of(&two);
    of_two.writer.begin(&record(3, 1));
    of_two.writer.end(3);
    of_two.write(true, &two.ear.position(1));
    assert_eq!(find(&one, 2, 1, 6), None);
}

#[test]
fn of_sessions_that_are_taken_together_those_of_others_are_left() {
    let redis = Redis::start(&[]);
    let (_old, one, mut worker, position) = two(&redis);
    let mut two = Node::start(config(&redis, "two", [6; 4]));
    two.follow(1, &[10]);
    worker.writer.begin(&record(1, 2));
    worker.write(false, &position);
    for last in [1, 2] {
        assert!(find(&one, last.into(), last, 5).is_some());
    }
    assert!(find(&two, 1, 1, 5).is_some());
    two.bus.take(1, 200, 0);
    two.ear.inherited(0);
    one.bus.take(1, 101, 0);
    one.bus.take(2, 102, 0);
    let (_, inheritance) = one.ear.inherited(0);
    assert_eq!(inheritance.heirs.len(), 1);
    assert_eq!(inheritance.heirs[0].session, 102);
    not_taken(&one, 101);
}

#[test]
fn what_was_trimmed_from_the_inbox_makes_no_heir() {
    let redis = Redis::start(&[]);
    let (old, heir, _worker, position) = two(&redis);
    heir.bus
        .publish(&[event(10, 1), event(10, 2), event(10, 3)]);
    old.ear.places(3);
    assert!(find(&heir, 1, 1, 5).is_some());
    redis::cmd("XDEL")
        .arg(&*position.inbox)
        .arg("1-3")
        .exec(&mut redis.connect())
        .expect("it was there");
    heir.bus.take(1, 100, 0);
    not_taken(&heir, 100);
}

#[test]
fn without_its_inbox_a_node_has_no_heir() {
    let redis = Redis::start(&[]);
    let (_old, heir, _worker, position) = two(&redis);
    assert!(find(&heir, 1, 1, 5).is_some());
    redis::cmd("DEL")
        .arg(&*position.inbox)
        .exec(&mut redis.connect())
        .expect("it was there");
    heir.bus.take(1, 100, 0);
    not_taken(&heir, 100);
}

/// Two nodes with four partitions, and a session that had the first event of a scope.
fn over_four(redis: &Redis) -> (Node, Node, Worker) {
    let (one, two) = apart();
    let four = |node, tag| {
        let mut config = config(redis, node, tag);
        config.partitions = 4;
        config
    };
    let mut old = Node::start(four("old", TAG));
    let mut heir = Node::start(four("heir", [9; 4]));
    old.follow(1, &[one, two]);
    heir.follow(1, &[one, two]);
    let mut worker = Worker::of(&old);
    worker.writer.begin(&record(0, 1));
    worker.write(true, &old.ear.position(4));
    heir.bus.publish(&[event(one, 1)]);
    old.ear.places(1);
    worker.given(1, &mut [0]);
    worker.write(false, &old.ear.position(5));
    (old, heir, worker)
}

#[test]
fn of_several_partitions_each_has_its_part_of_a_session() {
    let redis = Redis::start(&[]);
    let (one, two) = apart();
    let (old, heir, _worker) = over_four(&redis);
    heir.bus
        .publish(&[event(one, 2), event(two, 1), event(one, 3)]);
    old.ear.places(4);
    heir.ear.places(4);
    assert!(find(&heir, 1, 1, 5).is_some());
    heir.bus.take(1, 4_000, 0);
    let parts = parts(&heir, 0);
    heir.bus.publish(&[event(two, 2), event(one, 4)]);
    heir.ear.places(6);
    for (partition, (before, part)) in (0..).zip(&parts) {
        assert_eq!(*before, 4, "what came before each mark was heard");
        assert_eq!((part.partitions, part.heirs.len()), (4, 1));
        let heir = &part.heirs[0];
        assert_eq!((heir.session, heir.missed.len()), (4_000, 1));
        let mut tail = Vec::new();
        if partition == scope(one).partition(4) {
            tail.extend([event(one, 2), event(one, 3)]);
        }
        if partition == scope(two).partition(4) {
            tail.push(event(two, 1));
        }
        assert_eq!(part.tail, tail);
        assert!(heir.known.is_empty());
    }
    old.ear.places(6);
    assert_eq!(old.ear.fenced(), id(1));
    let figures = old.bus.figures().all();
    let fenced = figures.iter().find(|figure| figure.0 == "fenced");
    assert_eq!(fenced.expect("a figure").2, 1, "once");
}

#[test]
fn where_one_of_several_inboxes_is_gone_or_has_a_hole_there_is_no_heir() {
    let (one, two) = apart();
    for gone in [true, false] {
        let redis = Redis::start(&[]);
        let (old, heir, _worker) = over_four(&redis);
        heir.bus
            .publish(&[event(two, 1), event(two, 2), event(one, 2)]);
        old.ear.places(4);
        assert!(find(&heir, 1, 1, 5).is_some());
        let inbox = format!("{{tocsin:{}}}:inbox:old.1", scope(two).partition(4));
        let mut command = redis::cmd(if gone { "DEL" } else { "XDEL" });
        command.arg(inbox);
        if !gone {
            command.arg("1-2");
        }
        command.exec(&mut redis.connect()).expect("it was there");
        heir.bus.take(1, 100, 0);
        assert_eq!(not_taken(&heir, 100), Doubt::Place);
    }
}

#[test]
fn what_another_redis_numbered_is_no_place() {
    let redis = Redis::start(&[]);
    let (old, heir, mut worker, _) = two(&redis);
    let mut position = old.ear.position(1);
    position.redis ^= 1;
    worker.write(false, &position);
    assert!(find(&heir, 1, 1, 5).is_some());
    heir.bus.take(1, 100, 0);
    assert_eq!(not_taken(&heir, 100), Doubt::Place);
    // Nobody became its owner.
    worker.write(false, &old.ear.position(1));
    assert!(find(&heir, 2, 1, 5).is_some());
    heir.bus.take(2, 101, 0);
    assert_eq!(heir.ear.inherited(0).1.heirs[0].session, 101);
}
