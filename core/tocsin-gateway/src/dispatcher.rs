//! `Dispatcher`: the single sequencer of a node. One thread, one FIFO of batches and of notices from the workers.
//!
//! Invariant: index changes and events reach every worker in the order in which this thread took them.

mod audience;
mod inbox;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use foldhash::{HashMap, HashSet};
use tocsin_bus::{Envelope, Scope, Sequencer, Step};

use crate::command::Command;
use crate::decided::{Decided, Deciding, Place};
use crate::directory::Directory;
use crate::event::Delivery;
use crate::gateway::Shared;
use crate::host::HostRequest;
use crate::key::SessionKey;
use crate::message::{Order, WorkerMessage};
use crate::metrics::ResumeOutcome;
use crate::parts::Parts;
use crate::progress::Progress;
use crate::reach::Reach;
use crate::recovered::Recovered;

pub(crate) use inbox::{Inbox, Item};

/// The kind of a guild's scope (`ScopeKind.GUILD`).
pub(crate) const GUILD_SCOPE: u8 = 1;
/// An event for the gateway itself: what is missing of a DM's log cannot be had any more (`bus/redis.py`).
const LOST: &str = "TOCSIN_LOST";

/// The dispatcher thread's state.
pub(crate) struct Dispatcher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sequencer: Sequencer,
    pub(crate) directory: Directory,
    pub(crate) reach: Reach,
    /// Sessions of other nodes that have an event already which waits here for the policy, by its place.
    pub(crate) had: HashMap<Place, Vec<SessionKey>>,
    /// State events that are undecided here, and sessions of other nodes that do not have them, by their places.
    pub(crate) awaited: HashMap<Place, (Envelope, Vec<SessionKey>)>,
    /// What the policy says now belongs to this.
    pub(crate) deciding: Option<Deciding>,
    pub(crate) decided: Decided,
    /// Sessions of other nodes may come.
    pub(crate) inherits: bool,
    pub(crate) parts: Parts,
    /// Guilds that had passive sessions: only there are those looked up that a message is for in any case.
    with_passive: HashSet<u64>,
    progress: Progress,
    /// There is a bus: what does not arrive by it was recovered.
    has_bus: bool,
    pub(crate) recovered: Recovered,
    /// What workers are told once all up to the place that came was given: with what is still held, a journal could not
    /// say what its sessions have.
    pub(crate) settling: Vec<(usize, Order)>,
    /// What each worker is told at the end of the turn.
    orders: Vec<Vec<Order>>,
    /// When this turn began.
    pub(crate) taken: Instant,
    /// The traced events of this turn.
    traced: Vec<Arc<Delivery>>,
}

impl Dispatcher {
    /// A dispatcher that has seen nothing.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let workers = shared.mailboxes.len();
        Self {
            inherits: shared.config.session_tag.is_some(),
            shared,
            sequencer: Sequencer::default(),
            directory: Directory::default(),
            reach: Reach::new(workers),
            had: HashMap::default(),
            awaited: HashMap::default(),
            deciding: None,
            decided: Decided::default(),
            parts: Parts::default(),
            with_passive: HashSet::default(),
            progress: Progress::new(workers),
            has_bus: false,
            recovered: Recovered::default(),
            settling: Vec::new(),
            orders: (0..workers).map(|_| Vec::new()).collect(),
            taken: Instant::now(),
            traced: Vec::new(),
        }
    }

    /// Works until told to stop.
    pub(crate) fn run(mut self) {
        let mut items = Vec::new();
        loop {
            let since = self.shared.inbox.take(&mut items);
            self.taken = Instant::now();
            let metrics = &self.shared.metrics.dispatcher;
            metrics.queue.set(items.len() as u64);
            let waited = self
                .taken
                .saturating_duration_since(since.unwrap_or(self.taken));
            metrics.waits.took(waited);
            for item in items.drain(..) {
                match item {
                    Item::Batch(commands) => self.on_batch(commands, false),
                    Item::Arrived(commands, position) => {
                        self.has_bus = true;
                        self.on_batch(commands, true);
                        self.progress.arrive(position);
                    }
                    Item::SessionEnded(key) => {
                        self.directory.remove(key);
                        self.reach.end(key);
                        self.parts.forget(key);
                        self.decided.forget(key);
                    }
                    Item::Journal {
                        worker,
                        journal,
                        epoch,
                    } => self.settling.push((worker, Order::Journal(journal, epoch))),
                    Item::Stop => return,
                }
            }
            self.shared.metrics.dispatcher.queue.set(0);
            self.hand_out();
        }
    }

    fn on_batch(&mut self, commands: Vec<Command>, arrived: bool) {
        let metrics = &self.shared.metrics.dispatcher;
        metrics.batches.add(1);
        metrics.commands.add(commands.len() as u64);
        for command in commands {
            if catch_unwind(AssertUnwindSafe(|| self.on_command(command, arrived))).is_err() {
                self.shared.metrics.dispatcher.panics.add(1);
            }
        }
        // A decision is in one batch.
        self.deciding = None;
    }

    /// One message per worker that has orders.
    fn hand_out(&mut self) {
        if !self.recovered.is_settled() {
            self.progress.withdraw(&mut self.orders);
        } else if self.sequencer.is_settled() {
            // Until the policy is done with all that is held, not all up to there was given.
            let settled = std::mem::take(&mut self.settling);
            self.progress.tell(&mut self.orders, |worker| {
                settled.iter().any(|(each, _)| *each == worker)
            });
            for (worker, order) in settled {
                if let Some(orders) = self.orders.get_mut(worker) {
                    orders.push(order);
                }
            }
        }
        if self.orders.iter().all(Vec::is_empty) {
            return;
        }
        let now = Instant::now();
        // Let go of before the workers have them: the last of those tells how it went.
        for delivery in self.traced.drain(..) {
            if let Some(trace) = &delivery.flight.trace {
                trace.hand_out(now);
            }
        }
        for (orders, mailbox) in self.orders.iter_mut().zip(&self.shared.mailboxes) {
            if !orders.is_empty() {
                mailbox.put(WorkerMessage::Orders(std::mem::take(orders), now));
            }
        }
    }

    fn on_command(&mut self, command: Command, arrived: bool) {
        self.decided.note_cohorts(&command);
        match command {
            Command::Publish(envelope) => self.on_event(*envelope, arrived),
            Command::Decide { ticket } => self.on_decide(ticket),
            Command::Resolve { ticket, effect } => self.on_resolve(ticket, effect),
            Command::Dispatch(dispatch) => self.on_dispatch(*dispatch),
            Command::Accept(accept) => {
                let guilds = accept.guilds.iter().map(|place| place.guild);
                if self.enter(accept.session, accept.user_id, accept.shard, guilds) {
                    self.tell_owner(accept.session, Order::Accept(accept));
                }
            }
            Command::Adopt(adopt) => {
                let guilds = adopt.guilds.iter().map(|place| place.0);
                if self.enter(adopt.session, adopt.user_id, adopt.shard, guilds) {
                    self.tell_owner(adopt.session, Order::Adopt(adopt));
                }
            }
            Command::Inherit(inheritance) => self.on_inherit(*inheritance),
            Command::Disown { session } => {
                self.tell_owner(session, Order::Disown(session, ResumeOutcome::Uncertain));
            }
            Command::Fence { sessions } => {
                for id in sessions {
                    if let Some(key) = self.shared.registry.get(&id) {
                        self.tell_owner(key, Order::Fence(key));
                    }
                }
            }
            Command::Memo { session, memo } => self.tell_owner(session, Order::Memo(session, memo)),
            Command::Reject {
                session,
                close_code,
            } => self.tell_owner(session, Order::Reject(session, close_code)),
            Command::InvalidSession { session } => {
                self.tell_owner(session, Order::InvalidSession(session));
            }
            Command::SetChannel {
                guild,
                channel,
                cohorts,
            } => {
                let cohorts: Arc<[u32]> = cohorts.into();
                self.tell_all(|| Order::SetChannel(guild, channel, Arc::clone(&cohorts)));
            }
            Command::RemoveChannel { guild, channel } => {
                self.tell_all(|| Order::RemoveChannel(guild, channel));
            }
            Command::RemoveGuild { guild } => {
                self.reach.remove_guild(guild);
                self.with_passive.remove(&guild);
                self.tell_all(|| Order::RemoveGuild(guild));
            }
            Command::Assign {
                session,
                guild,
                cohort,
            } => {
                self.reach.enter(session, guild);
                self.tell_owner(session, Order::Assign(session, guild, cohort));
            }
            Command::Unassign { session, guild } => {
                self.reach.leave(session, guild);
                self.tell_owner(session, Order::Unassign(session, guild));
            }
            Command::SetPassive {
                session,
                guild,
                passive,
            } => {
                if passive {
                    self.with_passive.insert(guild);
                }
                self.tell_owner(session, Order::SetPassive(session, guild, passive));
            }
            Command::EndSession {
                session,
                close_code,
            } => self.tell_owner(session, Order::EndSession(session, close_code)),
            Command::Reconnect { session } => self.tell_owner(session, Order::Reconnect(session)),
            Command::Invalidate { session, resumable } => {
                self.tell_owner(session, Order::Invalidate(session, resumable));
            }
            Command::DropConnection {
                session,
                close_code,
            } => self.tell_owner(session, Order::DropConnection(session, close_code)),
            Command::BreakFrame { session, event } => {
                self.tell_owner(session, Order::BreakFrame(session, event));
            }
            Command::Stall { session, for_ms } => {
                self.tell_owner(session, Order::Stall(session, for_ms));
            }
        }
    }

    /// Takes in a session; `false` if its key names no worker.
    fn enter(
        &mut self,
        key: SessionKey,
        user: u64,
        shard: Option<(u32, u32)>,
        guilds: impl ExactSizeIterator<Item = u64>,
    ) -> bool {
        let known = key.worker() < self.orders.len();
        if known {
            self.directory.add(key, user, shard);
            self.reach.begin(key, guilds);
        }
        known
    }

    /// A key with a worker that does not exist names no session.
    pub(crate) fn tell_owner(&mut self, key: SessionKey, order: Order) {
        if let Some(orders) = self.orders.get_mut(key.worker()) {
            orders.push(order);
        }
    }

    fn tell_all(&mut self, order: impl Fn() -> Order) {
        for orders in &mut self.orders {
            orders.push(order());
        }
    }

    fn on_event(&mut self, envelope: Envelope, arrived: bool) {
        self.shared.metrics.dispatcher.events.add(1);
        if arrived {
            self.recovered.arrived(envelope.scope, envelope.seq);
        } else if self.has_bus && envelope.seq != 0 {
            self.recovered.note(envelope.scope, envelope.seq);
        }
        let (scope, users) = (envelope.scope, envelope.users.clone());
        if envelope.name == LOST {
            self.give_up(scope, &users);
            return;
        }
        let step = self.sequencer.push(envelope);
        if self.sequencer.take_loss().is_some() {
            self.give_up(scope, &users);
        }
        if let Some(step) = step {
            self.on_step(step);
        }
        let metrics = &self.shared.metrics.dispatcher;
        metrics.duplicates.set(self.sequencer.duplicates());
        metrics.gaps.set(self.sequencer.gaps());
        metrics.overflows.set(self.sequencer.overflows());
        metrics.held.set(self.sequencer.held() as u64);
    }

    /// Events of a scope are lost: its sessions are told so and begin anew, rather than go on with a hole.
    fn give_up(&mut self, scope: Scope, users: &[u64]) {
        if scope.kind == GUILD_SCOPE {
            self.tell_all(|| Order::GiveUpGuild(scope.id));
            return;
        }
        for key in self.directory.sessions(users, 0, "") {
            self.tell_owner(key, Order::GiveUp(key));
        }
    }

    pub(crate) fn on_step(&mut self, step: Step) {
        match step {
            Step::Forward(envelope) => self.fan_out(envelope, None),
            Step::Ask { ticket, envelope } => self.shared.host.push_always(HostRequest::Policy {
                ticket,
                scope_kind: envelope.scope.kind,
                scope_id: envelope.scope.id,
                seq: envelope.seq,
                name: envelope.name,
                body: envelope.body,
            }),
        }
    }

    /// Who had an event at another node; asked once.
    pub(crate) fn had_by(&mut self, scope: Scope, seq: u64) -> Vec<SessionKey> {
        if self.had.is_empty() {
            return Vec::new();
        }
        self.had.remove(&(scope, seq)).unwrap_or_default()
    }
}
