//! Sessions of another node over several partitions: their parts come in any order, with events before, between and
//! after them, and each event is given once, in the order of its scope.

mod support;

use std::collections::{BTreeMap, HashSet, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};
use support::{ALL, Client, Rig, dispatch};
use tocsin_bus::{Heir, Missed};
use tocsin_gateway::command::{Adopt, Command, Effect, Target};
use tocsin_gateway::{
    Envelope, GatewayConfig, HostRequest, Inheritance, Position, Scope, SessionKey, token_digest,
};

const PARTITIONS: u32 = 4;
const TOKEN: &str = "user-7";
/// What the client had before anything that is told here.
const HAD: u64 = 5;

fn rig() -> Rig {
    Rig::start(GatewayConfig {
        workers: 1,
        session_tag: Some([9; 4]),
        ..GatewayConfig::default()
    })
}

fn scope(guild: u64) -> Scope {
    Scope { kind: 1, id: guild }
}

/// A cohort is of one guild.
fn cohort(guild: u64) -> u32 {
    u32::try_from(guild).expect("a small one")
}

/// A guild whose log is in the partition; another one for each round.
fn guild_in(partition: u32, round: u64) -> u64 {
    (1_000 * (round + 1)..)
        .find(|&id| scope(id).partition(PARTITIONS) == partition)
        .expect("one of many")
}

fn event(guild: u64, seq: u64) -> Envelope {
    Envelope {
        scope: scope(guild),
        seq,
        name: "MESSAGE_CREATE".to_owned(),
        body: Bytes::from(json!({ "guild": guild, "seq": seq }).to_string()),
        guild,
        channel: guild + 1,
        users: Vec::new(),
        exclude_user: 0,
        author: 1,
        mentions: Vec::new(),
        gated: false,
        state: false,
        traced: None,
    }
}

fn missed(event: &Envelope) -> Missed {
    Missed {
        name: event.name.as_str().into(),
        body: event.body.clone(),
        gate: None,
    }
}

/// A client that asks for a session of another node, which has its place here in these guilds.
fn adopted(rig: &Rig, round: u64, seq: u64, guilds: &[u64]) -> (Client, SessionKey) {
    let mut client = rig.connect();
    client.resume(TOKEN, &format!("{:032x}", round + 1), seq);
    let session = loop {
        if let HostRequest::Claim { session, .. } = rig.request() {
            break session;
        }
    };
    let mut commands: Vec<_> = guilds
        .iter()
        .map(|&guild| Command::SetChannel {
            guild,
            channel: guild + 1,
            cohorts: vec![cohort(guild)],
        })
        .collect();
    commands.push(Command::Adopt(Box::new(Adopt {
        session,
        user_id: 7,
        bot: true,
        intents: ALL,
        shard: None,
        token_digest: token_digest(TOKEN),
        compress: false,
        memo: Bytes::new(),
        seq,
        guilds: guilds.iter().map(|&guild| (guild, cohort(guild))).collect(),
        powerless: Vec::new(),
    })));
    rig.submit(commands);
    (client, session)
}

fn part(partition: u32, heir: Heir, tail: Vec<Envelope>) -> Command {
    Command::Inherit(Box::new(Inheritance {
        partition,
        partitions: PARTITIONS,
        heirs: vec![heir],
        tail,
    }))
}

fn heir(session: SessionKey, missed: &[Missed], known: HashSet<(Scope, u64)>) -> Heir {
    Heir {
        session: session.as_u64(),
        missed: missed.into(),
        known,
    }
}

struct Dice(u64);

impl Dice {
    /// From 0 to `most`.
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % (most + 1)
    }

    /// All of these, each list's in its order.
    fn mixed<T>(&mut self, lists: Vec<Vec<T>>) -> Vec<T> {
        let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
        let mut mixed = Vec::new();
        loop {
            lists.retain(|list| list.len() > 0);
            let Some(last) = lists.len().checked_sub(1) else {
                return mixed;
            };
            let at = self.up_to(last as u64) as usize;
            mixed.extend(lists[at].next());
        }
    }
}

/// One in so many events of a log is for the policy, which says it again to all of the guild.
const STATES: u64 = 3;

fn is_state(seq: u64) -> bool {
    seq % STATES == 0
}

fn one_of_many(guild: u64, seq: u64) -> Envelope {
    let mut event = event(guild, seq);
    if is_state(seq) {
        (event.state, event.channel) = (true, 0);
        event.name = "GUILD_ROLE_UPDATE".to_owned();
    }
    event
}

/// The policy, which takes its time.
#[derive(Default)]
struct Policy {
    /// By guild: the ticket and event that it looks at.
    open: BTreeMap<u64, (u64, u64)>,
    /// What waits behind those.
    waiting: BTreeMap<u64, VecDeque<u64>>,
}

impl Policy {
    /// An event of a guild's log has come.
    fn came(&mut self, rig: &Rig, guild: u64, seq: u64) {
        if self.open.contains_key(&guild) {
            self.waiting.entry(guild).or_default().push_back(seq);
            return;
        }
        if !is_state(seq) {
            return;
        }
        let ticket = loop {
            if let HostRequest::Policy {
                ticket, scope_id, ..
            } = rig.request()
            {
                assert_eq!(scope_id, guild);
                break ticket;
            }
        };
        self.open.insert(guild, (ticket, seq));
    }

    /// Decides one of those that are open; `false`: there is none.
    fn decide(&mut self, rig: &Rig, dice: &mut Dice) -> bool {
        let Some(last) = self.open.len().checked_sub(1) else {
            return false;
        };
        let at = dice.up_to(last as u64) as usize;
        let guild = *self.open.keys().nth(at).expect("one of them");
        let (ticket, seq) = self.open.remove(&guild).expect("it is open");
        let said = one_of_many(guild, seq);
        rig.submit(vec![
            Command::Decide { ticket },
            Command::Dispatch(Box::new(dispatch(
                &said.name,
                said.body,
                Target::Guild(guild),
                guild,
            ))),
            Command::Resolve {
                ticket,
                effect: Some(Effect::default()),
            },
        ]);
        for seq in self.waiting.remove(&guild).unwrap_or_default() {
            self.came(rig, guild, seq);
        }
        true
    }
}

#[test]
fn whatever_the_order_of_its_parts_a_session_has_each_event_once_and_in_order() {
    const EVENTS: u64 = 8;
    let rig = rig();
    let door = rig.gateway.door().expect("running");
    let mut dice = Dice(20_261_128);
    for round in 0..200 {
        let guilds: Vec<_> = (0..3).map(|at| guild_in(at, round)).collect();
        let mut given = Vec::new();
        let mut cuts = Vec::new();
        for &guild in &guilds {
            let mark = dice.up_to(EVENTS);
            let had = dice.up_to(mark);
            let told = dice.up_to(had);
            cuts.push((mark, had, told));
            given.push((1..=had).map(|seq| one_of_many(guild, seq)).collect());
        }
        // What the other node gave, of which its client has some.
        let given = dice.mixed(given);
        let seen = dice.up_to(given.len() as u64);
        let mut expected: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for &guild in &guilds {
            let seen = given[..seen as usize]
                .iter()
                .filter(|each| each.guild == guild)
                .count() as u64;
            expected.insert(guild, (seen + 1..=EVENTS).collect());
        }
        let missed: Vec<_> = given[seen as usize..].iter().map(missed).collect();
        let (mut client, session) = adopted(&rig, round, HAD + seen, &guilds);
        let mut streams = vec![vec![part(
            3,
            heir(session, &missed, HashSet::new()),
            Vec::new(),
        )]];
        for ((partition, &guild), &(mark, had, told)) in (0..).zip(&guilds).zip(&cuts) {
            let known = (1..=had).map(|seq| (scope(guild), seq)).collect();
            let tail = (told + 1..=mark)
                .map(|seq| one_of_many(guild, seq))
                .collect();
            let said = |seq| Command::Publish(Box::new(one_of_many(guild, seq)));
            let mut stream: Vec<_> = (1..=mark).map(said).collect();
            stream.push(part(partition, heir(session, &missed, known), tail));
            stream.extend((mark + 1..=EVENTS).map(said));
            streams.push(stream);
        }
        let mut policy = Policy::default();
        for command in dice.mixed(streams) {
            match command {
                Command::Publish(event) => {
                    let (guild, seq) = (event.guild, event.seq);
                    door.publish(vec![*event], Position::default());
                    policy.came(&rig, guild, seq);
                }
                other => door.order(other),
            }
            if dice.up_to(4) == 0 {
                policy.decide(&rig, &mut dice);
            }
        }
        while policy.decide(&rig, &mut dice) {}
        let count: usize = expected.values().map(Vec::len).sum();
        let mut heard: BTreeMap<u64, Vec<u64>> =
            guilds.iter().map(|&guild| (guild, Vec::new())).collect();
        for s in (HAD + seen + 1..).take(count + 1) {
            let payload: Value = client.receive();
            assert_eq!(payload["s"], s, "{payload}");
            let d = &payload["d"];
            if payload["t"] != "RESUMED" {
                let (guild, seq) = (d["guild"].as_u64(), d["seq"].as_u64());
                let of_guild = heard.get_mut(&guild.expect("a guild"));
                of_guild.expect("its guild").push(seq.expect("a number"));
            }
        }
        assert_eq!(heard, expected, "round {round}: {cuts:?}, {seen} seen");
    }
    assert_eq!(rig.stat("panics"), 0);
}

#[test]
fn what_the_control_plane_says_of_a_guild_whose_part_is_to_come_is_not_for_the_session() {
    let rig = rig();
    let door = rig.gateway.door().expect("running");
    let guilds: Vec<_> = (0..2).map(|at| guild_in(at, 0)).collect();
    let (mut client, session) = adopted(&rig, 0, HAD, &guilds);
    let say = |guild: u64, text: &str| {
        let (body, target) = (json!(text).to_string(), Target::Sessions(vec![session]));
        let said = dispatch("CHANNEL_UPDATE", body.into(), target, guild);
        rig.submit(vec![Command::Dispatch(Box::new(said))]);
    };
    let come = |partition| {
        door.order(part(
            partition,
            heir(session, &[], HashSet::new()),
            Vec::new(),
        ));
    };
    say(guilds[0], "before all");
    come(0);
    say(guilds[0], "of the first");
    say(guilds[1], "of the second, before it");
    come(2);
    come(1);
    say(guilds[1], "of the second");
    come(3);
    assert_eq!(
        client.dispatch("CHANNEL_UPDATE", HAD + 1),
        json!("of the first")
    );
    assert_eq!(
        client.dispatch("CHANNEL_UPDATE", HAD + 2),
        json!("of the second")
    );
    client.dispatch("RESUMED", HAD + 3);
    say(guilds[0], "live");
    assert_eq!(client.dispatch("CHANNEL_UPDATE", HAD + 4), json!("live"));
}

#[test]
fn a_doubt_in_one_part_is_one_of_the_session_and_the_rest_is_in_vain() {
    let rig = rig();
    let door = rig.gateway.door().expect("running");
    let guilds: Vec<_> = (0..2).map(|at| guild_in(at, 0)).collect();
    let (mut client, session) = adopted(&rig, 0, HAD, &guilds);
    let come = |partition, tail| {
        door.order(part(partition, heir(session, &[], HashSet::new()), tail));
    };
    come(1, vec![event(guilds[1], 1)]);
    // It changed who may see what, and the other node had not given it.
    let mut state = event(guilds[0], 1);
    state.state = true;
    come(0, vec![state]);
    come(2, Vec::new());
    come(3, Vec::new());
    assert_eq!(client.op(9), json!(false));
    client.begin_again(TOKEN);
    assert_eq!((rig.stat("sessions"), rig.stat("panics")), (1, 0));
}
