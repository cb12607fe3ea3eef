//! `Worker`: one thread's loop over its sockets, messages and timers.
//!
//! One turn = drain sockets, drain messages, fire timers, then one write per dirty connection. What a large fan-out has
//! to write is spread over turns. Nothing here blocks but the poll, and a panic costs the connection it happened in.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Poll, Token};
use slab::Slab;
use tocsin_bus::journal::Position;
use tocsin_fanout::SubscriptionIndex;

use crate::connection::Connection;
use crate::flight::Flights;
use crate::gateway::Shared;
use crate::journal::Journal;
use crate::key::SessionKey;
use crate::message::WorkerMessage;
use crate::metrics::WorkerMetrics;
use crate::sessions::Sessions;
use crate::timers::{TimerKey, Timers};
use crate::wire::Packing;

/// The mailbox's wake-up.
pub(crate) const WAKE: Token = Token(0);
/// The listening socket.
pub(crate) const LISTEN: Token = Token(1);
/// Connections use their slab index plus this.
pub(crate) const FIRST_CONNECTION: usize = 2;

/// Most events of one poll.
const EVENTS: usize = 1_024;
/// Recipients of one event that are written to in its turn, and of those after them in each turn that follows: some
/// 12 ms, for which other guilds' events and heartbeats wait at most.
const WRITES_PER_TURN: usize = 2_048;
/// After so many octets a turn leaves connections with much to write to the next ones: some 2 ms of copying, for which
/// heartbeats wait while others get their guilds.
const BYTES_PER_TURN: u64 = 2 << 20;
/// Most connections accepted in one turn, so that a storm does not starve the others.
const ACCEPTS_PER_TURN: usize = 128;
/// Pause of accepting when the process is out of descriptors.
const ACCEPT_PAUSE_MS: u64 = 100;
/// Size of the read buffer all connections of a worker share.
pub(crate) const READ_BUFFER: usize = 64 * 1024;

/// One worker: everything it owns is touched by its thread only.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) poll: Poll,
    pub(crate) listener: Option<TcpListener>,
    pub(crate) connections: Slab<Connection>,
    pub(crate) sessions: Sessions,
    pub(crate) subscriptions: SubscriptionIndex<SessionKey>,
    pub(crate) timers: Timers,
    pub(crate) now_ms: u64,
    /// Slab indices with output to write at the end of the turn.
    pub(crate) dirty: Vec<usize>,
    /// Slab indices with output of a large fan-out, to be written as turns have room for it.
    pub(crate) postponed: VecDeque<usize>,
    /// Events of which something is still to be written.
    pub(crate) flights: Flights,
    pub(crate) writes_per_turn: usize,
    pub(crate) bytes_per_turn: u64,
    /// Octets written in this turn.
    pub(crate) turn_bytes: u64,
    /// The order in hand is the turn's last: what it queues where nothing waits can as well be written.
    pub(crate) at_once: bool,
    /// Slab indices that used up their read budget and go on next turn.
    pub(crate) unread: Vec<usize>,
    pub(crate) read_buffer: Box<[u8]>,
    pub(crate) scratch: Vec<u8>,
    pub(crate) packing: Packing,
    /// Connections found over their limit during a fan-out; empty otherwise.
    pub(crate) full: Vec<usize>,
    /// Numbers connections, so that a timer never hits a later one in the same place.
    pub(crate) next_number: u64,
    pub(crate) drain: Option<crate::drain::Drain>,
    /// Where what sessions are given is written to, if other nodes may take them over.
    pub(crate) journal: Option<Journal>,
    /// What was given by now.
    pub(crate) reached: Position,
    accepting: bool,
    stopped: bool,
}

impl Worker {
    /// A worker around its poll and listener.
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        poll: Poll,
        listener: TcpListener,
    ) -> Self {
        Self {
            index,
            poll,
            listener: Some(listener),
            connections: Slab::new(),
            sessions: Sessions::new(index, shared.config.session_tag),
            subscriptions: SubscriptionIndex::default(),
            timers: Timers::default(),
            now_ms: shared.clock.now_ms(),
            dirty: Vec::new(),
            postponed: VecDeque::new(),
            flights: Flights::default(),
            writes_per_turn: WRITES_PER_TURN,
            bytes_per_turn: BYTES_PER_TURN,
            turn_bytes: 0,
            at_once: false,
            unread: Vec::new(),
            read_buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            scratch: Vec::with_capacity(READ_BUFFER),
            packing: Packing::new(index),
            full: Vec::new(),
            next_number: 0,
            drain: None,
            journal: None,
            reached: Position::default(),
            accepting: false,
            stopped: false,
            shared,
        }
    }

    /// Turns until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut messages = Vec::new();
        while !self.stopped {
            if self.poll.poll(&mut events, self.timeout()).is_err() {
                // EINTR; the turn is harmless without events.
                events.clear();
            }
            if catch_unwind(AssertUnwindSafe(|| self.turn(&events, &mut messages))).is_err() {
                self.metrics().panics.add(1);
            }
        }
        self.shared.mailboxes[self.index].close();
        let open = self.connections.len();
        self.shared.connections.fetch_sub(open, Ordering::Relaxed);
    }

    /// This worker's counters.
    pub(crate) fn metrics(&self) -> &WorkerMetrics {
        &self.shared.metrics.workers[self.index]
    }

    fn timeout(&self) -> Option<Duration> {
        let more = !self.unread.is_empty() || !self.dirty.is_empty() || !self.postponed.is_empty();
        if self.accepting || more {
            return Some(Duration::ZERO);
        }
        let next = self.timers.next_ms()?;
        // Rounded up by one, since the clock is read in whole milliseconds.
        let now = self.shared.clock.now_ms();
        Some(Duration::from_millis(
            next.saturating_sub(now)
                .saturating_add(u64::from(next > now)),
        ))
    }

    fn turn(&mut self, events: &Events, messages: &mut Vec<WorkerMessage>) {
        let began = Instant::now();
        self.now_ms = self.shared.clock.ms_at(began);
        self.turn_bytes = 0;
        let unread = std::mem::take(&mut self.unread);
        for event in events {
            match event.token() {
                WAKE => {}
                LISTEN => self.accepting = true,
                Token(token) => {
                    let index = token - FIRST_CONNECTION;
                    if event.is_writable() {
                        self.guarded(index, Self::on_writable);
                    }
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        self.guarded(index, Self::on_readable);
                    }
                }
            }
        }
        for index in unread {
            self.guarded(index, Self::on_readable);
        }
        if self.accepting {
            self.accept();
        }
        let taken = Instant::now();
        self.shared.mailboxes[self.index].take(messages);
        let mut left = messages.len();
        let mut busy = left > 0;
        for message in messages.drain(..) {
            left -= 1;
            if let WorkerMessage::Orders(_, decided) = &message {
                let waited = taken.saturating_duration_since(*decided);
                self.metrics().waits.took(waited);
            }
            self.on_message(message, left == 0);
        }
        while let Some((at, key)) = self.timers.pop_due(self.now_ms) {
            self.on_timer(at, key);
        }
        self.write_journal();
        busy |= !self.dirty.is_empty() || !self.postponed.is_empty();
        let flushed = self.flights.traced().then(Instant::now);
        self.flush_dirty();
        self.flush_postponed();
        let ended = Instant::now();
        let metrics = &self.shared.metrics.workers[self.index];
        metrics.turns.took(ended.saturating_duration_since(began));
        if busy {
            metrics.writing.took(ended.saturating_duration_since(taken));
        }
        let postponed = self.postponed.len();
        metrics.postponed.set(postponed as u64);
        let times = (flushed.unwrap_or(taken), ended);
        let passages = &self.shared.passages;
        self.flights.settle(postponed, times, metrics, passages);
    }

    /// Runs one connection's handling; a panic in it ends that connection only.
    pub(crate) fn guarded(&mut self, index: usize, handle: fn(&mut Self, usize)) {
        if !self.connections.contains(index) {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| handle(self, index))).is_err() {
            self.metrics().panics.add(1);
            if self.connections.contains(index) {
                self.fail(index, tocsin_proto::CloseCode::UnknownError.code());
            }
        }
    }

    fn on_message(&mut self, message: WorkerMessage, last: bool) {
        match message {
            WorkerMessage::Orders(orders, _) => {
                let mut left = orders.len();
                for order in orders {
                    left -= 1;
                    // What goes into a journal goes there first, at the end of the turn.
                    self.at_once = last && left == 0 && self.journal.is_none();
                    if catch_unwind(AssertUnwindSafe(|| self.on_order(order))).is_err() {
                        self.metrics().panics.add(1);
                    }
                }
            }
            WorkerMessage::Adopt(moved) => self.adopt(*moved),
            WorkerMessage::Drain { spread_ms } => self.begin_drain(spread_ms),
            WorkerMessage::Stop => self.stopped = true,
        }
    }

    fn on_timer(&mut self, at_ms: u64, key: TimerKey) {
        match key {
            TimerKey::Connection(index, number) => {
                let current = self
                    .connections
                    .get(index)
                    .is_some_and(|c| c.number == number && c.timer_at_ms == at_ms);
                if current {
                    self.guarded(index, Self::on_deadline);
                }
            }
            TimerKey::Session(key) => self.on_expiry(key),
            TimerKey::Accept => self.accepting = self.listener.is_some(),
            TimerKey::Drain => self.drain_step(),
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = &self.listener else {
                break;
            };
            match listener.accept() {
                Ok((socket, peer)) => {
                    let max = self.shared.config.max_connections;
                    if self.shared.connections.fetch_add(1, Ordering::Relaxed) >= max {
                        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
                        self.metrics().refused.add(1);
                        continue;
                    }
                    self.metrics().accepted.add(1);
                    self.open(socket, peer);
                }
                Err(error) => match error.kind() {
                    std::io::ErrorKind::WouldBlock => {
                        self.accepting = false;
                        return;
                    }
                    std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::Interrupted => {}
                    _ => {
                        // Out of descriptors or memory: the backlog holds them meanwhile.
                        self.metrics().accept_failures.add(1);
                        self.accepting = false;
                        self.timers
                            .arm(self.now_ms + ACCEPT_PAUSE_MS, TimerKey::Accept);
                        return;
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use tocsin_codec::EncodedDispatch;
    use tocsin_proto::Intents;
    use tocsin_session::ReplayLog;

    use super::*;
    use crate::config::GatewayConfig;
    use crate::connection::Stage;
    use crate::event::Delivery;
    use crate::flight::Flight;
    use crate::message::{Order, Recipients};
    use crate::sessions::Session;

    fn worker(clients: usize) -> (Worker, Vec<std::net::TcpStream>) {
        let (mut listeners, address) = crate::listener::bind("127.0.0.1", 0, 1).expect("bind");
        let poll = Poll::new().expect("poll");
        let shared =
            Shared::new(GatewayConfig::default(), std::slice::from_ref(&poll)).expect("shared");
        let listener = listeners.pop().expect("a listener");
        let mut worker = Worker::new(0, Arc::new(shared), poll, listener);
        let clients: Vec<_> = (0..clients)
            .map(|_| std::net::TcpStream::connect(address).expect("connect"))
            .collect();
        while worker.connections.len() < clients.len() {
            worker.accept();
        }
        (worker, clients)
    }

    /// Sessions on the connections, those with an even number in guild 1 and the others in guild 2.
    fn settle(worker: &mut Worker) {
        for index in 0..worker.connections.len() {
            let (key, id) = worker.sessions.reserve(index).expect("randomness");
            let session = Session {
                id,
                user_id: index as u64,
                bot: true,
                intents: Intents::ALL,
                token_digest: [0; 32],
                compress: false,
                kept: None,
                mode: crate::sessions::Mode::Live,
                connection: Some(index),
                expires_ms: u64::MAX,
                replay: ReplayLog::new(100, usize::MAX),
            };
            worker.sessions.begin(key, session);
            worker.connections[index].stage = Stage::Attached(key);
            let guild = 1 + index as u64 % 2;
            worker.subscriptions.assign(key, guild, guild as u32, true);
        }
    }

    fn event(worker: &mut Worker, guild: u64, body: &str, last: bool) {
        let delivery = Delivery {
            event: Arc::new(EncodedDispatch::new("E", body.to_owned().into(), None)),
            required: Intents::NONE,
            exclude_user: 0,
            bots_only: false,
            whole: true,
            place: None,
            part: 0,
            had_by: Vec::new(),
            guild,
            flight: Flight::new(Instant::now(), None),
        };
        let order = Order::Deliver(Arc::new(delivery), Recipients::Guild(guild));
        worker.on_message(WorkerMessage::Orders(vec![order], Instant::now()), last);
    }

    /// What has arrived, by its first octets and order: the `d` of each frame.
    fn arrived(client: &mut std::net::TcpStream) -> Vec<String> {
        let mut bytes = vec![0; 4_096];
        client.set_nonblocking(true).expect("nonblocking");
        let n = match client.read(&mut bytes) {
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        };
        let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
        text.split("\"d\":")
            .skip(1)
            .map(|rest| rest.split('}').next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn another_guilds_event_waits_for_a_slice_of_a_large_fan_out_and_each_session_has_its_order() {
        for last in [true, false] {
            let (mut worker, mut clients) = worker(40);
            settle(&mut worker);
            worker.writes_per_turn = 3;
            event(&mut worker, 1, "1", last);
            worker.flush_dirty();
            worker.flush_postponed();
            let before = worker.metrics().writes.get();
            assert_eq!(before, 6, "what is over waits");
            event(&mut worker, 1, "2", last);
            event(&mut worker, 2, "3", last);
            worker.flush_dirty();
            let other = (1..40)
                .step_by(2)
                .filter(|&at| !arrived(&mut clients[at]).is_empty());
            assert_eq!(other.count(), 3, "the other guild's first slice is out");
            let waited = worker.metrics().writes.get() - before;
            assert_eq!(
                waited, 6,
                "after no more than a slice of the large one's second event"
            );
            let mut turns = 0;
            while !worker.postponed.is_empty() || !worker.dirty.is_empty() {
                worker.flush_dirty();
                worker.flush_postponed();
                turns += 1;
            }
            assert!(turns >= 10);
            for at in (0..40).step_by(2) {
                let got = arrived(&mut clients[at]);
                assert_eq!(got, ["1", "2"]);
            }
        }
    }

    #[test]
    fn those_with_much_to_write_take_turns_and_the_others_do_not_wait_for_them() {
        let (mut worker, mut clients) = worker(40);
        settle(&mut worker);
        worker.bytes_per_turn = 50_000;
        event(&mut worker, 1, &"1".repeat(20_000), false);
        event(&mut worker, 2, "2", false);
        worker.flush_dirty();
        worker.flush_postponed();
        assert_eq!(worker.postponed.len(), 17, "three wrote the turn's share");
        for at in (1..40).step_by(2) {
            assert_eq!(arrived(&mut clients[at]), ["2"]);
        }
        event(&mut worker, 1, "3", false);
        let mut turns = 0;
        while !worker.postponed.is_empty() || !worker.dirty.is_empty() {
            worker.turn_bytes = 0;
            worker.flush_dirty();
            worker.flush_postponed();
            turns += 1;
        }
        assert!(turns >= 6);
        for at in (0..40).step_by(2) {
            let mut all = vec![0; 30_000];
            clients[at].set_nonblocking(false).expect("blocking");
            let mut got = 0;
            while !all[..got].ends_with(b"\"d\":3}") {
                got += clients[at].read(&mut all[got..]).expect("octets");
            }
            assert!(got > 20_000, "the large one came first");
        }
    }

    #[test]
    fn a_panic_costs_the_connection_it_happened_in_and_no_other() {
        let (mut worker, _clients) = worker(2);
        worker.guarded(0, |_, _| panic!("in the handling of a connection"));
        assert_eq!(worker.metrics().panics.get(), 1);
        assert!(!worker.connections.contains(0) && worker.connections.contains(1));
        assert_eq!(worker.metrics().connections.get(), 1);
    }
}
