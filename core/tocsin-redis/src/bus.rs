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
use crate::publisher::Publisher;
use crate::queue::Queue;
use crate::reader::{Reader, Steering, inbox_name};
use crate::sink::Sink;

/// A node's part of the bus.
pub struct Bus {
    config: Arc<BusConfig>,
    queue: Arc<Queue>,
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
        drop(Link::open(&config, Duration::ZERO)?);
        let config = Arc::new(config);
        let names = Names::new(&config.prefix, config.partitions);
        let queue = Arc::new(Queue::new(config.queue_max_bytes));
        let (steering, figures) = (Arc::new(Steering::default()), Arc::new(Figures::default()));
        let desk = Arc::new(Desk::default());
        let heirs = Heirs {
            config: Arc::clone(&config),
            names: names.clone(),
            desk: Arc::clone(&desk),
            sink: Arc::clone(&sink),
        };
        let publisher = Publisher {
            config: Arc::clone(&config),
            names: names.clone(),
            queue: Arc::clone(&queue),
            figures: Arc::clone(&figures),
            sink: Arc::clone(&sink),
        };
        let reader = Reader {
            config: Arc::clone(&config),
            names,
            steering: Arc::clone(&steering),
            figures: Arc::clone(&figures),
            desk: Arc::clone(&desk),
            journals_lost: Arc::new(AtomicBool::new(true)),
            sink,
        };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(run)
                .expect("a thread for the bus")
        };
        let threads = vec![
            spawn("tocsin-publish", Box::new(|| publisher.run())),
            spawn("tocsin-inbox", Box::new(|| reader.run())),
            spawn("tocsin-heir", Box::new(|| heirs.run())),
        ];
        Ok(Self {
            config,
            queue,
            steering,
            figures,
            desk,
            threads,
        })
    }

    /// Publishes committed events in commit order, and ephemeral ones.
    pub fn publish(&self, events: &[Envelope]) {
        self.queue.publish(events);
    }

    /// Asks for all later events of the scopes, for the inbox of an incarnation. Answered by
    /// [`Registered`](crate::Note::Registered).
    pub fn register(&self, ticket: u64, incarnation: u64, scopes: Vec<Scope>) {
        let node = inbox_name(&self.config.node, incarnation);
        self.queue.register(ticket, node, scopes);
    }

    /// Lets the next events of a scope in, whatever is missing before them: the nodes find the hole. For a hole that
    /// nothing can fill any more.
    pub fn forget(&self, scope: Scope) {
        self.queue.forget(scope);
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
        self.queue.sizes()
    }

    /// Publishes what waits, for at most `grace`, and ends the threads. The inbox stays until its time is over.
    pub fn stop(mut self, grace: Duration) {
        self.end(grace);
    }

    fn end(&mut self, grace: Duration) {
        self.queue.close(grace);
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
