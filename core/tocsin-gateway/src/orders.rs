//! The dispatcher's orders, carried out one after the other.

use tocsin_fanout::Which;

use crate::journal::Journal;
use crate::message::Order;
use crate::worker::Worker;

impl Worker {
    /// One order.
    pub(crate) fn on_order(&mut self, order: Order) {
        match order {
            Order::Deliver(delivery, recipients) => self.deliver(delivery, &recipients),
            Order::Accept(accept) => self.begin(*accept),
            Order::Reject(key, close_code) => self.refuse(key, Some(close_code)),
            Order::InvalidSession(key) => self.refuse(key, None),
            Order::SetChannel(guild, channel, cohorts) => {
                self.subscriptions.set_channel(guild, channel, &cohorts);
            }
            Order::RemoveChannel(guild, channel) => {
                self.subscriptions.remove_channel(guild, channel);
            }
            Order::RemoveGuild(guild) => self.subscriptions.remove_guild(guild),
            Order::Assign(key, guild, cohort) => {
                // A session that has ended must not come back into the index.
                if let Some(session) = self.sessions.get(key) {
                    let bot = session.bot;
                    self.subscriptions.assign(key, guild, cohort, bot);
                }
            }
            Order::Unassign(key, guild) => {
                if self.sessions.get(key).is_some() {
                    self.subscriptions.unassign(key, guild);
                }
            }
            Order::SetPassive(key, guild, passive) => {
                self.subscriptions.set_passive(key, guild, passive);
            }
            Order::GiveUpGuild(guild) => {
                let keys: Vec<_> = self
                    .subscriptions
                    .guild_sessions(guild, Which::All)
                    .collect();
                for key in keys {
                    self.give_up(key);
                }
            }
            Order::EndSession(key, close_code) => self.end_by_host(key, close_code),
            Order::Fence(key) => self.let_go(key),
            Order::Reconnect(key) => self.reconnect(key),
            Order::GiveUp(key) => self.give_up(key),
            Order::Invalidate(key, resumable) => self.invalidate(key, resumable),
            Order::DropConnection(key, close_code) => self.part(key, close_code),
            Order::BreakFrame(key, event) => self.break_frame(key, event),
            Order::Adopt(adopt) => self.make_heir(*adopt),
            Order::Doubt(key, guild, required, doubt) => self.doubt(key, guild, required, &doubt),
            Order::Bequeath(key, missed, part) => self.bequeath(key, missed, part),
            Order::Revive(key) => self.revive(key),
            Order::Disown(key, outcome) => self.disown(key, outcome),
            Order::Memo(key, memo) => self.keep_memo(key, memo),
            Order::Reached(position) => {
                if let Some(journal) = &mut self.journal {
                    journal.position = position.clone();
                }
                self.reached = position;
            }
            Order::Journal(sink, epoch) => {
                self.journal = Some(Journal::new(sink, epoch, self.reached.clone()));
            }
            Order::Stall(key, for_ms) => self.stall(key, for_ms),
        }
    }
}
