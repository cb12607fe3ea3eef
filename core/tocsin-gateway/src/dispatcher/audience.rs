//! Who gets an event: from an envelope or a dispatch to what each worker is told of it.

use std::sync::Arc;

use tocsin_bus::Envelope;
use tocsin_codec::{ContentGate, EncodedDispatch};
use tocsin_proto::Intents;

use crate::command::{Dispatch, Target};
use crate::event::Delivery;
use crate::flight::{Flight, Trace};
use crate::key::SessionKey;
use crate::message::{Order, Recipients};

use super::Dispatcher;

impl Dispatcher {
    /// An event with the audience of its envelope.
    ///
    /// `only`: to none but these sessions.
    pub(crate) fn fan_out(&mut self, envelope: Envelope, only: Option<&[SessionKey]>) {
        let said = envelope.name == "MESSAGE_CREATE" && envelope.guild != 0;
        // The guild's own id is its role @everyone.
        let to_all = said && envelope.mentions.contains(&envelope.guild);
        // Users and roles: an id names one or the other, and what it does not name finds nobody.
        let mut mentioned: Arc<[u64]> = Arc::default();
        let mut named = Vec::new();
        if only.is_none() && said && !to_all && self.with_passive.contains(&envelope.guild) {
            mentioned = envelope.mentions.as_slice().into();
            let mut users = envelope.mentions.clone();
            users.push(envelope.author);
            named = self
                .directory
                .sessions(&users, envelope.guild, &envelope.name);
        }
        let had_by = match only {
            None => self.had_by(envelope.scope, envelope.seq),
            Some(_) => Vec::new(),
        };
        let gate = gate(envelope.gated, envelope.author, envelope.mentions);
        // Those who take a session over had it in the trace when it came.
        let traced = envelope
            .traced
            .filter(|_| self.shared.config.traces && only.is_none());
        let trace = traced.map(|came| Box::new(Trace::new(envelope.body.clone(), came)));
        let delivery = Arc::new(Delivery {
            required: Intents::required(&envelope.name, envelope.guild != 0),
            exclude_user: envelope.exclude_user,
            bots_only: false,
            whole: to_all || !tocsin_proto::is_for_lookers(&envelope.name),
            place: (envelope.seq != 0).then_some((envelope.scope, envelope.seq)),
            part: self.parts.bit(envelope.scope),
            had_by,
            guild: envelope.guild,
            event: Arc::new(EncodedDispatch::new(&envelope.name, envelope.body, gate)),
            flight: Flight::new(self.taken, trace),
        });
        if traced.is_some() {
            self.traced.push(Arc::clone(&delivery));
        }
        let (guild, channel) = (envelope.guild, envelope.channel);
        if !envelope.users.is_empty() {
            let name = delivery.event.name();
            let mut keys = self.directory.sessions(&envelope.users, guild, name);
            if let Some(only) = only {
                keys.retain(|key| only.contains(key));
            }
            self.give_sessions(&delivery, keys);
        } else if let Some(only) = only {
            self.give_keys(&delivery, only.iter().copied(), |keys| {
                Recipients::Only(guild, channel, keys)
            });
        } else if channel != 0 {
            self.give_guild(&delivery, guild, || Recipients::Channel(guild, channel));
            self.give_keys(&delivery, named, |keys| {
                Recipients::Named(guild, channel, Arc::clone(&mentioned), keys)
            });
            if !mentioned.is_empty() {
                self.give_guild(&delivery, guild, || {
                    Recipients::Holders(guild, channel, Arc::clone(&mentioned))
                });
            }
        } else {
            self.give_guild(&delivery, guild, || Recipients::Guild(guild));
        }
    }

    pub(super) fn on_dispatch(&mut self, dispatch: Dispatch) {
        let part = self.part_of(&dispatch);
        let gate = gate(dispatch.gated, dispatch.author, dispatch.mentions);
        let delivery = Arc::new(Delivery {
            required: if dispatch.ungated {
                Intents::NONE
            } else {
                Intents::required(&dispatch.name, dispatch.guild != 0)
            },
            exclude_user: dispatch.exclude_user,
            bots_only: dispatch.bots_only,
            whole: !tocsin_proto::is_for_lookers(&dispatch.name),
            place: self.deciding.as_ref().and_then(|each| each.place),
            part,
            had_by: match &self.deciding {
                Some(deciding) => deciding.had_by.clone(),
                None => Vec::new(),
            },
            guild: match dispatch.target {
                Target::Channel { guild, .. } | Target::Guild(guild) => guild,
                _ => dispatch.guild,
            },
            event: Arc::new(EncodedDispatch::new(&dispatch.name, dispatch.body, gate)),
            flight: Flight::new(self.taken, None),
        });
        if let Some(deciding) = &mut self.deciding {
            deciding.note(&delivery, &dispatch.target);
        }
        match dispatch.target {
            Target::Sessions(keys) => self.give_sessions(&delivery, keys),
            Target::Users(users) => {
                let keys = self
                    .directory
                    .sessions(&users, dispatch.guild, &dispatch.name);
                self.give_sessions(&delivery, keys);
            }
            Target::Cohorts(cohorts) => {
                let cohorts: Arc<[u32]> = cohorts.into();
                self.give_audience(&delivery, || Recipients::Cohorts(Arc::clone(&cohorts)));
            }
            Target::Channel { guild, channel } => {
                self.give_guild(&delivery, guild, || Recipients::Channel(guild, channel));
            }
            Target::Guild(guild) => {
                self.give_guild(&delivery, guild, || Recipients::Guild(guild));
            }
        }
    }

    /// To the workers of the given sessions, each with its own.
    fn give_sessions(
        &mut self,
        delivery: &Arc<Delivery>,
        keys: impl IntoIterator<Item = SessionKey>,
    ) {
        self.give_keys(delivery, keys, Recipients::Sessions);
    }

    pub(crate) fn give_keys(
        &mut self,
        delivery: &Arc<Delivery>,
        keys: impl IntoIterator<Item = SessionKey>,
        recipients: impl Fn(Vec<SessionKey>) -> Recipients,
    ) {
        let mut per_worker: Vec<Vec<SessionKey>> = vec![Vec::new(); self.orders.len()];
        for key in keys {
            if let Some(keys) = per_worker.get_mut(key.worker()) {
                keys.push(key);
            }
        }
        for (orders, keys) in self.orders.iter_mut().zip(per_worker) {
            if !keys.is_empty() {
                orders.push(Order::Deliver(Arc::clone(delivery), recipients(keys)));
            }
        }
    }

    fn give_audience(&mut self, delivery: &Arc<Delivery>, recipients: impl Fn() -> Recipients) {
        self.tell_all(|| Order::Deliver(Arc::clone(delivery), recipients()));
    }

    /// To the workers that have sessions in the guild.
    fn give_guild(
        &mut self,
        delivery: &Arc<Delivery>,
        guild: u64,
        recipients: impl Fn() -> Recipients,
    ) {
        for (worker, orders) in self.orders.iter_mut().enumerate() {
            if self.reach.has(guild, worker) {
                orders.push(Order::Deliver(Arc::clone(delivery), recipients()));
            }
        }
    }
}

fn gate(gated: bool, author: u64, mentions: Vec<u64>) -> Option<ContentGate> {
    gated.then(|| ContentGate {
        author,
        mentions: mentions.into_boxed_slice(),
    })
}
