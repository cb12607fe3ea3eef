//! `Command`: what the control plane orders, in the order it was decided. One batch is one item of the dispatcher's queue.

use std::sync::Arc;

use bytes::Bytes;
use tocsin_bus::{Envelope, Inheritance};
use tocsin_codec::{EncodedDispatch, Fragment};
use tocsin_proto::SessionId;

use crate::key::SessionKey;

/// The answer to an identify that goes well.
#[derive(Debug, Clone)]
pub struct Accept {
    /// The reserved session.
    pub session: SessionKey,
    /// Whose session it is.
    pub user_id: u64,
    /// Bots get gated content only by intent.
    pub bot: bool,
    /// The granted intents.
    pub intents: u64,
    /// Shard index and total, if the client declared one.
    pub shard: Option<(u32, u32)>,
    /// SHA-256 of the bare token; a resume must match it.
    pub token_digest: [u8; 32],
    /// Large payloads may be sent as standalone zlib frames (protocol.md §5.2).
    pub compress: bool,
    /// The JSON of READY's `d`.
    pub ready: Bytes,
    /// The guilds it is in.
    pub guilds: Vec<Place>,
}

/// A session of another node gets its place here; what it was given there follows.
#[derive(Debug, Clone)]
pub struct Adopt {
    /// The reserved session.
    pub session: SessionKey,
    /// Whose session it is.
    pub user_id: u64,
    /// Bots get gated content only by intent.
    pub bot: bool,
    /// The granted intents.
    pub intents: u64,
    /// Shard index and total, if the client declared one.
    pub shard: Option<(u32, u32)>,
    /// SHA-256 of the bare token.
    pub token_digest: [u8; 32],
    /// Large payloads may be sent as standalone zlib frames.
    pub compress: bool,
    /// What the control plane keeps with it.
    pub memo: Bytes,
    /// The last `s` its client has.
    pub seq: u64,
    /// The guilds it is in, with its cohort in each.
    pub guilds: Vec<(u64, u32)>,
    /// Those of them where it holds none of the permissions that events of all the guild go by.
    pub powerless: Vec<u64>,
}

/// A guild that a session is in from its beginning.
#[derive(Debug, Clone)]
pub struct Place {
    /// The guild.
    pub guild: u64,
    /// The session's cohort there.
    pub cohort: u32,
    /// GUILD_CREATE's `d`, if one is to be sent.
    pub body: Option<SharedBody>,
}

/// The JSON of an object of which most is the same for others: its first members, at least one, without braces, and
/// the fragments that hold its other members.
#[derive(Debug, Clone)]
pub struct SharedBody {
    /// The members that are this session's own.
    pub first: Bytes,
    /// The other members.
    pub fragments: Vec<Arc<Fragment>>,
}

impl SharedBody {
    pub(crate) fn event(self, name: &str) -> EncodedDispatch {
        if self.fragments.is_empty() {
            let body = [b"{", &self.first[..], b"}"].concat();
            return EncodedDispatch::new(name, body.into(), None);
        }
        EncodedDispatch::with_fragments(name, &self.first, self.fragments.into())
    }
}

/// Whom a dispatch decided by the control plane goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// These sessions.
    Sessions(Vec<SessionKey>),
    /// All sessions of these users.
    Users(Vec<u64>),
    /// All sessions of these cohorts of one guild or several.
    Cohorts(Vec<u32>),
    /// Those who may view the channel.
    Channel {
        /// The guild.
        guild: u64,
        /// The channel.
        channel: u64,
    },
    /// All of the guild.
    Guild(u64),
}

/// A dispatch decided by the control plane.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Event name.
    pub name: String,
    /// The JSON of `d`, complete with message content.
    pub body: Bytes,
    /// Whom it goes to.
    pub target: Target,
    /// The guild it is about, 0 for none: decides which intent it needs.
    pub guild: u64,
    /// A user who does not get it, 0 for none.
    pub exclude_user: u64,
    /// The author, who sees gated content; 0 for none.
    pub author: u64,
    /// The mentioned, who see gated content.
    pub mentions: Vec<u64>,
    /// The content needs MESSAGE_CONTENT.
    pub gated: bool,
    /// No intent is asked for.
    pub ungated: bool,
    /// Only bots get it.
    pub bots_only: bool,
}

/// What the policy vouches for of a state event: all who are in the guild at that time, wherever, are told by guild,
/// channel or cohort, and see what they saw, but for those named here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// Users whose sight may change, or who are told apart.
    pub users: Vec<u64>,
    /// Cohorts were chosen: those that came later are none of them.
    pub by_cohort: bool,
    /// Cohorts whose sight changed.
    pub cohorts: Vec<u32>,
}

/// In place of an event's name: whichever comes.
pub const ANY_EVENT: &str = "*";

/// One order of the control plane. Each is `_core.pyi`'s `Batch` method of the same name.
#[derive(Debug, Clone)]
pub enum Command {
    /// An event of the node's inbox.
    Publish(Box<Envelope>),
    /// A session begins.
    Accept(Box<Accept>),
    /// A session of another node gets its place.
    Adopt(Box<Adopt>),
    /// Sessions of another node go on here, from this place of the inbox on.
    Inherit(Box<Inheritance>),
    /// A session that was adopted cannot be had.
    Disown {
        /// The session.
        session: SessionKey,
    },
    /// Sessions that another node has taken over: end them, if they are here still.
    Fence {
        /// Their ids.
        sessions: Vec<SessionId>,
    },
    /// Keep something with a session, for whoever takes it over.
    Memo {
        /// The session.
        session: SessionKey,
        /// Up to the control plane.
        memo: Bytes,
    },
    /// An identify is refused and the connection closed.
    Reject {
        /// The reserved session.
        session: SessionKey,
        /// Close code.
        close_code: u16,
    },
    /// An identify is refused by op 9 false; the connection stays.
    InvalidSession {
        /// The reserved session.
        session: SessionKey,
    },
    /// Who may view a channel.
    SetChannel {
        /// The guild.
        guild: u64,
        /// The channel.
        channel: u64,
        /// The cohorts that may.
        cohorts: Vec<u32>,
    },
    /// A channel is gone.
    RemoveChannel {
        /// The guild.
        guild: u64,
        /// The channel.
        channel: u64,
    },
    /// A guild is gone.
    RemoveGuild {
        /// The guild.
        guild: u64,
    },
    /// A session joins a guild or changes its cohort.
    Assign {
        /// The session.
        session: SessionKey,
        /// The guild.
        guild: u64,
        /// The cohort.
        cohort: u32,
    },
    /// A session leaves a guild.
    Unassign {
        /// The session.
        session: SessionKey,
        /// The guild.
        guild: u64,
    },
    /// A session does not look at a guild (any more), or does.
    SetPassive {
        /// The session.
        session: SessionKey,
        /// The guild.
        guild: u64,
        /// Whether it is passive.
        passive: bool,
    },
    /// An event with its audience decided.
    Dispatch(Box<Dispatch>),
    /// What follows, up to the ticket's `Resolve`, is what the policy says of its event.
    Decide {
        /// The ticket of the policy request.
        ticket: u64,
    },
    /// A held scope goes on.
    Resolve {
        /// The ticket of the policy request.
        ticket: u64,
        /// Whether, and for whom not, what was said can be said again to sessions that come later.
        effect: Option<Effect>,
    },
    /// Close and forget.
    EndSession {
        /// The session.
        session: SessionKey,
        /// Close code.
        close_code: u16,
    },
    /// Op 7; the session is kept.
    Reconnect {
        /// The session.
        session: SessionKey,
    },
    /// Op 9 to a live session; `false` also ends it.
    Invalidate {
        /// The session.
        session: SessionKey,
        /// Whether the client may resume.
        resumable: bool,
    },
    /// Close a session's connection, 0 cuts the TCP; the session is kept.
    DropConnection {
        /// The session.
        session: SessionKey,
        /// Close code or 0.
        close_code: u16,
    },
    /// Half a dispatch's frame, then the end of the TCP; the session is kept.
    BreakFrame {
        /// The session.
        session: SessionKey,
        /// Of which event: the next of this name, the next of any name for [`ANY_EVENT`]. None: at once.
        event: Option<Box<str>>,
    },
    /// Write nothing to the session's connection for a while.
    Stall {
        /// The session.
        session: SessionKey,
        /// For how long.
        for_ms: u64,
    },
}
