//! `Decided`: what the policy said of recent state events, for sessions of other nodes that come later (ADR 0019).
//!
//! What is said between `Decide` and `Resolve` belongs to the event of the ticket. The control plane sends it in one
//! batch, so that a worker has it in one turn: a session's journal has all of it or nothing. Kept is only what the policy
//! vouches for. Of other events no more is known than their names say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use tocsin_bus::{Envelope, Scope};
use tocsin_codec::EncodedDispatch;
use tocsin_proto::Intents;

use crate::command::{Command, Effect, Target};
use crate::dispatcher::{Dispatcher, GUILD_SCOPE};
use crate::event::Delivery;
use crate::flight::Flight;
use crate::key::SessionKey;
use crate::message::{Doubt, Order, Recipients};
use crate::metrics::ResumeOutcome;

/// A place in a scope's log.
pub(crate) type Place = (Scope, u64);

/// How long a decision is kept: longer than a takeover takes, with all that a dead node may have left undone.
const KEPT: Duration = Duration::from_secs(120);
/// Octets of all decisions that are kept.
const MOST_BYTES: usize = 16 << 20;
/// What a decision takes besides its events.
const OWN_BYTES: usize = 256;

/// One dispatch of a decision, of those that were not for named sessions.
#[derive(Debug)]
struct Said {
    event: Arc<EncodedDispatch>,
    audience: Audience,
    required: Intents,
    exclude_user: u64,
    bots_only: bool,
    whole: bool,
}

#[derive(Debug)]
enum Audience {
    Guild,
    Channel(u64),
    Cohorts(Arc<[u32]>),
}

/// The decision that the commands in hand belong to.
#[derive(Debug)]
pub(crate) struct Deciding {
    ticket: u64,
    /// None for an event of no log.
    pub(crate) place: Option<Place>,
    /// Sessions of other nodes that had it there.
    pub(crate) had_by: Vec<SessionKey>,
    /// It may be told again.
    kept: bool,
    said: Vec<Said>,
}

impl Deciding {
    /// Notes one of its dispatches.
    pub(crate) fn note(&mut self, delivery: &Delivery, target: &Target) {
        let audience = match target {
            _ if !self.kept => return,
            // Those that the effect names.
            Target::Sessions(_) => return,
            Target::Guild(_) => Audience::Guild,
            Target::Channel { channel, .. } => Audience::Channel(*channel),
            Target::Cohorts(cohorts) => Audience::Cohorts(cohorts.as_slice().into()),
            Target::Users(_) => {
                self.kept = false;
                return;
            }
        };
        if self
            .place
            .is_none_or(|(scope, _)| scope.id != delivery.guild)
        {
            self.kept = false;
            return;
        }
        self.said.push(Said {
            event: Arc::clone(&delivery.event),
            audience,
            required: delivery.required,
            exclude_user: delivery.exclude_user,
            bots_only: delivery.bots_only,
            whole: delivery.whole,
        });
    }
}

/// What was said of an event, and for whom that is not certain.
#[derive(Debug)]
pub(crate) struct Decision {
    said: Vec<Said>,
    users: Vec<u64>,
    doubt: Option<Arc<Doubt>>,
    bytes: usize,
}

impl Decision {
    /// What an event of a guild's log says by itself, whatever the guild is like: nothing of these changes what others
    /// may see (`gateway/policy.py`).
    fn by_name(envelope: &Envelope) -> Option<Self> {
        let user = envelope.exclude_user;
        let nothing = |doubt| Self {
            said: Vec::new(),
            users: Vec::new(),
            doubt,
            bytes: 0,
        };
        let told = match &*envelope.name {
            // Whoever is in the guild was shown it when they identified, or was told of it by this. It comes late where
            // Redis did not know the guild's log.
            "GUILD_CREATE" if envelope.seq == 1 => return Some(nothing(None)),
            "GUILD_MEMBER_ADD" | "GUILD_MEMBER_UPDATE" | "GUILD_MEMBER_REMOVE" => user != 0,
            "GUILD_EMOJIS_UPDATE" => true,
            name if is_for_holders(name) || is_for_channel_holders(name) => {
                return Some(nothing(Some(Arc::default())));
            }
            _ => false,
        };
        let body = envelope.body.clone();
        (told && envelope.scope == guild_scope(envelope.guild)).then(|| Self {
            said: vec![Said {
                event: Arc::new(EncodedDispatch::new(&envelope.name, body, None)),
                audience: Audience::Guild,
                required: Intents::required(&envelope.name, true),
                exclude_user: user,
                bots_only: false,
                whole: !tocsin_proto::is_for_lookers(&envelope.name),
            }],
            // Who entered and is in the guild has had that: their own word of which guilds they are in was written with
            // it. Else they would have been refused before.
            users: if &*envelope.name == "GUILD_MEMBER_ADD" {
                Vec::new()
            } else {
                vec![user]
            },
            doubt: None,
            bytes: 0,
        })
    }
}

/// Whether such events go to those who hold some permission in the guild, and change nobody's sight.
fn is_for_holders(name: &str) -> bool {
    matches!(
        name,
        "GUILD_BAN_ADD"
            | "GUILD_BAN_REMOVE"
            | "GUILD_AUDIT_LOG_ENTRY_CREATE"
            | "AUTO_MODERATION_RULE_CREATE"
            | "AUTO_MODERATION_RULE_UPDATE"
            | "AUTO_MODERATION_RULE_DELETE"
            | "AUTO_MODERATION_ACTION_EXECUTION"
    )
}

/// The same of some permission in a channel.
fn is_for_channel_holders(name: &str) -> bool {
    matches!(name, "INVITE_CREATE" | "INVITE_DELETE" | "WEBHOOKS_UPDATE")
}

const fn guild_scope(id: u64) -> Scope {
    let kind = GUILD_SCOPE;
    Scope { kind, id }
}

/// The decisions of the last while.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    by_place: HashMap<Place, Decision>,
    /// The oldest first.
    order: VecDeque<(Instant, Place)>,
    bytes: usize,
    /// The highest number of a cohort that was heard of. They only rise: one beyond it did not exist.
    newest: u32,
    /// In which guilds sessions that come hold no permission of those that events of all the guild go by.
    powerless: HashMap<SessionKey, Vec<u64>>,
}

impl Decided {
    /// A session goes on, or is gone.
    pub(crate) fn forget(&mut self, key: SessionKey) {
        self.powerless.remove(&key);
    }

    fn is_powerless(&self, key: SessionKey, guild: u64) -> bool {
        let guilds = self.powerless.get(&key);
        guilds.is_some_and(|guilds| guilds.contains(&guild))
    }

    /// Hears of the cohorts that an order is about.
    pub(crate) fn note_cohorts(&mut self, command: &Command) {
        if let Command::Adopt(adopt) = command
            && !adopt.powerless.is_empty()
        {
            let powerless = adopt.powerless.clone();
            self.powerless.insert(adopt.session, powerless);
        }
        let newest = match command {
            Command::Assign { cohort, .. } => Some(*cohort),
            Command::SetChannel { cohorts, .. } => cohorts.iter().copied().max(),
            Command::Accept(accept) => accept.guilds.iter().map(|place| place.cohort).max(),
            Command::Adopt(adopt) => adopt.guilds.iter().map(|place| place.1).max(),
            _ => None,
        };
        self.newest = self.newest.max(newest.unwrap_or(0));
    }

    fn keep(&mut self, place: Place, said: Vec<Said>, effect: Effect, now: Instant) {
        let events = said.iter().map(|each| 2 * each.event.cost_bytes());
        let bytes = OWN_BYTES + events.sum::<usize>();
        let doubt = effect.by_cohort.then(|| {
            Arc::new(Doubt {
                newest: self.newest,
                cohorts: effect.cohorts,
            })
        });
        let decision = Decision {
            said,
            users: effect.users,
            doubt,
            bytes,
        };
        self.bytes += bytes;
        if let Some(former) = self.by_place.insert(place, decision) {
            self.bytes -= former.bytes;
        }
        self.order.push_back((now, place));
        while let Some((at, place)) = self.order.front()
            && (self.bytes > MOST_BYTES || now.saturating_duration_since(*at) > KEPT)
        {
            if let Some(gone) = self.by_place.remove(place) {
                self.bytes -= gone.bytes;
            }
            self.order.pop_front();
        }
    }
}

impl Dispatcher {
    /// What follows belongs to the event that the policy was asked about.
    pub(crate) fn on_decide(&mut self, ticket: u64) {
        let Some((scope, seq)) = self.sequencer.asked(ticket) else {
            return;
        };
        let place = (seq != 0).then_some((scope, seq));
        self.deciding = Some(Deciding {
            ticket,
            place,
            had_by: self.had_by(scope, seq),
            kept: place.is_some() && self.inherits,
            said: Vec::new(),
        });
    }

    /// The policy is done with an event.
    pub(crate) fn on_resolve(&mut self, ticket: u64, effect: Option<Effect>) {
        let deciding = self.deciding.take().filter(|each| each.ticket == ticket);
        if let Some(place) = self.sequencer.asked(ticket).filter(|place| place.1 != 0) {
            self.note_decision(place, deciding, effect);
        }
        for step in self.sequencer.resolve(ticket) {
            self.on_step(step);
        }
        let held = self.sequencer.held() as u64;
        self.shared.metrics.dispatcher.held.set(held);
    }

    fn note_decision(&mut self, place: Place, deciding: Option<Deciding>, effect: Option<Effect>) {
        let awaited = self.awaited.remove(&place);
        match (deciding, effect) {
            (Some(deciding), Some(effect)) if deciding.kept => {
                self.decided.keep(place, deciding.said, effect, self.taken);
            }
            (Some(_), _) => {}
            // Nothing was said of it here: what was read of its guild had it already, or could not be read.
            (None, _) => {
                self.had.remove(&place);
                if let Some((envelope, keys)) = awaited {
                    self.tell_again(&envelope, keys);
                }
            }
        }
    }

    /// Tells sessions of another node, which are in the guild, what was said of an event before they came, or is certain
    /// of it; returns those who begin anew because nothing is. Their workers find others, by their cohorts.
    pub(crate) fn tell_again(
        &mut self,
        envelope: &Envelope,
        keys: Vec<SessionKey>,
    ) -> Vec<SessionKey> {
        let place = (envelope.scope, envelope.seq);
        let guild = envelope.scope.id;
        let known = self.decided.by_place.remove(&place);
        let kept = known.is_some();
        let Some(decision) = known.or_else(|| Decision::by_name(envelope)) else {
            for &key in &keys {
                self.disown(key, ResumeOutcome::Changed);
            }
            return keys;
        };
        let own = self.directory.sessions(&decision.users, guild, "");
        let (doubted, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| own.contains(key));
        for &key in &doubted {
            self.disown(key, ResumeOutcome::Changed);
        }
        if let Some(doubt) = &decision.doubt {
            // Where nobody's sight can have changed, it is only about who is told of the event itself.
            let name = &*envelope.name;
            let for_all = is_for_holders(name);
            let required = if for_all || is_for_channel_holders(name) {
                Intents::required(name, true)
            } else {
                Intents::NONE
            };
            for &key in &keys {
                if !(for_all && self.decided.is_powerless(key, guild)) {
                    self.tell_owner(key, Order::Doubt(key, guild, required, Arc::clone(doubt)));
                }
            }
        }
        for said in &decision.said {
            let delivery = Arc::new(Delivery {
                event: Arc::clone(&said.event),
                required: said.required,
                exclude_user: said.exclude_user,
                bots_only: said.bots_only,
                whole: said.whole,
                place: Some(place),
                part: self.parts.bit(envelope.scope),
                had_by: Vec::new(),
                guild,
                flight: Flight::new(self.taken, None),
            });
            self.give_keys(&delivery, keys.iter().copied(), |keys| {
                match &said.audience {
                    Audience::Guild => Recipients::Only(guild, 0, keys),
                    Audience::Channel(channel) => Recipients::Only(guild, *channel, keys),
                    Audience::Cohorts(cohorts) => {
                        Recipients::Among(guild, Arc::clone(cohorts), keys)
                    }
                }
            });
        }
        if kept {
            self.decided.by_place.insert(place, decision);
        }
        doubted
    }
}
