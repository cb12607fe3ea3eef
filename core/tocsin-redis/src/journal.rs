//! `RedisJournal`: a worker's journal as a stream. Nothing is awaited of Redis: an entry is in the kernel's hands when
//! `append` returns, so that it outlives the process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::{Connection, cmd};
use tocsin_bus::journal::JournalSink;

use crate::config::millis;
use crate::error::BusError;
use crate::routes::Routes;

/// How long a worker may be held up by a Redis that takes nothing, once: the journal is given up then.
const PATIENCE: Duration = Duration::from_millis(5);
/// How often a stream's time to live is refreshed.
const REFRESH: Duration = Duration::from_secs(5);

pub(crate) struct RedisJournal {
    connection: Connection,
    key: String,
    number: u64,
    ttl_ms: u64,
    refreshed: Option<Instant>,
    failed: Arc<AtomicBool>,
}

impl fmt::Debug for RedisJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisJournal")
            .field("key", &self.key)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl RedisJournal {
    /// Begins a journal in place of what the key holds. `failed` is set when an entry is lost.
    pub(crate) fn open(
        routes: &Routes,
        key: String,
        failed: Arc<AtomicBool>,
    ) -> Result<Self, BusError> {
        // The partition that all journals are in.
        let mut connection = routes.to(0)?;
        cmd("DEL").arg(&key).exec(&mut connection)?;
        let quiet = cmd("CLIENT").arg("REPLY").arg("OFF").get_packed_command();
        connection.send_packed_command(&quiet)?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            connection,
            key,
            number: 0,
            ttl_ms: millis(routes.config.session_ttl),
            refreshed: None,
            failed,
        })
    }
}

impl JournalSink for RedisJournal {
    fn append(&mut self, entry: &[u8], keep_from: u64) -> bool {
        self.number += 1;
        let mut octets = Vec::with_capacity(entry.len() + 128);
        cmd("XADD")
            .arg(&self.key)
            .arg(format!("1-{}", self.number))
            .arg("j")
            .arg(entry)
            .write_packed_command(&mut octets);
        if keep_from > 0 {
            cmd("XTRIM")
                .arg(&self.key)
                .arg("MINID")
                .arg(format!("1-{keep_from}"))
                .write_packed_command(&mut octets);
        }
        if self.refreshed.is_none_or(|at| at.elapsed() >= REFRESH) {
            self.refreshed = Some(Instant::now());
            cmd("PEXPIRE")
                .arg(&self.key)
                .arg(self.ttl_ms)
                .write_packed_command(&mut octets);
        }
        let taken = self.connection.send_packed_command(&octets).is_ok();
        if !taken {
            self.failed.store(true, Ordering::Relaxed);
        }
        taken
    }
}
