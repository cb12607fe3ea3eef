//! `Patterns`: the regular expressions of one rule of automatic moderation, searched in time linear in the text.

use std::sync::OnceLock;

use pyo3::prelude::*;
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::error::of_pattern;

/// Bytes that a rule's compiled patterns may take; what they keep of texts that they have read may take as much.
const SIZE_LIMIT: usize = 1 << 19;
/// Of one pattern, which also knows where it matched.
const ONE_SIZE_LIMIT: usize = 2 * SIZE_LIMIT;

/// Patterns that are searched for together.
#[pyclass(name = "Patterns", module = "tocsin._core", frozen)]
pub(crate) struct PyPatterns {
    set: RegexSet,
    /// Where each matches is asked only of those that do; `None` where that would take too much memory.
    each: Vec<OnceLock<Option<Regex>>>,
}

#[pymethods]
impl PyPatterns {
    #[new]
    fn new(py: Python<'_>, patterns: Vec<String>) -> PyResult<Self> {
        let build = || {
            RegexSetBuilder::new(&patterns)
                .size_limit(SIZE_LIMIT)
                .dfa_size_limit(SIZE_LIMIT)
                .build()
        };
        let set = py.detach(build).map_err(of_pattern)?;
        let each = patterns.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { set, each })
    }

    /// The first match that lies in none of the allowed spans, as (pattern, start, end).
    ///
    /// Places are in code points. The spans are by rising start, none in another.
    fn find(
        &self,
        py: Python<'_>,
        text: &str,
        allowed: Vec<(usize, usize)>,
    ) -> Option<(usize, usize, usize)> {
        // The worst of patterns take tens of milliseconds, in which Python has others to serve.
        py.detach(|| {
            let met = self.set.matches(text).into_iter();
            met.filter_map(|index| self.first(index, text, &allowed))
                .min_by_key(|&(index, start, _)| (start, index))
        })
    }
}

impl PyPatterns {
    fn first(
        &self,
        index: usize,
        text: &str,
        allowed: &[(usize, usize)],
    ) -> Option<(usize, usize, usize)> {
        let Some(regex) = self.regex(index) else {
            return Some((index, 0, text.chars().count()));
        };
        let (mut byte, mut place) = (0, 0);
        for found in regex.find_iter(text) {
            let start = place + text.get(byte..found.start())?.chars().count();
            let end = start + found.as_str().chars().count();
            if !is_within(allowed, start, end) {
                return Some((index, start, end));
            }
            (byte, place) = (found.start(), start);
        }
        None
    }

    fn regex(&self, index: usize) -> Option<&Regex> {
        let build = || {
            RegexBuilder::new(&self.set.patterns()[index])
                .size_limit(ONE_SIZE_LIMIT)
                .dfa_size_limit(SIZE_LIMIT)
                .build()
                .ok()
        };
        self.each.get(index)?.get_or_init(build).as_ref()
    }
}

fn is_within(spans: &[(usize, usize)], start: usize, end: usize) -> bool {
    let after = spans.partition_point(|&(from, _)| from <= start);
    after > 0 && end <= spans[after - 1].1
}
