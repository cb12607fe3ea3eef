//! `Histogram`: how often how much, in buckets by powers of two. One thread notes, anyone reads.

use std::fmt::Write as _;
use std::time::Duration;

use crate::metrics::Counter;

/// Buckets with a bound, without the one for all above.
const BOUNDS: usize = 21;

/// What is noted: the lowest bound as a power of two, and how many of it make a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    lowest: u32,
    per_unit: f64,
}

/// Nanoseconds, told in seconds: 4 us to 4.3 s.
pub(crate) const SECONDS: Scale = Scale {
    lowest: 12,
    per_unit: 1e9,
};
/// 1 to 1,048,576.
pub(crate) const COUNT: Scale = Scale {
    lowest: 0,
    per_unit: 1.0,
};

/// Costs three plain loads and stores a note.
#[derive(Debug)]
pub(crate) struct Histogram<const LOWEST: u32> {
    slots: [Counter; BOUNDS + 1],
    sum: Counter,
}

/// Of nanoseconds.
pub(crate) type Times = Histogram<{ SECONDS.lowest }>;
/// Of numbers.
pub(crate) type Counts = Histogram<{ COUNT.lowest }>;

impl<const LOWEST: u32> Default for Histogram<LOWEST> {
    fn default() -> Self {
        Self {
            slots: std::array::from_fn(|_| Counter::default()),
            sum: Counter::default(),
        }
    }
}

impl<const LOWEST: u32> Histogram<LOWEST> {
    /// Counts one.
    pub(crate) fn note(&self, value: u64) {
        // The power of two at or above the value.
        let power = u64::BITS - value.saturating_sub(1).leading_zeros();
        let slot = power.saturating_sub(LOWEST) as usize;
        self.slots[slot.min(BOUNDS)].add(1);
        self.sum.add(value);
    }
}

impl Times {
    /// Counts one.
    pub(crate) fn took(&self, time: Duration) {
        self.note(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// The samples of several, as one histogram of Prometheus'.
pub(crate) fn samples<'a, const LOWEST: u32>(
    out: &mut String,
    name: &str,
    scale: Scale,
    parts: impl Iterator<Item = &'a Histogram<LOWEST>> + Clone,
) {
    let mut total = 0_u64;
    for slot in 0..=BOUNDS {
        total += parts
            .clone()
            .map(|each| each.slots[slot].get())
            .sum::<u64>();
        let bound = if slot == BOUNDS {
            "+Inf".to_owned()
        } else {
            (2_f64.powi((LOWEST as usize + slot) as i32) / scale.per_unit).to_string()
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {total}");
    }
    let sum = parts.fold(0_u64, |sum, each| sum.wrapping_add(each.sum.get()));
    let sum = sum as f64 / scale.per_unit;
    let _ = writeln!(out, "{name}_sum {sum}\n{name}_count {total}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_the_first_bucket_whose_bound_is_not_below_it() {
        for (value, bound) in [
            (0, "1"),
            (1, "1"),
            (2, "2"),
            (3, "4"),
            (1_000, "1024"),
            (1_024, "1024"),
            (1_025, "2048"),
            (1 << 20, "1048576"),
            ((1 << 20) + 1, "+Inf"),
            (u64::MAX, "+Inf"),
        ] {
            let counts = Counts::default();
            counts.note(value);
            let mut out = String::new();
            samples(&mut out, "x", COUNT, [&counts].into_iter());
            let first = out.lines().find(|line| line.ends_with(" 1"));
            assert_eq!(
                first,
                Some(&*format!("x_bucket{{le=\"{bound}\"}} 1")),
                "{value}"
            );
        }
    }

    #[test]
    fn parts_are_added_and_nanoseconds_told_in_seconds() {
        let parts = [Times::default(), Times::default()];
        parts[0].took(Duration::from_micros(4));
        parts[1].took(Duration::from_millis(1));
        parts[1].took(Duration::from_secs(60));
        let mut out = String::new();
        samples(&mut out, "x_seconds", SECONDS, parts.iter());
        for line in [
            "x_seconds_bucket{le=\"0.000004096\"} 1",
            "x_seconds_bucket{le=\"0.000524288\"} 1",
            "x_seconds_bucket{le=\"0.001048576\"} 2",
            "x_seconds_bucket{le=\"4.294967296\"} 2",
            "x_seconds_bucket{le=\"+Inf\"} 3",
            "x_seconds_sum 60.001004",
            "x_seconds_count 3",
        ] {
            assert!(out.lines().any(|each| each == line), "{line} in {out}");
        }
    }
}
