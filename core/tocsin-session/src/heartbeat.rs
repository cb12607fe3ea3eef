//! `Heartbeat`: when to ask a silent client for a sign of life, and when to give it up (protocol.md §1.7).

/// What a connection's silence means now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Nothing to do until the time in ms.
    Fine(u64),
    /// Ask for a heartbeat now, then look again at the time in ms.
    Ask(u64),
    /// Silent for 1.5 intervals.
    Dead,
}

/// The last sign of life. Counts from the HELLO on.
#[derive(Debug, Clone, Copy)]
pub struct Heartbeat {
    interval_ms: u64,
    last_ms: u64,
    asked: bool,
}

impl Heartbeat {
    /// Starts counting at `now_ms`.
    #[must_use]
    pub const fn new(interval_ms: u64, now_ms: u64) -> Self {
        Self {
            interval_ms,
            last_ms: now_ms,
            asked: false,
        }
    }

    /// A heartbeat arrived.
    pub const fn beat(&mut self, now_ms: u64) {
        self.last_ms = now_ms;
        self.asked = false;
    }

    /// The next time at which [`check`](Self::check) has something to say.
    #[must_use]
    pub const fn next_ms(&self) -> u64 {
        if self.asked {
            self.dead_ms()
        } else {
            self.ask_ms()
        }
    }

    const fn ask_ms(&self) -> u64 {
        self.last_ms + self.interval_ms + self.interval_ms / 4
    }

    const fn dead_ms(&self) -> u64 {
        self.last_ms + self.interval_ms + self.interval_ms / 2
    }

    /// Judges the silence. `Ask` is said once per silence, and not by who looks too late: after being frozen for so long,
    /// its client may be another node's.
    pub const fn check(&mut self, now_ms: u64) -> Liveness {
        if now_ms >= self.dead_ms() {
            return Liveness::Dead;
        }
        if !self.asked && now_ms >= self.ask_ms() {
            self.asked = true;
            return Liveness::Ask(self.dead_ms());
        }
        Liveness::Fine(self.next_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::{Heartbeat, Liveness};

    #[test]
    fn silence_is_asked_about_once_and_ends_at_one_and_a_half_intervals() {
        let mut heartbeat = Heartbeat::new(1000, 0);
        assert_eq!(heartbeat.check(1249), Liveness::Fine(1250));
        assert_eq!(heartbeat.check(1250), Liveness::Ask(1500));
        assert_eq!(heartbeat.check(1400), Liveness::Fine(1500));
        assert_eq!(heartbeat.check(1500), Liveness::Dead);
    }

    #[test]
    fn a_beat_starts_the_count_anew() {
        let mut heartbeat = Heartbeat::new(1000, 0);
        assert_eq!(heartbeat.check(1300), Liveness::Ask(1500));
        heartbeat.beat(1450);
        assert_eq!(heartbeat.check(1500), Liveness::Fine(2700));
        assert_eq!(heartbeat.next_ms(), 2700);
    }
}
