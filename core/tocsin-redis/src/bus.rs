//! `Bus`: a node's part of the bus: its threads, and the calls that reach them. None of the calls blocks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use tocsin_bus::{Envelope, Scope, SessionId};

use crate::config::BusConfig;
use crate::desk::{Desk, Wanted};
use crate::error::BusError;
use crate::figures::Figures;
use crate::heir::Heirs;
use crate::link::Link;
use crate::names::Names;
use crate::outages::Outages;
use crate::publisher::Publisher;
use crate::queue::{Queue, USER_SCOPE};
use crate::reader::{Reader, inbox_name};
use crate::registrations::Registrations;
use crate::routes::Routes;
use crate::sink::Sink;
use crate::steering::Steering;

/// A node's part of the bus.
pub struct Bus {
    config: Arc<BusConfig>,
    names: Names,
    /// One per lane: a lane whose Redis is away holds up no other.
    queues: Vec<Arc<Queue>>,
    /// The lane of each partition.
    lanes: Vec<usize>,
    registrations: Arc<Registrations>,
    steering: Arc<Steering>,
    figures: Arc<Figures>,
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Bus")
            .field("node", &self.config.node)
            .finish_non_exhaustive()
    }
}

impl Bus {
    /// Begins. `sink` is told [`Opened`](crate::Note::Opened) when the node has its inbox.
    ///
    /// # Errors
    /// [`BusError`]: there is no fit Redis now. Later it may go away and come back.
    pub fn start(config: BusConfig, sink: Arc<dyn Sink>) -> Result<Self, BusError> {
        let config = Arc::new(config);
        let routes = Arc::new(Routes::find(Arc::clone(&config))?);
        let names = routes.names.clone();
        let parts = routes.lanes();
        for lane in &parts {
            drop(Link::open(&routes, lane[0], Duration::ZERO)?);
        }
        let mut lanes = vec![0; names.partitions() as usize];
        for (number, lane) in parts.iter().enumerate() {
            for &partition in lane {
                lanes[partition as usize] = number;
            }
        }
        let steering = Arc::new(Steering::new(parts.len()));
        let figures = Arc::new(Figures::default());
        let desk = Arc::new(Desk::default());
        let registrations = Arc::new(Registrations::default());
        let outages = Outages::new(Arc::clone(&sink));
        let journals_lost = Arc::new(AtomicBool::new(true));
        let heirs = Heirs {
            config: Arc::clone(&config),
            names: names.clone(),
            routes: Arc::clone(&routes),
            desk: Arc::clone(&desk),
            sink: Arc::clone(&sink),
        };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(run)
                .expect("a thread for the bus")
        };
        let mut threads = vec![spawn("tocsin-heir", Box::new(|| heirs.run()))];
        let mut queues = Vec::new();
        for partitions in parts.iter().cloned() {
            let queue = Arc::new(Queue::new(config.queue_max_bytes / parts.len()));
            queues.push(Arc::clone(&queue));
            let publisher = Publisher {
                config: Arc::clone(&config),
                names: names.clone(),
                routes: Arc::clone(&routes),
                partitions: partitions.clone(),
                queue,
                registrations: Arc::clone(&registrations),
                watch: outages.watch(),
                figures: Arc::clone(&figures),
                sink: Arc::clone(&sink),
            };
            let reader = Reader {
                config: Arc::clone(&config),
                names: names.clone(),
                routes: Arc::clone(&routes),
                partitions,
                watch: outages.watch(),
                steering: Arc::clone(&steering),
                figures: Arc::clone(&figures),
                desk: Arc::clone(&desk),
                journals_lost: Arc::clone(&journals_lost),
                sink: Arc::clone(&sink),
            };
            threads.push(spawn("tocsin-publish", Box::new(|| publisher.run())));
            threads.push(spawn("tocsin-inbox", Box::new(|| reader.run())));
        }
        Ok(Self {
            config,
            names,
            queues,
            lanes,
            registrations,
            steering,
            figures,
            desk,
            threads,
        })
    }

    /// Publishes committed events in commit order, and ephemeral ones.
    pub fn publish(&self, events: &[Envelope]) {
        if let [queue] = &self.queues[..] {
            return queue.publish(events);
        }
        let mut parts = vec![Vec::new(); self.queues.len()];
        for event in events {
            parts[self.lane(event.scope)].push(event);
        }
        for (queue, part) in self.queues.iter().zip(parts) {
            if !part.is_empty() {
                queue.publish(part);
            }
        }
    }

    /// Asks for all later events of the scopes, for the inbox of an incarnation. Answered by
    /// [`Registered`](crate::Note::Registered).
    pub fn register(&self, ticket: u64, incarnation: u64, scopes: Vec<Scope>) {
        let node = inbox_name(&self.config.node, incarnation);
        let mut parts: Vec<Vec<Scope>> = vec![Vec::new(); self.queues.len()];
        for scope in scopes {
            if scope.kind == USER_SCOPE {
                parts.iter_mut().for_each(|part| part.push(scope));
            } else {
                parts[self.lane(scope)].push(scope);
            }
        }
        let mut parts: Vec<_> = self.queues.iter().zip(parts).collect();
        // Nothing to register: the first lane sees whether the inbox is there.
        let some = parts.iter().any(|(_, part)| !part.is_empty());
        parts.retain(|(_, part)| !some || !part.is_empty());
        parts.truncate(if some { parts.len() } else { 1 });
        self.registrations.expect(ticket, parts.len());
        for (queue, part) in parts {
            queue.register(ticket, node.clone(), part);
        }
    }

    fn lane(&self, scope: Scope) -> usize {
        self.lanes[self.names.partition(scope) as usize]
    }

    /// Goes on with a scope's log after a place, as if all up to it had been published: where nobody knows how far it
    /// was, or, if `over_hole`, where nothing can fill what is missing; the nodes find the hole.
    pub fn begin(&self, scope: Scope, after: u64, over_hole: bool) {
        self.queues[self.lane(scope)].begin(scope, after, over_hole);
    }

    /// The inbox of this incarnation may be read: its scopes are registered, and what was missed is made good.
    pub fn go_on(&self, incarnation: u64) {
        self.steering.release(incarnation);
    }

    /// Asks for a session of another node. Answered by [`Found`](crate::Note::Found).
    pub fn find(&self, ticket: u64, id: SessionId, token_digest: [u8; 32], seq: u64) {
        self.desk.find(Wanted {
            ticket,
            id,
            digest: token_digest,
            seq,
        });
    }

    /// Takes the session that was found by this ticket over, for the session of a worker that waits for it. It goes on
    /// at some place of the inbox, or [`NotTaken`](crate::Note::NotTaken) is said.
    pub fn take(&self, ticket: u64, session: u64, worker: usize) {
        self.desk.take(ticket, session, worker);
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Octets that wait to be published, and ephemeral events dropped for want of room.
    #[must_use]
    pub fn waiting(&self) -> (usize, u64) {
        let sizes = self.queues.iter().map(|queue| queue.sizes());
        sizes.fold((0, 0), |(bytes, dropped), each| {
            (bytes + each.0, dropped + each.1)
        })
    }

    /// Publishes what waits, for at most `grace`, and ends the threads. The inbox stays until its time is over.
    pub fn stop(mut self, grace: Duration) {
        self.end(grace);
    }

    fn end(&mut self, grace: Duration) {
        for queue in &self.queues {
            queue.close(grace);
        }
        self.steering.end();
        self.desk.end();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on stderr.
            let _ = thread.join();
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}
