//! `Drain`: send every client away, spread over a time, so that they resume elsewhere; the sessions are kept.

use tocsin_proto::CloseCode;

use crate::connection::Stage;
use crate::control::Control;
use crate::timers::TimerKey;
use crate::worker::Worker;

/// How long a client has to act on op 7 before it is closed (protocol.md §1.3: "closes a few seconds later").
const GRACE_MS: u64 = 3_000;
/// The pace of a drain.
const STEP_MS: u64 = 20;

/// A drain under way.
#[derive(Debug)]
pub(crate) struct Drain {
    started_ms: u64,
    spread_ms: u64,
    /// Connections there were, by slab index and number.
    waiting: Vec<(usize, u64)>,
    total: usize,
}

impl Worker {
    /// Stops accepting and begins to send clients away.
    pub(crate) fn begin_drain(&mut self, spread_ms: u64) {
        if let Some(mut listener) = self.listener.take() {
            // Closed next; what the kernel has queued for it is reset.
            let _ = self.poll.registry().deregister(&mut listener);
        }
        if self.drain.is_some() {
            return;
        }
        let waiting: Vec<_> = self
            .connections
            .iter()
            .map(|(index, connection)| (index, connection.number))
            .collect();
        self.drain = Some(Drain {
            started_ms: self.now_ms,
            spread_ms,
            total: waiting.len(),
            waiting,
        });
        self.drain_step();
    }

    /// Sends away as many as are due by now.
    pub(crate) fn drain_step(&mut self) {
        let now_ms = self.now_ms;
        let Some(drain) = &mut self.drain else {
            return;
        };
        let elapsed = now_ms - drain.started_ms;
        let keep = if elapsed >= drain.spread_ms {
            0
        } else {
            let left = u128::from(drain.spread_ms - elapsed) * drain.total as u128;
            usize::try_from(left / u128::from(drain.spread_ms)).unwrap_or(0)
        };
        let due = drain.waiting.split_off(keep.min(drain.waiting.len()));
        if !drain.waiting.is_empty() {
            self.timers.arm(now_ms + STEP_MS, TimerKey::Drain);
        }
        for (index, number) in due {
            let same = self
                .connections
                .get(index)
                .is_some_and(|c| c.number == number);
            if same {
                self.send_away(index);
            }
        }
    }

    /// Op 7, and a close with 4000 when the client has not left after the grace.
    pub(crate) fn send_away(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        match connection.stage {
            Stage::Closing { .. } => return,
            Stage::Handshake => {
                self.drop_connection(index, CloseCode::UnknownError.code());
                return;
            }
            _ => {}
        }
        connection.leaving = true;
        connection.deadline_ms = self.now_ms + GRACE_MS;
        self.send(index, Control::Reconnect);
        self.arm(index);
    }
}
