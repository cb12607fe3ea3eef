//! `Link`: one connection to Redis, checked and with our functions in it; and `Backoff`, the pauses between attempts.

use std::time::Duration;

use redis::{Cmd, Connection, ConnectionLike, Pipeline, RedisResult, Value, cmd};

use crate::error::BusError;
use crate::routes::Routes;

const FUNCTIONS: [&str; 3] = [
    include_str!("functions.lua"),
    include_str!("sessions.lua"),
    include_str!("marks.lua"),
];
const OLDEST_MAJOR: u32 = 7;

/// Which Redis this is: another one, or the same begun anew, has another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    run: String,
    replication: String,
    /// Of one that was a replica: whose.
    former: String,
}

impl Identity {
    /// Stands for it, as that of a partition. Alike on every node, whenever it asked: a master that gets its first
    /// replica has another replication id and has lost nothing.
    pub(crate) fn digest(&self, partition: u32) -> u32 {
        let octets = self.run.bytes().chain(self.former.bytes());
        // FNV-1a; each partition's own, so that two that change places are others.
        let hash = octets
            .chain(partition.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| {
                (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
            });
        (hash >> 32) as u32
    }
}

/// A connection whose Redis was found fit.
pub(crate) struct Link {
    connection: Connection,
    pub(crate) identity: Identity,
}

impl Link {
    /// Connects to where a partition's keys are, checks the version and the eviction policy, and loads our functions
    /// where they are missing.
    ///
    /// `block`: how long a read may block on Redis's side, beyond the time an answer may take.
    pub(crate) fn open(routes: &Routes, partition: u32, block: Duration) -> Result<Self, BusError> {
        let mut connection = routes.to(partition)?;
        connection.set_read_timeout(Some(routes.config.timeout + block))?;
        let info: String = cmd("INFO").query(&mut connection)?;
        let identity = check(&info)?;
        for functions in FUNCTIONS {
            let loaded: RedisResult<Value> = cmd("FUNCTION")
                .arg("LOAD")
                .arg(functions)
                .query(&mut connection);
            match loaded {
                Err(error) if !error.to_string().contains("already exists") => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        Ok(Self {
            connection,
            identity,
        })
    }

    /// Asks for one answer. A refusal is an error.
    pub(crate) fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self.connection.req_command(command)? {
            Value::ServerError(error) => Err(error.into()),
            answer => Ok(answer),
        }
    }

    /// Sends all the pipeline's commands and reads their answers, refusals among them.
    pub(crate) fn ask_all(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let packed = pipeline.get_packed_pipeline();
        self.connection
            .req_packed_commands(&packed, 0, pipeline.len())
    }
}

fn check(info: &str) -> Result<Identity, BusError> {
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let version = field("redis_version");
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < OLDEST_MAJOR) {
        return Err(BusError::TooOld(version));
    }
    let policy = field("maxmemory_policy");
    if policy != "noeviction" {
        return Err(BusError::Evicts(policy));
    }
    Ok(Identity {
        run: field("run_id"),
        replication: field("master_replid"),
        former: field("master_replid2"),
    })
}

/// Pauses that double up to a limit, each shortened by chance so that nodes do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    random: u64,
}

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Backoff {
    /// `seed` is the node's own.
    pub(crate) fn new(seed: &str) -> Self {
        let random = seed
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| {
                (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
            });
        Self {
            next: FIRST_PAUSE,
            random: random | 1,
        }
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let pause = self.next.mul_f64(0.5 + (self.random % 512) as f64 / 1024.0);
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        pause
    }

    /// It went well: the next pause is short again.
    pub(crate) const fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: &str = "redis_version:7.0.15\r\nrun_id:abc\r\nmaxmemory_policy:noeviction\r\nmaster_replid:def\r\n";

    #[test]
    fn a_fit_redis_is_known_by_its_run() {
        let other = check(&FIT.replace("abc", "abd")).expect("fit");
        let same = check(FIT).expect("fit");
        assert_eq!(same, check(FIT).expect("fit"));
        assert_ne!(same, other);
        let followed = check(&FIT.replace("def", "deg")).expect("fit");
        assert_ne!(same, followed);
        let promoted = check(&format!("{FIT}master_replid2:cba\r\n")).expect("fit");
        let digests = [&same, &followed, &other, &promoted].map(|each| each.digest(0));
        assert_eq!(digests[0], digests[1]);
        assert!(digests[0] != digests[2] && digests[0] != digests[3]);
        assert_ne!(same.digest(0), same.digest(1));
    }

    #[test]
    fn an_old_or_evicting_redis_is_refused() {
        assert!(matches!(
            check(&FIT.replace("7.0.15", "6.2.1")),
            Err(BusError::TooOld(version)) if version == "6.2.1"
        ));
        assert!(matches!(
            check(&FIT.replace("noeviction", "allkeys-lru")),
            Err(BusError::Evicts(policy)) if policy == "allkeys-lru"
        ));
        assert!(matches!(check(""), Err(BusError::TooOld(_))));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ_between_nodes() {
        let (mut one, mut two) = (Backoff::new("one"), Backoff::new("two"));
        let pauses: Vec<_> = (0..20).map(|_| one.pause()).collect();
        assert!(pauses[0] < FIRST_PAUSE && pauses[19] >= LONGEST_PAUSE / 2);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        assert_ne!(pauses, (0..20).map(|_| two.pause()).collect::<Vec<_>>());
        one.reset();
        assert!(one.pause() <= FIRST_PAUSE);
    }
}
