//! `SubscriptionIndex` on its own, for tests, measurements and programs with a fan-out of their own.

use pyo3::prelude::*;
use tocsin_gateway::{SubscriptionIndex, Which};

/// Sessions by guild, channel and cohort.
#[pyclass(name = "SubscriptionIndex", module = "tocsin._core")]
#[derive(Default)]
pub(crate) struct PySubscriptionIndex {
    inner: SubscriptionIndex<u64>,
}

#[pymethods]
impl PySubscriptionIndex {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Sets the cohorts that may view a channel; one named twice counts once.
    fn set_channel(&mut self, guild: u64, channel: u64, cohorts: Vec<u32>) {
        self.inner.set_channel(guild, channel, &cohorts);
    }

    /// Forgets a channel: nobody may view it.
    fn remove_channel(&mut self, guild: u64, channel: u64) {
        self.inner.remove_channel(guild, channel);
    }

    /// Forgets a guild with its channels and everyone's membership of it.
    fn remove_guild(&mut self, guild: u64) {
        self.inner.remove_guild(guild);
    }

    /// Puts a session into a cohort of a guild, out of the one it was in before.
    fn assign(&mut self, session: u64, guild: u64, cohort: u32) {
        self.inner.assign(session, guild, cohort, false);
    }

    /// Takes a session out of a guild.
    fn unassign(&mut self, session: u64, guild: u64) {
        self.inner.unassign(session, guild);
    }

    /// Takes a session out of everything.
    fn remove_session(&mut self, session: u64) {
        self.inner.remove_session(session);
    }

    /// The cohort of a session in a guild.
    fn cohort_of(&self, session: u64, guild: u64) -> Option<u32> {
        self.inner.cohort_of(session, guild)
    }

    /// The sessions that may view a channel.
    fn channel_sessions(&self, guild: u64, channel: u64) -> Vec<u64> {
        self.inner
            .channel_sessions(guild, channel, Which::All)
            .collect()
    }

    /// How many may view a channel: goes through them as a fan-out does, and makes no Python object of any.
    fn count_channel_sessions(&self, guild: u64, channel: u64) -> usize {
        self.inner
            .channel_sessions(guild, channel, Which::All)
            .map(std::hint::black_box)
            .count()
    }

    /// The sessions of a guild.
    fn guild_sessions(&self, guild: u64) -> Vec<u64> {
        self.inner.guild_sessions(guild, Which::All).collect()
    }

    /// The sessions of some cohorts, each to be named once.
    fn cohort_sessions(&self, cohorts: Vec<u32>) -> Vec<u64> {
        self.inner.cohort_sessions(&cohorts, Which::All).collect()
    }

    /// How many guilds, cohorts and sessions it holds.
    fn sizes(&self) -> (usize, usize, usize) {
        self.inner.sizes()
    }
}
