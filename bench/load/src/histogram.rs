//! Histogram: durations in buckets of 1.6 % width, from 1 ns to hours.

use std::time::Duration;

use serde_json::{Value, json};

const SUB: usize = 64;
const OCTAVES: usize = 44;

/// Counts durations.
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

fn bucket(ns: u64) -> usize {
    let octave = (63 - (ns | 1).leading_zeros() as usize).saturating_sub(6);
    ((octave * SUB) + (ns >> octave) as usize).min(SUB * OCTAVES - 1)
}

fn lowest_of(bucket: usize) -> u64 {
    let octave = (bucket / SUB).saturating_sub(1);
    ((bucket - octave * SUB) as u64) << octave
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; SUB * OCTAVES],
            total: 0,
            longest: 0,
        }
    }

    pub(crate) fn record(&mut self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.longest = self.longest.max(ns);
    }

    fn quantile_ms(&self, q: f64) -> f64 {
        let wanted = ((self.total as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return lowest_of(index) as f64 / 1e6;
            }
        }
        self.longest as f64 / 1e6
    }

    /// Milliseconds by percentile; null when nothing was recorded.
    pub(crate) fn to_json(&self) -> Value {
        if self.total == 0 {
            return Value::Null;
        }
        json!({
            "count": self.total,
            "p50": self.quantile_ms(0.5),
            "p90": self.quantile_ms(0.9),
            "p99": self.quantile_ms(0.99),
            "max": self.longest as f64 / 1e6,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_value_to_two_percent() {
        for ns in [0, 1, 63, 64, 65, 127, 128, 1_000, 123_456, 9_999_999_999] {
            let low = lowest_of(bucket(ns));
            assert!(
                low <= ns && (ns - low) as f64 <= 0.02 * ns as f64,
                "{ns} {low}"
            );
        }
    }

    #[test]
    fn percentiles_of_an_even_spread_are_its_parts() {
        let mut histogram = Histogram::new();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        assert!((histogram.quantile_ms(0.5) - 500.0).abs() < 10.0);
        assert!((histogram.quantile_ms(0.99) - 990.0).abs() < 17.0);
    }
}
