//! `Drain`: send every client away, spread over a time, so that they resume elsewhere; the sessions are kept.

use tocsin_proto::CloseCode;

use crate::connection::Stage;
use crate::control::Control;
use crate::timers::TimerKey;
use crate::worker::Worker;

/// How long a client has to act on op 7 before it is closed (protocol.md §1.3: "closes a few seconds later").
const GRACE_MS: u64 = 3_000;
/// How often is looked who is due.
const STEP_MS: u64 = 20;
/// So many go together where few are due at a time: sessions that are taken over at once share most of the work.
const TOGETHER: usize = 16;
/// In how many parts at least the clients go.
const PARTS: usize = 16;

/// A drain under way.
#[derive(Debug)]
pub(crate) struct Drain {
    started_ms: u64,
    spread_ms: u64,
    /// Connections there were, by slab index and number.
    waiting: Vec<(usize, u64)>,
    total: usize,
}

impl Drain {
    /// How many are to go so long after the beginning.
    fn due(&self, elapsed_ms: u64) -> usize {
        if elapsed_ms >= self.spread_ms {
            return self.waiting.len();
        }
        let left = u128::from(self.spread_ms - elapsed_ms) * self.total as u128;
        let keep = usize::try_from(left / u128::from(self.spread_ms)).unwrap_or(0);
        let due = self.waiting.len().saturating_sub(keep);
        let together = TOGETHER.min(self.total / PARTS);
        if due < together { 0 } else { due }
    }
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
        let due = drain.due(now_ms.saturating_sub(drain.started_ms));
        let due = drain.waiting.split_off(drain.waiting.len() - due);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// After which ms how many went, looked at every `STEP_MS`.
    fn pace(total: usize, spread_ms: u64) -> Vec<(u64, usize)> {
        let mut drain = Drain {
            started_ms: 0,
            spread_ms,
            waiting: (0..total).map(|index| (index, 0)).collect(),
            total,
        };
        let mut went = Vec::new();
        for elapsed_ms in (0..=spread_ms).step_by(STEP_MS as usize) {
            let due = drain.due(elapsed_ms);
            if due > 0 {
                went.push((elapsed_ms, due));
                drain.waiting.truncate(drain.waiting.len() - due);
            }
        }
        went
    }

    #[test]
    fn many_go_evenly() {
        let went = pace(10_000, 1_000);
        assert!(went.iter().all(|&(_, due)| due <= 200), "{went:?}");
        assert_eq!(went.iter().map(|each| each.1).sum::<usize>(), 10_000);
    }

    #[test]
    fn few_at_a_time_go_together() {
        let went = pace(1_000, 60_000);
        assert!(went.iter().all(|&(_, due)| due <= TOGETHER), "{went:?}");
        assert_eq!(went.len(), 1_000_usize.div_ceil(TOGETHER));
        // As if each went by itself: the last of a part goes when it would have.
        assert!((900..=960).contains(&went[0].0), "{went:?}");
    }

    #[test]
    fn the_last_goes_at_the_end_and_a_few_are_still_spread() {
        let went = pace(40, 1_000);
        assert!(went.len() >= PARTS, "{went:?}");
        assert_eq!(went.iter().map(|each| each.1).sum::<usize>(), 40);
        assert_eq!(pace(3, 40).iter().map(|each| each.1).sum::<usize>(), 3);
        assert_eq!(pace(3, 0), [(0, 3)]);
    }
}
