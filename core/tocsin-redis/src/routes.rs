//! `Routes`: the way to the keys of a partition: the one Redis, or of a cluster the master of their slot.

use std::sync::{Arc, Mutex, PoisonError};

use redis::{Client, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Value, cmd};

use crate::config::BusConfig;
use crate::error::BusError;
use crate::names::Names;
use crate::slots::{Address, Map};

/// How many members of a cluster one attempt asks: one that does not answer takes the whole `timeout`.
const ASKED: usize = 2;

/// The way to each partition's keys. A cluster's map is asked for anew with each connection: one is made because the
/// one before broke or was sent elsewhere, and then an old map is worth nothing.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) config: Arc<BusConfig>,
    pub(crate) names: Names,
    clustered: bool,
    given: ConnectionInfo,
    /// The members of the cluster; the one that answered last is first.
    members: Mutex<Vec<ConnectionAddr>>,
}

impl Routes {
    /// Asks the Redis of the URL whether it is one of a cluster.
    pub(crate) fn find(config: Arc<BusConfig>) -> Result<Self, BusError> {
        let given = config.url.as_str().into_connection_info()?;
        let names = Names::new(&config.prefix, config.partitions);
        let mut routes = Self {
            config,
            names,
            clustered: false,
            members: Mutex::new(vec![given.addr().clone()]),
            given,
        };
        let mut connection = routes.connect(routes.given.addr())?;
        let info: String = cmd("INFO").arg("cluster").query(&mut connection)?;
        routes.clustered = info.contains("cluster_enabled:1");
        Ok(routes)
    }

    /// Whether it is a cluster's, whose slots may move.
    pub(crate) fn is_clustered(&self) -> bool {
        self.clustered
    }

    /// The partitions, those together that one connection serves: one command may name keys of one slot only.
    pub(crate) fn lanes(&self) -> Vec<Vec<u32>> {
        let partitions = 0..self.names.partitions();
        if self.clustered {
            partitions.map(|partition| vec![partition]).collect()
        } else {
            vec![partitions.collect()]
        }
    }

    /// Connects to where a partition's keys are now. Answers are waited for up to the configuration's `timeout`.
    pub(crate) fn to(&self, partition: u32) -> Result<Connection, BusError> {
        if !self.clustered {
            return self.connect(self.given.addr());
        }
        let slot = self.names.slot(partition);
        let members = self.members().clone();
        let mut trouble = BusError::Down;
        for member in members.iter().take(ASKED) {
            match self.ask(member) {
                Ok((connection, map)) => {
                    let master = map.master(slot).ok_or(BusError::Down)?;
                    let master = self.address(member, master);
                    self.remember(member, &map);
                    return if master == *member {
                        Ok(connection)
                    } else {
                        self.connect(&master)
                    };
                }
                Err(error) => {
                    self.demote(member);
                    trouble = error;
                }
            }
        }
        Err(trouble)
    }

    fn ask(&self, member: &ConnectionAddr) -> Result<(Connection, Map), BusError> {
        let mut connection = self.connect(member)?;
        let info: String = cmd("CLUSTER").arg("INFO").query(&mut connection)?;
        if !info.contains("cluster_state:ok") {
            // What it knows may be old: it does not hear the others, or they do not agree.
            return Err(BusError::Down);
        }
        let slots: Value = cmd("CLUSTER").arg("SLOTS").query(&mut connection)?;
        let map = Map::read(slots).ok_or(BusError::Answer)?;
        Ok((connection, map))
    }

    fn connect(&self, address: &ConnectionAddr) -> Result<Connection, BusError> {
        let client = Client::open(self.given.clone().set_addr(address.clone()))?;
        let timeout = self.config.timeout;
        let connected = client
            .get_connection_with_timeout(timeout)
            .and_then(|connection| {
                connection.set_read_timeout(Some(timeout))?;
                connection.set_write_timeout(Some(timeout))?;
                Ok(connection)
            });
        connected.map_err(|error| match self.clustered {
            true => BusError::Member(address.to_string(), error),
            false => error.into(),
        })
    }

    /// Where a member is, as another one says that was asked.
    fn address(&self, asked: &ConnectionAddr, (host, port): &Address) -> ConnectionAddr {
        let host = host.clone().unwrap_or_else(|| match asked {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
            _ => "127.0.0.1".to_owned(),
        });
        match self.given.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port: *port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, *port),
        }
    }

    fn remember(&self, asked: &ConnectionAddr, map: &Map) {
        let others = map.members.iter().map(|each| self.address(asked, each));
        let mut members = vec![asked.clone()];
        // The one that was given is a name perhaps, of whatever members there will be.
        for member in others.chain([self.given.addr().clone()]) {
            if !members.contains(&member) {
                members.push(member);
            }
        }
        *self.members() = members;
    }

    /// Asks another one first next time.
    fn demote(&self, member: &ConnectionAddr) {
        let mut members = self.members();
        if let Some(at) = members.iter().position(|each| each == member) {
            let member = members.remove(at);
            members.push(member);
        }
    }

    fn members(&self) -> std::sync::MutexGuard<'_, Vec<ConnectionAddr>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
