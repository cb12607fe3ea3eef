//! `Gateway`: starts and stops the workers and the dispatcher, and is the host's only door to them.

use std::os::fd::RawFd;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Interest, Poll};
use tocsin_bus::Envelope;
use tocsin_bus::journal::{JournalSink, Position};

use crate::command::Command;
use crate::config::GatewayConfig;
use crate::dispatcher::{Dispatcher, Inbox, Item};
use crate::error::GatewayError;
use crate::flight::{Passage, Passages};
use crate::host::{HostQueue, HostRequest};
use crate::listener;
use crate::mailbox::Mailbox;
use crate::message::WorkerMessage;
use crate::metrics::{self, Metrics};
use crate::registry::Registry;
use crate::worker::{self, Worker};

/// What all threads of one gateway share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: GatewayConfig,
    pub(crate) clock: Clock,
    pub(crate) host: HostQueue,
    pub(crate) registry: Registry,
    pub(crate) metrics: Metrics,
    pub(crate) mailboxes: Vec<Mailbox<WorkerMessage>>,
    pub(crate) inbox: Inbox,
    pub(crate) connections: AtomicUsize,
    pub(crate) passages: Passages,
}

impl Shared {
    /// What the threads around these polls share.
    pub(crate) fn new(config: GatewayConfig, polls: &[Poll]) -> Result<Self, GatewayError> {
        let mailboxes = polls
            .iter()
            .map(|poll| Mailbox::new(poll.registry(), worker::WAKE))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            clock: Clock(Instant::now()),
            host: HostQueue::new(config.host_queue_max)?,
            registry: Registry::default(),
            metrics: Metrics::new(polls.len()),
            mailboxes,
            inbox: Inbox::default(),
            connections: AtomicUsize::new(0),
            passages: Passages::default(),
            config,
        })
    }
}

/// Milliseconds since the gateway began; the same for all its threads, and never back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// The time now.
    pub(crate) fn now_ms(self) -> u64 {
        self.ms_at(Instant::now())
    }

    /// The time at an instant.
    pub(crate) fn ms_at(self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.0);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    port: u16,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.inbox.put(Item::Stop);
        for mailbox in &self.shared.mailboxes {
            mailbox.put(WorkerMessage::Stop);
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked outside its turns has nothing left to join for.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
enum State {
    New,
    Running(Running),
    Stopped,
}

/// The running gateway half: worker threads and the dispatcher.
#[derive(Debug)]
pub struct Gateway {
    config: GatewayConfig,
    state: Mutex<State>,
}

impl Gateway {
    /// A gateway that is not started.
    #[must_use]
    pub fn new(config: GatewayConfig) -> Self {
        Self {
            config,
            state: Mutex::new(State::New),
        }
    }

    /// Binds the port and starts the threads; returns once every worker accepts.
    ///
    /// # Errors
    /// A setting is out of range, the port cannot be bound, or it was started before.
    pub fn start(&self) -> Result<(), GatewayError> {
        let mut state = self.lock();
        if !matches!(*state, State::New) {
            return Err(GatewayError::AlreadyStarted);
        }
        self.config.validate()?;
        *state = State::Running(launch(self.config.clone())?);
        Ok(())
    }

    /// The port the workers listen on.
    ///
    /// # Errors
    /// `NotRunning`, as for every method below.
    pub fn port(&self) -> Result<u16, GatewayError> {
        match &*self.lock() {
            State::Running(running) => Ok(running.port),
            _ => Err(GatewayError::NotRunning),
        }
    }

    /// The descriptor that is readable while requests wait; it lives until `stop`.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn fileno(&self) -> Result<RawFd, GatewayError> {
        Ok(self.shared()?.host.fd())
    }

    /// Waits until requests wait, for a host without an event loop; `false` when none came in time.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn wait(&self, timeout: Duration) -> Result<bool, GatewayError> {
        Ok(self.shared()?.host.wait(timeout))
    }

    /// Takes up to `max` requests in order.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn drain(&self, max: usize) -> Result<Vec<HostRequest>, GatewayError> {
        Ok(self.shared()?.host.drain(max))
    }

    /// Lets changes of presence wait until something else wakes the host or it drains by itself, or each wake it again.
    /// Whoever ends that drains after it.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn let_presences_wait(&self, patient: bool) -> Result<(), GatewayError> {
        self.shared()?.host.let_presences_wait(patient);
        Ok(())
    }

    /// Hands a batch of commands to the dispatcher: one item of its queue.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn submit(&self, commands: Vec<Command>) -> Result<(), GatewayError> {
        let shared = self.shared()?;
        if !commands.is_empty() {
            shared.inbox.put(Item::Batch(commands));
        }
        Ok(())
    }

    /// A way in for the bus.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn door(&self) -> Result<Door, GatewayError> {
        Ok(Door {
            shared: self.shared()?,
        })
    }

    /// Figures by name.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn stats(&self) -> Result<Vec<(&'static str, u64)>, GatewayError> {
        let shared = self.shared()?;
        let m = &shared.metrics;
        Ok(vec![
            ("connections", m.sum(|w| &w.connections)),
            ("sessions", m.sum(|w| &w.sessions)),
            ("detached_sessions", m.sum(|w| &w.detached)),
            ("host_queue", shared.host.len() as u64),
            ("host_refused", shared.host.refused()),
            ("dispatcher_queue", m.dispatcher.queue.get()),
            ("dispatches", m.sum(|w| &w.dispatches)),
            ("bytes_in", m.sum(|w| &w.bytes_in)),
            ("bytes_out", m.sum(|w| &w.bytes_out)),
            ("frames_in", m.sum(|w| &w.frames_in)),
            ("slow_clients", m.sum(|w| &w.slow_clients)),
            ("broken_streams", m.sum(|w| &w.broken_streams)),
            ("zombies", m.sum(|w| &w.zombies)),
            ("panics", m.sum(|w| &w.panics)),
            ("gaps", m.dispatcher.gaps.get()),
            ("workers", shared.mailboxes.len() as u64),
        ])
    }

    /// Prometheus text exposition.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn metrics(&self) -> Result<String, GatewayError> {
        let shared = self.shared()?;
        let mut out = shared.metrics.text(&shared.host, shared.passages.lost());
        metrics::mailboxes(&mut out, &shared.mailboxes);
        Ok(out)
    }

    /// What traced events went through since this was last asked.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn passages(&self) -> Result<Vec<Passage>, GatewayError> {
        Ok(self.shared()?.passages.take())
    }

    /// Stops accepting, spreads op 7 over `spread_ms`, then closes what is left with 4000. Sessions are kept.
    ///
    /// # Errors
    /// `NotRunning`.
    pub fn begin_drain(&self, spread_ms: u64) -> Result<(), GatewayError> {
        let shared = self.shared()?;
        for mailbox in &shared.mailboxes {
            mailbox.put(WorkerMessage::Drain { spread_ms });
        }
        Ok(())
    }

    /// Ends and joins the threads, which drops every connection; idempotent.
    pub fn stop(&self) {
        let previous = std::mem::replace(&mut *self.lock(), State::Stopped);
        drop(previous);
    }

    fn shared(&self) -> Result<Arc<Shared>, GatewayError> {
        match &*self.lock() {
            State::Running(running) => Ok(Arc::clone(&running.shared)),
            _ => Err(GatewayError::NotRunning),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the bus puts what it brings. It may outlive the gateway, which then takes nothing more from it.
#[derive(Debug, Clone)]
pub struct Door {
    shared: Arc<Shared>,
}

impl Door {
    /// Hands events to the dispatcher, in order, as one item of its queue: all there were up to the place of the inbox, if
    /// it has one.
    pub fn publish(&self, events: Vec<Envelope>, position: Position) {
        let commands = events
            .into_iter()
            .map(|event| Command::Publish(Box::new(event)))
            .collect();
        self.shared.inbox.put(Item::Arrived(commands, position));
    }

    /// Orders something at this place of the inbox.
    pub fn order(&self, command: Command) {
        self.shared.inbox.put(Item::Batch(vec![command]));
    }

    /// How many workers have a journal: all, or none where nobody may resume.
    #[must_use]
    pub fn workers(&self) -> usize {
        if self.shared.config.resume_window_ms == 0 {
            return 0;
        }
        self.shared.mailboxes.len()
    }

    /// What a worker's sessions are given is written there from now on. `epoch` differs from all before.
    pub fn write_to(&self, worker: usize, journal: Box<dyn JournalSink>, epoch: u64) {
        let begin = Item::Journal {
            worker,
            journal,
            epoch,
        };
        self.shared.inbox.put(begin);
    }

    /// Tells the control plane.
    pub fn tell(&self, request: HostRequest) {
        self.shared.host.push_always(request);
    }
}

fn launch(config: GatewayConfig) -> Result<Running, GatewayError> {
    listener::raise_open_files();
    let (listeners, address) = listener::bind(&config.host, config.port, config.workers)?;
    let polls = (0..config.workers)
        .map(|_| Poll::new())
        .collect::<Result<Vec<_>, _>>()?;
    let shared = Arc::new(Shared::new(config, &polls)?);
    let mut running = Running {
        port: address.port(),
        threads: Vec::with_capacity(polls.len() + 1),
        shared: Arc::clone(&shared),
    };
    for (index, (poll, mut listener)) in polls.into_iter().zip(listeners).enumerate() {
        poll.registry()
            .register(&mut listener, worker::LISTEN, Interest::READABLE)?;
        let shared = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("tocsin-worker-{index}"))
            .spawn(move || Worker::new(index, shared, poll, listener).run())?;
        running.threads.push(thread);
    }
    let dispatcher = Dispatcher::new(shared);
    running.threads.push(
        std::thread::Builder::new()
            .name("tocsin-dispatcher".to_owned())
            .spawn(move || dispatcher.run())?,
    );
    Ok(running)
}
