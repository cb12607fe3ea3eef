//! `Batch`: an ordered list of commands, filled by Python and moved out by `Gateway.submit`.

use std::time::Instant;

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use tocsin_gateway::command::{
    Accept, Adopt, Command, Dispatch, Effect, Place, SharedBody, Target,
};
use tocsin_gateway::{Envelope, Scope, SessionKey};

use crate::fragment::Fragment;

/// A guild, a cohort, and GUILD_CREATE's own members with its fragments, if it is sent.
type GuildArgument<'py> = (u64, u32, Option<(PyBackedBytes, Vec<PyRef<'py, Fragment>>)>);

/// An ordered list of commands for the dispatcher. Filled by Python, moved out by `Gateway.submit`.
#[pyclass(module = "tocsin._core")]
pub(crate) struct Batch {
    pub(crate) commands: Vec<Command>,
}

fn keys(sessions: Vec<u64>) -> Vec<SessionKey> {
    sessions.into_iter().map(SessionKey::from_u64).collect()
}

#[pymethods]
impl Batch {
    #[new]
    fn new() -> Self {
        Self {
            commands: Vec::new(),
        }
    }

    fn __len__(&self) -> usize {
        self.commands.len()
    }

    /// An event in the node's inbox. Exactly one audience: guild[+channel] or users.
    #[pyo3(
        text_signature = "($self, name, body, *, scope_kind, scope_id, seq=0, guild=0, channel=0, users=(), exclude_user=0, author=0, mentions=(), gated=False, state=False, traced=False)"
    )]
    #[pyo3(signature = (
        name, body, *, scope_kind, scope_id, seq = 0, guild = 0, channel = 0, users = vec![], exclude_user = 0,
        author = 0, mentions = vec![], gated = false, state = false, traced = false,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of _core.pyi")]
    fn publish(
        &mut self,
        name: String,
        body: &[u8],
        scope_kind: u8,
        scope_id: u64,
        seq: u64,
        guild: u64,
        channel: u64,
        users: Vec<u64>,
        exclude_user: u64,
        author: u64,
        mentions: Vec<u64>,
        gated: bool,
        state: bool,
        traced: bool,
    ) -> PyResult<()> {
        if users.is_empty() && guild == 0 {
            return Err(PyValueError::new_err("an event needs an audience"));
        }
        let envelope = Envelope {
            name,
            body: Bytes::copy_from_slice(body),
            scope: Scope {
                kind: scope_kind,
                id: scope_id,
            },
            seq,
            guild,
            channel,
            users,
            exclude_user,
            author,
            mentions,
            gated,
            state,
            traced: traced.then(Instant::now),
        };
        self.commands.push(Command::Publish(Box::new(envelope)));
        Ok(())
    }

    /// A session begins: READY, then the guilds' GUILD_CREATE.
    #[pyo3(signature = (session, *, user_id, bot, intents, shard, token_digest, compress, ready, guilds))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of _core.pyi")]
    fn accept(
        &mut self,
        session: u64,
        user_id: u64,
        bot: bool,
        intents: u64,
        shard: Option<(u32, u32)>,
        token_digest: [u8; 32],
        compress: bool,
        ready: &[u8],
        guilds: Vec<GuildArgument<'_>>,
    ) {
        let guilds = guilds
            .into_iter()
            .map(|(guild, cohort, body)| Place {
                guild,
                cohort,
                body: body.map(|(first, fragments)| SharedBody {
                    first: Bytes::copy_from_slice(&first),
                    fragments: fragments.iter().map(|each| each.shared.clone()).collect(),
                }),
            })
            .collect();
        self.commands.push(Command::Accept(Box::new(Accept {
            session: SessionKey::from_u64(session),
            user_id,
            bot,
            intents,
            shard,
            token_digest,
            compress,
            ready: Bytes::copy_from_slice(ready),
            guilds,
        })));
    }

    /// A session of another node gets its place, and waits for what it was given there.
    #[pyo3(signature = (session, *, user_id, bot, intents, shard, token_digest, compress, memo, seq, guilds, powerless))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of _core.pyi")]
    fn adopt(
        &mut self,
        session: u64,
        user_id: u64,
        bot: bool,
        intents: u64,
        shard: Option<(u32, u32)>,
        token_digest: [u8; 32],
        compress: bool,
        memo: &[u8],
        seq: u64,
        guilds: Vec<(u64, u32)>,
        powerless: Vec<u64>,
    ) {
        self.commands.push(Command::Adopt(Box::new(Adopt {
            session: SessionKey::from_u64(session),
            user_id,
            bot,
            intents,
            shard,
            token_digest,
            compress,
            memo: Bytes::copy_from_slice(memo),
            seq,
            guilds,
            powerless,
        })));
    }

    /// What was adopted cannot be had: op 9 false.
    fn disown(&mut self, session: u64) {
        self.commands.push(Command::Disown {
            session: SessionKey::from_u64(session),
        });
    }

    /// Keeps something with a session, for whoever takes it over.
    fn memo(&mut self, session: u64, memo: &[u8]) {
        self.commands.push(Command::Memo {
            session: SessionKey::from_u64(session),
            memo: Bytes::copy_from_slice(memo),
        });
    }

    /// The identify is refused and the connection closed.
    fn reject(&mut self, session: u64, close_code: u16) {
        self.commands.push(Command::Reject {
            session: SessionKey::from_u64(session),
            close_code,
        });
    }

    /// Op 9 false before READY; the connection stays.
    fn invalid_session(&mut self, session: u64) {
        self.commands.push(Command::InvalidSession {
            session: SessionKey::from_u64(session),
        });
    }

    /// The cohorts that may view a channel.
    fn set_channel(&mut self, guild: u64, channel: u64, cohorts: Vec<u32>) {
        self.commands.push(Command::SetChannel {
            guild,
            channel,
            cohorts,
        });
    }

    /// A channel is gone.
    fn remove_channel(&mut self, guild: u64, channel: u64) {
        self.commands
            .push(Command::RemoveChannel { guild, channel });
    }

    /// A guild is gone.
    fn remove_guild(&mut self, guild: u64) {
        self.commands.push(Command::RemoveGuild { guild });
    }

    /// A session joins a guild, or moves between its cohorts.
    fn assign(&mut self, session: u64, guild: u64, cohort: u32) {
        self.commands.push(Command::Assign {
            session: SessionKey::from_u64(session),
            guild,
            cohort,
        });
    }

    /// A session leaves a guild.
    fn unassign(&mut self, session: u64, guild: u64) {
        self.commands.push(Command::Unassign {
            session: SessionKey::from_u64(session),
            guild,
        });
    }

    /// A session does not look at a guild (any more), or does. Who is put into a guild is active.
    fn set_passive(&mut self, session: u64, guild: u64, passive: bool) {
        self.commands.push(Command::SetPassive {
            session: SessionKey::from_u64(session),
            guild,
            passive,
        });
    }

    /// A dispatch decided by Python. First given wins: sessions, users, cohorts, (guild, channel), guild.
    #[pyo3(
        text_signature = "($self, name, body, *, sessions=(), users=(), cohorts=(), guild=0, channel=0, exclude_user=0, author=0, mentions=(), gated=False, ungated=False, bots_only=False)"
    )]
    #[pyo3(signature = (
        name, body, *, sessions = vec![], users = vec![], cohorts = vec![], guild = 0, channel = 0, exclude_user = 0,
        author = 0, mentions = vec![], gated = false, ungated = false, bots_only = false,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of _core.pyi")]
    fn dispatch(
        &mut self,
        name: String,
        body: &[u8],
        sessions: Vec<u64>,
        users: Vec<u64>,
        cohorts: Vec<u32>,
        guild: u64,
        channel: u64,
        exclude_user: u64,
        author: u64,
        mentions: Vec<u64>,
        gated: bool,
        ungated: bool,
        bots_only: bool,
    ) -> PyResult<()> {
        let target = if !sessions.is_empty() {
            Target::Sessions(keys(sessions))
        } else if !users.is_empty() {
            Target::Users(users)
        } else if !cohorts.is_empty() {
            Target::Cohorts(cohorts)
        } else if guild != 0 && channel != 0 {
            Target::Channel { guild, channel }
        } else if guild != 0 {
            Target::Guild(guild)
        } else {
            return Err(PyValueError::new_err("a dispatch needs an audience"));
        };
        self.commands.push(Command::Dispatch(Box::new(Dispatch {
            name,
            body: Bytes::copy_from_slice(body),
            target,
            guild,
            exclude_user,
            author,
            mentions,
            gated,
            ungated,
            bots_only,
        })));
        Ok(())
    }

    /// What follows is what the policy says of a state event.
    fn decide(&mut self, ticket: u64) {
        self.commands.push(Command::Decide { ticket });
    }

    /// The policy has applied a state event: its scope goes on. `certain`: what was said is the same for whoever comes
    /// later, but for the users, the cohorts, and with `by_cohort` those cohorts that came later.
    #[pyo3(signature = (ticket, *, certain = false, users = vec![], by_cohort = false, cohorts = vec![]))]
    fn resolve(
        &mut self,
        ticket: u64,
        certain: bool,
        users: Vec<u64>,
        by_cohort: bool,
        cohorts: Vec<u32>,
    ) {
        let effect = certain.then_some(Effect {
            users,
            by_cohort: by_cohort || !cohorts.is_empty(),
            cohorts,
        });
        self.commands.push(Command::Resolve { ticket, effect });
    }

    /// Close and forget.
    fn end_session(&mut self, session: u64, close_code: u16) {
        self.commands.push(Command::EndSession {
            session: SessionKey::from_u64(session),
            close_code,
        });
    }

    /// Op 7; the session is kept.
    fn reconnect(&mut self, session: u64) {
        self.commands.push(Command::Reconnect {
            session: SessionKey::from_u64(session),
        });
    }

    /// Op 9 to a live session; `resumable=False` also ends it.
    fn invalidate(&mut self, session: u64, resumable: bool) {
        self.commands.push(Command::Invalidate {
            session: SessionKey::from_u64(session),
            resumable,
        });
    }

    /// Close the connection, 0 cuts the TCP; the session is kept.
    fn drop_connection(&mut self, session: u64, close_code: u16) {
        self.commands.push(Command::DropConnection {
            session: SessionKey::from_u64(session),
            close_code,
        });
    }

    /// Half a dispatch's frame, then the end of the TCP; the session is kept. Of the next event of a name, `*` for any;
    /// without one at once.
    #[pyo3(signature = (session, event=None))]
    fn break_frame(&mut self, session: u64, event: Option<String>) {
        self.commands.push(Command::BreakFrame {
            session: SessionKey::from_u64(session),
            event: event.map(String::into_boxed_str),
        });
    }

    /// Write nothing to the session's connection for so many ms.
    fn stall(&mut self, session: u64, for_ms: u64) {
        self.commands.push(Command::Stall {
            session: SessionKey::from_u64(session),
            for_ms,
        });
    }
}
