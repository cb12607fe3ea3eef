//! `SendBudget`: how many payloads a connection may send in a window (protocol.md §1.8).

/// Counts payloads in windows that begin with the first payload after the last window's end.
#[derive(Debug, Clone, Copy)]
pub struct SendBudget {
    limit: u32,
    window_ms: u32,
    window_ends_ms: u64,
    used: u32,
}

impl SendBudget {
    /// A budget of `limit` payloads per `window_ms`.
    #[must_use]
    pub const fn new(limit: u32, window_ms: u32) -> Self {
        Self {
            limit,
            window_ms,
            window_ends_ms: 0,
            used: 0,
        }
    }

    /// Takes one payload into account; `false` when it is one too many.
    pub fn spend(&mut self, now_ms: u64) -> bool {
        if now_ms >= self.window_ends_ms {
            self.window_ends_ms = now_ms + u64::from(self.window_ms);
            self.used = 0;
        }
        self.used = self.used.saturating_add(1);
        self.used <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::SendBudget;

    #[test]
    fn the_limit_holds_within_a_window_and_starts_anew_after_it() {
        let mut budget = SendBudget::new(120, 60_000);
        assert!((0..120).all(|at| budget.spend(at * 100)));
        assert!(!budget.spend(59_999));
        assert!(budget.spend(60_000));
    }
}
