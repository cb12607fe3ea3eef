//! Sessions of another node go on here: what the policy said before they came, says yet, or said to them there.

mod support;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::json;
use support::{ALL, CHANNEL, COHORT, Client, GUILD, Rig, envelope};
use tocsin_bus::Heir;
use tocsin_bus::journal::{Item, JournalSink, read};
use tocsin_gateway::command::{Adopt, Command, Dispatch, Effect, Target};
use tocsin_gateway::{
    Door, Envelope, GatewayConfig, HostRequest, Inheritance, Position, Scope, SessionKey,
    token_digest,
};

const SCOPE: Scope = Scope { kind: 1, id: GUILD };
/// The last `s` that the client of a session of another node has.
const HAD: u64 = 5;
const USER: u64 = 9;

struct Stage {
    rig: Rig,
    door: Door,
    /// Where those who come hold no permission that matters.
    powerless: Vec<u64>,
}

impl Stage {
    /// A node with one session in the guild.
    fn new() -> (Self, Client) {
        let rig = Rig::start(GatewayConfig {
            session_tag: Some([7; 4]),
            ..GatewayConfig::default()
        });
        let (client, _) = rig.session("user-7");
        let door = rig.gateway.door().expect("running");
        let powerless = Vec::new();
        (
            Self {
                rig,
                door,
                powerless,
            },
            client,
        )
    }

    /// Events come by the inbox.
    fn arrive(&self, events: &[&Envelope]) {
        let events = events.iter().map(|&each| each.clone()).collect();
        self.door.publish(events, Position::default());
    }

    fn ticket(&self) -> u64 {
        loop {
            if let HostRequest::Policy { ticket, .. } = self.rig.request() {
                return ticket;
            }
        }
    }

    /// The policy says this of the event that it is asked about.
    fn decide(&self, said: Vec<Dispatch>, effect: Option<Effect>) {
        self.answer(self.ticket(), said, effect);
    }

    fn answer(&self, ticket: u64, said: Vec<Dispatch>, effect: Option<Effect>) {
        let said = said
            .into_iter()
            .map(|each| Command::Dispatch(Box::new(each)));
        let mut commands = vec![Command::Decide { ticket }];
        commands.extend(said);
        commands.push(Command::Resolve { ticket, effect });
        self.rig.submit(commands);
    }

    /// A client resumes a session of another node, which gets its place here.
    fn adopt(&self, intents: u64, cohort: u32) -> (Client, SessionKey) {
        let mut client = self.rig.connect();
        client.resume("user-9", &"ab".repeat(16), HAD);
        let session = loop {
            if let HostRequest::Claim { session, .. } = self.rig.request() {
                break session;
            }
        };
        self.rig.submit(vec![Command::Adopt(Box::new(Adopt {
            session,
            user_id: USER,
            bot: true,
            intents,
            shard: None,
            token_digest: token_digest("user-9"),
            compress: false,
            memo: Bytes::new(),
            seq: HAD,
            guilds: vec![(GUILD, cohort)],
            powerless: self.powerless.clone(),
        }))]);
        (client, session)
    }

    /// The mark: what its node may not have given it, and the places of what it had.
    fn inherit(&self, session: SessionKey, tail: &[&Envelope], known: &[u64]) {
        let known: HashSet<_> = known.iter().map(|&seq| (SCOPE, seq)).collect();
        self.door.order(Command::Inherit(Box::new(Inheritance {
            partition: 0,
            partitions: 1,
            heirs: vec![Heir {
                session: session.as_u64(),
                known,
                ..Heir::default()
            }],
            tail: tail.iter().map(|&each| each.clone()).collect(),
        })));
    }

    /// Of a plain session in the guild's first cohort.
    fn take_over(&self, tail: &[&Envelope], known: &[u64]) -> Client {
        let (client, session) = self.adopt(ALL, COHORT);
        self.inherit(session, tail, known);
        client
    }
}

/// One that changes who sees what.
fn state(seq: u64) -> Envelope {
    named("GUILD_ROLE_UPDATE", seq)
}

fn named(name: &str, seq: u64) -> Envelope {
    let mut event = envelope(name, seq, &json!({ "n": seq }));
    (event.state, event.channel, event.gated, event.author) = (true, 0, false, 0);
    event
}

fn said_in(seq: u64) -> Envelope {
    envelope(
        "MESSAGE_CREATE",
        seq,
        &json!({ "content": seq.to_string() }),
    )
}

fn dispatch(seq: u64, target: Target) -> Dispatch {
    let body = json!({ "n": seq }).to_string();
    support::dispatch("GUILD_MEMBER_ADD", body.into(), target, GUILD)
}

fn to_guild(seq: u64) -> Vec<Dispatch> {
    vec![dispatch(seq, Target::Guild(GUILD))]
}

/// Its client is given these, in order, and goes on.
fn goes_on(client: &mut Client, given: &[&str]) {
    let mut s = HAD;
    for each in given {
        s += 1;
        let name = if each.starts_with('m') {
            "MESSAGE_CREATE"
        } else {
            "GUILD_MEMBER_ADD"
        };
        let d = client.dispatch(name, s);
        let found = match name {
            "MESSAGE_CREATE" => format!("m{}", d["content"].as_str().expect("text")),
            _ => format!("e{}", d["n"]),
        };
        assert_eq!(found, *each);
    }
    client.dispatch("RESUMED", s + 1);
}

#[test]
fn what_was_decided_before_it_came_is_told_again_in_its_place() {
    let (stage, _client) = Stage::new();
    let tail = [said_in(1), state(2), said_in(3), state(4)];
    let tail = tail.each_ref();
    stage.arrive(&tail);
    stage.decide(to_guild(2), Some(Effect::default()));
    stage.decide(to_guild(4), Some(Effect::default()));
    let mut client = stage.take_over(&tail, &[]);
    goes_on(&mut client, &["m1", "e2", "m3", "e4"]);
}

#[test]
fn what_it_had_where_it_was_and_all_before_that_is_not_told_again() {
    let (stage, _client) = Stage::new();
    let tail = [said_in(1), state(2), said_in(3), state(4), said_in(5)];
    let tail = tail.each_ref();
    stage.arrive(&tail);
    stage.decide(to_guild(2), Some(Effect::default()));
    // Nobody vouches for this one: that it had it is enough.
    stage.decide(to_guild(4), None);
    let mut client = stage.take_over(&tail, &[2, 4]);
    goes_on(&mut client, &["m5"]);
}

#[test]
fn without_a_word_of_it_that_holds_for_the_session_its_client_begins_anew() {
    let own = Effect {
        users: vec![3, USER],
        ..Effect::default()
    };
    for effect in [None, Some(own)] {
        let (stage, _client) = Stage::new();
        let event = state(1);
        stage.arrive(&[&event]);
        stage.decide(to_guild(1), effect);
        let mut client = stage.take_over(&[&event], &[]);
        assert_eq!(client.op(9), json!(false));
    }
    // It never came here.
    let (stage, _client) = Stage::new();
    let mut client = stage.take_over(&[&state(1)], &[]);
    assert_eq!(client.op(9), json!(false));
    // It came, and nothing was said of it.
    let (stage, _client) = Stage::new();
    stage.arrive(&[&state(1)]);
    let ticket = stage.ticket();
    stage.rig.submit(vec![Command::Resolve {
        ticket,
        effect: Some(Effect::default()),
    }]);
    let mut client = stage.take_over(&[&state(1)], &[]);
    assert_eq!(client.op(9), json!(false));
}

#[test]
fn what_was_for_some_cohorts_is_told_to_those_and_is_uncertain_for_one_that_came_later() {
    let chosen = |cohorts: &[u32]| Effect {
        by_cohort: true,
        cohorts: cohorts.to_vec(),
        ..Effect::default()
    };
    let (guilds, moderation) = (1, 1 << 2);
    let (ban, role) = ("GUILD_BAN_ADD", "GUILD_ROLE_UPDATE");
    for (name, effect, intents, cohort, outcome) in [
        (ban, chosen(&[]), ALL, COHORT, Some("e1")),
        (ban, chosen(&[]), ALL, COHORT + 1, Some("")),
        (ban, chosen(&[]), ALL, COHORT + 9, None),
        (ban, chosen(&[]), ALL & !moderation, COHORT + 9, Some("")),
        (role, chosen(&[COHORT + 1]), ALL, COHORT, Some("e1")),
        (role, chosen(&[COHORT]), ALL, COHORT, None),
        (role, chosen(&[COHORT]), ALL & !guilds, COHORT, None),
        // Nobody's here: its own may have.
        (role, chosen(&[]), ALL & !guilds, COHORT + 9, None),
    ] {
        let (stage, _client) = Stage::new();
        stage.rig.submit(vec![Command::SetChannel {
            guild: GUILD,
            channel: CHANNEL,
            cohorts: vec![COHORT, COHORT + 1],
        }]);
        let event = named(name, 1);
        stage.arrive(&[&event]);
        let said = vec![dispatch(1, Target::Cohorts(vec![COHORT]))];
        stage.decide(said, Some(effect));
        let (mut client, session) = stage.adopt(intents, cohort);
        stage.inherit(session, &[&event], &[]);
        match outcome {
            None => assert_eq!(client.op(9), json!(false)),
            Some("") => goes_on(&mut client, &[]),
            Some(given) => goes_on(&mut client, &[given]),
        }
    }
}

#[test]
fn what_the_policy_looks_at_yet_comes_to_it_as_to_others_and_before_what_follows() {
    let (stage, mut other) = Stage::new();
    let (first, second) = (state(1), said_in(2));
    stage.arrive(&[&first, &second]);
    let ticket = stage.ticket();
    let mut client = stage.take_over(&[&first, &second], &[]);
    stage.arrive(&[&said_in(3)]);
    // Whoever vouches for it: it is there when that is said.
    stage.answer(ticket, to_guild(1), None);
    goes_on(&mut client, &["e1", "m2", "m3"]);
    other.dispatch("GUILD_MEMBER_ADD", 3);
    other.dispatch("MESSAGE_CREATE", 4);
    stage.arrive(&[&said_in(4)]);
    client.dispatch("MESSAGE_CREATE", HAD + 5);
}

#[test]
fn what_is_undecided_here_and_it_had_or_was_done_with_there_is_not_told_to_it() {
    for known in [[2].as_slice(), &[]] {
        let (stage, mut other) = Stage::new();
        let events = [state(1), said_in(2), said_in(3)];
        stage.arrive(&events.each_ref());
        let ticket = stage.ticket();
        // Either it had the second; or its node had given it what was its own of both, and its inbox goes on after them.
        let tail: &[&Envelope] = match known {
            [] => &[&events[2]],
            _ => &[&events[0], &events[1], &events[2]],
        };
        let mut client = stage.take_over(tail, known);
        stage.answer(ticket, to_guild(1), Some(Effect::default()));
        goes_on(&mut client, &["m3"]);
        other.dispatch("GUILD_MEMBER_ADD", 3);
    }
}

#[test]
fn what_changes_nobodys_sight_is_told_though_nothing_was_said_of_it_here() {
    let of = |name, exclude_user| Envelope {
        exclude_user,
        ..named(name, 1)
    };
    let member = |exclude_user| of("GUILD_MEMBER_ADD", exclude_user);
    let (members, moderation) = (1 << 1, 1 << 2);
    for (event, intents, outcome) in [
        (member(3), ALL, Some(["e1"].as_slice())),
        (member(3), ALL & !members, Some(&[])),
        // It is in the guild: so it had these.
        (member(USER), ALL, Some(&[])),
        (named("GUILD_CREATE", 1), ALL, Some(&[])),
        (of("GUILD_MEMBER_UPDATE", USER), ALL, None),
        (of("GUILD_MEMBER_REMOVE", USER), ALL, None),
        (member(0), ALL, None),
        (named("GUILD_BAN_ADD", 1), ALL, None),
        (named("GUILD_BAN_ADD", 1), ALL & !moderation, Some(&[])),
        (named("CHANNEL_UPDATE", 1), ALL, None),
    ] {
        for undecided in [false, true] {
            let (stage, _client) = Stage::new();
            let ticket = undecided.then(|| {
                stage.arrive(&[&event, &said_in(2)]);
                stage.ticket()
            });
            let (mut client, session) = stage.adopt(intents, COHORT);
            stage.inherit(session, &[&event, &said_in(2)], &[]);
            if let Some(ticket) = ticket {
                // What the guild was read from had it.
                let done = Command::Resolve {
                    ticket,
                    effect: None,
                };
                stage.rig.submit(vec![done]);
            }
            match outcome {
                None => assert_eq!(client.op(9), json!(false), "{}", event.name),
                Some(given) => goes_on(&mut client, &[given, &["m2"]].concat()),
            }
        }
    }
}

#[test]
fn who_holds_nothing_misses_nothing_of_what_goes_to_holders() {
    for (powerless, name, goes) in [
        (vec![GUILD], "GUILD_AUDIT_LOG_ENTRY_CREATE", true),
        (vec![GUILD + 1], "GUILD_AUDIT_LOG_ENTRY_CREATE", false),
        // It goes by a channel's overwrites too.
        (vec![GUILD], "INVITE_CREATE", false),
        (vec![GUILD], "GUILD_ROLE_UPDATE", false),
    ] {
        for decided in [false, true] {
            let (mut stage, _client) = Stage::new();
            stage.powerless.clone_from(&powerless);
            let event = named(name, 1);
            if decided {
                stage.arrive(&[&event]);
                let chosen = Effect {
                    by_cohort: true,
                    ..Effect::default()
                };
                stage.decide(
                    vec![dispatch(1, Target::Cohorts(vec![COHORT]))],
                    Some(chosen),
                );
            }
            let (mut client, session) = stage.adopt(ALL, COHORT + 9);
            stage.inherit(session, &[&event, &said_in(2)], &[]);
            // Without a cohort that may view the channel it is given no message.
            if goes {
                goes_on(&mut client, &[]);
            } else {
                assert_eq!(client.op(9), json!(false), "{name}");
            }
        }
    }
}

#[test]
fn an_undecided_event_of_which_nothing_is_said_makes_its_client_begin_anew() {
    let (stage, mut other) = Stage::new();
    let event = state(1);
    stage.arrive(&[&event]);
    let ticket = stage.ticket();
    let mut client = stage.take_over(&[&event], &[]);
    stage.rig.submit(vec![Command::Resolve {
        ticket,
        effect: None,
    }]);
    assert_eq!(client.op(9), json!(false));
    stage.arrive(&[&said_in(2)]);
    other.dispatch("MESSAGE_CREATE", 3);
}

#[test]
fn an_event_that_is_never_decided_holds_the_session_until_it_is_disowned() {
    let (stage, _client) = Stage::new();
    let event = state(1);
    stage.arrive(&[&event]);
    stage.ticket();
    let (mut client, session) = stage.adopt(ALL, COHORT);
    stage.inherit(session, &[&event], &[]);
    stage.arrive(&[&said_in(2)]);
    stage.rig.submit(vec![Command::Disown { session }]);
    assert_eq!(client.op(9), json!(false));
}

/// What was written, entry by entry.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<Bytes>>>);

impl JournalSink for Written {
    fn append(&mut self, entry: &[u8], _: u64) -> bool {
        let mut written = self.0.lock().expect("unpoisoned");
        written.push(Bytes::copy_from_slice(entry));
        true
    }
}

#[test]
fn all_that_is_said_of_an_event_is_in_one_entry_of_the_journal_with_its_place() {
    let (stage, mut client) = Stage::new();
    let written = Written::default();
    for worker in 0..stage.door.workers() {
        stage.door.write_to(worker, Box::new(written.clone()), 1);
    }
    while written.0.lock().expect("unpoisoned").is_empty() {
        std::thread::yield_now();
    }
    let said = || -> Vec<_> { (0..40).flat_map(|_| to_guild(1)).collect() };
    stage.arrive(&[&state(1)]);
    stage.decide(said(), Some(Effect::default()));
    for s in 3..43 {
        client.dispatch("GUILD_MEMBER_ADD", s);
    }
    // Outside of a decision there is no place.
    stage.rig.submit(
        said()
            .into_iter()
            .map(|each| Command::Dispatch(Box::new(each)))
            .collect(),
    );
    for s in 43..83 {
        client.dispatch("GUILD_MEMBER_ADD", s);
    }
    let entries = written.0.lock().expect("unpoisoned").clone();
    let places: Vec<Vec<_>> = entries
        .iter()
        .map(|entry| {
            let items = read(entry).expect("an entry").items.into_iter();
            items
                .filter_map(|item| match item {
                    Item::Given(given) => Some(given.place),
                    _ => None,
                })
                .collect::<Vec<_>>()
        })
        .filter(|places| !places.is_empty())
        .collect();
    assert_eq!(places, [vec![Some((SCOPE, 1)); 40], vec![None; 40]]);
}
