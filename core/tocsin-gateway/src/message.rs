//! What a worker is told: the dispatcher's orders, sockets of other workers, and the gateway's own wishes.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tocsin_bus::journal::{JournalSink, Position};
use tocsin_codec::EncodedDispatch;
use tocsin_proto::Intents;

use crate::command::{Accept, Adopt};
use crate::event::Delivery;
use crate::key::SessionKey;
use crate::metrics::ResumeOutcome;
use crate::parts::PartBit;
use crate::resume::Moved;

/// A message to one worker.
pub(crate) enum WorkerMessage {
    /// What the dispatcher decided, in its order, and when.
    Orders(Vec<Order>, Instant),
    /// A socket whose client resumes a session of this worker.
    Adopt(Box<Moved>),
    /// Stop accepting and send every client away within the time.
    Drain {
        /// The time over which to spread it.
        spread_ms: u64,
    },
    /// End the loop.
    Stop,
}

impl std::fmt::Debug for WorkerMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Orders(..) => "Orders",
            Self::Adopt(_) => "Adopt",
            Self::Drain { .. } => "Drain",
            Self::Stop => "Stop",
        })
    }
}

/// One step of the dispatcher, as a worker has to carry it out.
pub(crate) enum Order {
    /// A session begins.
    Accept(Box<Accept>),
    /// An identify is refused by a close.
    Reject(SessionKey, u16),
    /// An identify is refused by op 9 false.
    InvalidSession(SessionKey),
    /// Who may view a channel.
    SetChannel(u64, u64, Arc<[u32]>),
    /// A channel is gone.
    RemoveChannel(u64, u64),
    /// A guild is gone.
    RemoveGuild(u64),
    /// A session joins a guild or changes its cohort.
    Assign(SessionKey, u64, u32),
    /// A session leaves a guild.
    Unassign(SessionKey, u64),
    /// A session looks at a guild, or does not.
    SetPassive(SessionKey, u64, bool),
    /// An event for some of the worker's sessions.
    Deliver(Arc<Delivery>, Recipients),
    /// Events of a guild are lost: all its sessions begin anew.
    GiveUpGuild(u64),
    /// Events for a session are lost: it begins anew.
    GiveUp(SessionKey),
    /// Close and forget.
    EndSession(SessionKey, u16),
    /// It is another node's now: close and forget.
    Fence(SessionKey),
    /// Op 7.
    Reconnect(SessionKey),
    /// Op 9.
    Invalidate(SessionKey, bool),
    /// Close or cut the connection, keep the session.
    DropConnection(SessionKey, u16),
    /// Half a dispatch's frame, now or of the next such event, then the end of the TCP.
    BreakFrame(SessionKey, Option<Box<str>>),
    /// A session of another node gets its place.
    Adopt(Box<Adopt>),
    /// It begins anew if its cohort in the guild is one of which a decision says too little, and it has such an intent.
    Doubt(SessionKey, u64, Intents, Arc<Doubt>),
    /// What its client missed there, with the first of its parts, and whose part this is.
    Bequeath(SessionKey, Vec<Arc<EncodedDispatch>>, PartBit),
    /// It goes on.
    Revive(SessionKey),
    /// It does not, and how that counts.
    Disown(SessionKey, ResumeOutcome),
    /// The control plane keeps something with a session.
    Memo(SessionKey, Bytes),
    /// What was given by now, in the inbox's terms.
    Reached(Position),
    /// What sessions are given from here on is to be written to this, too. The number is another each time.
    Journal(Box<dyn JournalSink>, u64),
    /// No output for so many ms.
    Stall(SessionKey, u64),
}

/// Cohorts for which it is not certain what was said of an event; at first all.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    /// Those with a higher number did not exist.
    pub(crate) newest: u32,
    /// The others.
    pub(crate) cohorts: Vec<u32>,
}

/// Which of a worker's sessions a delivery concerns.
pub(crate) enum Recipients {
    /// These, all of this worker.
    Sessions(Vec<SessionKey>),
    /// Those of the cohorts.
    Cohorts(Arc<[u32]>),
    /// Those who may view the channel.
    Channel(u64, u64),
    /// All of the guild.
    Guild(u64),
    /// Those of these who are in the guild, or may view the channel if it is not 0.
    Only(u64, u64, Vec<SessionKey>),
    /// Those of these who are in the guild by one of the cohorts.
    Among(u64, Arc<[u32]>, Vec<SessionKey>),
    /// Those of these who may view the channel, are passive in the guild and hold none of the roles.
    Named(u64, u64, Arc<[u64]>, Vec<SessionKey>),
    /// Those who may view the channel, are passive in the guild and hold one of the roles.
    Holders(u64, u64, Arc<[u64]>),
}
