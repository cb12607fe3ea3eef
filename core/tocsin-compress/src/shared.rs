//! `SharedBodies`: what a worker's streams share: bodies lately sent by scope, and the event in hand, searched once.

use std::collections::HashMap;

use crate::history::{History, MAX_BODY, Parse, TIERS};
use crate::packed::{Spliced, kept};
use crate::relocatable::{Located, RelocatableStream};
use crate::zlib_stream::Independent;
use crate::{CompressError, Transport};

/// Most octets all histories of a worker may occupy; the one unused for longest goes first.
const MAX_MEMORY_BYTES: usize = 32 << 20;
/// Ids of one series: consecutive, so that a scope's last bodies do not meet in a stream's ring.
const SERIES_BITS: u32 = 16;
/// Bits of the series' number; above them is the worker's.
const SERIES_COUNT_BITS: u32 = 40;
/// Payloads up to this size are sent as literals if nothing about them can be shared.
const TINY_BYTES: usize = 96;
/// Encodings times variants: how many forms an event has.
const FORMS: usize = 8;

#[derive(Debug)]
struct Scope {
    history: History,
    next_id: u64,
    used: u64,
}

/// The event in hand, in one form.
#[derive(Debug, Default)]
struct Prepared {
    ready: bool,
    /// Its id if later bodies may refer to it, else 0.
    id: u64,
    /// The history it was taken into, if any.
    searched: bool,
    parses: [Option<Parse>; TIERS.len()],
    parsed: [bool; TIERS.len()],
    /// Deflated with an empty window; empty until asked for.
    independent: Vec<u8>,
}

/// The shared side of a worker's relocatable streams. Ids it gives are unique among all workers, so a stream may move.
#[derive(Debug)]
pub struct SharedBodies {
    scopes: HashMap<(u64, usize), Scope>,
    memory_bytes: usize,
    /// The last series given out, with the worker's number on top; never 0 again after the first.
    series: u64,
    turn: u64,
    /// The event in hand: its scope, 0 for none, and whether later bodies may refer to it.
    scope: u64,
    kept: bool,
    forms: [Prepared; FORMS],
    deflate: Option<Independent>,
}

impl SharedBodies {
    /// Nothing shared yet.
    #[must_use]
    pub fn new(worker: u8) -> Self {
        Self {
            scopes: HashMap::new(),
            memory_bytes: 0,
            series: u64::from(worker) << SERIES_COUNT_BITS,
            turn: 0,
            scope: 0,
            kept: false,
            forms: Default::default(),
            deflate: None,
        }
    }

    /// Goes on to another event. Its scope is where to look for matches, 0 for nowhere; `kept` if others of the scope
    /// will get it too, so that it is worth being referred to.
    pub fn begin(&mut self, scope: u64, kept: bool) {
        self.turn += 1;
        self.scope = scope;
        self.kept = kept;
        for form in &mut self.forms {
            form.ready = false;
        }
    }

    /// Octets the histories occupy.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Emits the event in hand, in one of its forms below 8, on a stream. The body must be the same octets for a form
    /// until the next `begin`.
    pub(crate) fn emit(
        &mut self,
        stream: &mut RelocatableStream,
        form: usize,
        head: &[u8],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        if !self.forms[form].ready {
            self.prepare(form, body);
        }
        let mut best: Option<(usize, Located)> = None;
        if self.forms[form].searched {
            for tier in 0..TIERS.len() {
                let Some(parse) = self.parse(form, tier, body.len()) else {
                    continue;
                };
                let located = stream.locate(parse, head.len());
                let complete = located.complete;
                if best
                    .as_ref()
                    .is_none_or(|(_, known)| located.bits < known.bits)
                {
                    best = Some((tier, located));
                }
                if complete {
                    break;
                }
            }
        }
        // Without matches dynamic codes win; with some they do not. So they are tried when little was found.
        let bits = best.as_ref().map_or(u32::MAX, |(_, located)| located.bits);
        if u64::from(bits) * 2 > 8 * body.len() as u64 {
            let deflated = self.independent(form, body)?;
            if deflated + RelocatableStream::independent_overhead(0) < bits as usize / 8 {
                best = None;
            }
        }
        let prepared = &self.forms[form];
        let parsed = best
            .as_ref()
            .and_then(|(tier, located)| Some((prepared.parses[*tier].as_ref()?, located)));
        match parsed {
            Some((parse, located)) => stream.emit(head, body, prepared.id, parse, located, out),
            None => {
                let (deflated, id) = (&prepared.independent, prepared.id);
                stream.emit_independent(head, body.len(), deflated, id, out);
            }
        }
        Ok(())
    }

    /// Emits a payload that only this stream gets: it refers to nothing and nothing refers to it.
    pub(crate) fn emit_private(
        &mut self,
        stream: &mut RelocatableStream,
        parts: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        let total = parts.iter().map(|part| part.len()).sum();
        if total <= TINY_BYTES {
            stream.emit_literals(parts, out);
            return Ok(());
        }
        stream.before_private(total, out);
        self.deflate.get_or_insert_default().deflate(parts, out)
    }

    /// Emits a payload of which only start and end are this stream's; nothing refers to it.
    pub(crate) fn emit_spliced(
        &mut self,
        stream: &mut RelocatableStream,
        start: &[&[u8]],
        spliced: &[Spliced<'_>],
        end: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        self.emit_private(stream, start, out)?;
        for part in spliced.iter().filter(|part| !part.bytes.is_empty()) {
            stream.before_private(part.bytes.len(), out);
            let slot = &part.packed[Transport::ZlibStream as usize];
            let deflate = self.deflate.get_or_insert_default();
            out.extend_from_slice(kept(slot, |out| deflate.deflate(&[part.bytes], out))?);
        }
        if !end.is_empty() {
            stream.emit_literals(&[end], out);
        }
        Ok(())
    }

    /// The body deflated with an empty window; returns its length.
    fn independent(&mut self, form: usize, body: &[u8]) -> Result<usize, CompressError> {
        let independent = &mut self.forms[form].independent;
        if independent.is_empty() {
            let deflate = self.deflate.get_or_insert_default();
            let done = deflate.deflate(&[body], independent);
            if done.is_err() {
                independent.clear();
            }
            done?;
        }
        Ok(independent.len())
    }

    /// Takes the event in hand into its scope's history.
    fn prepare(&mut self, form: usize, body: &[u8]) {
        let prepared = &mut self.forms[form];
        prepared.ready = true;
        prepared.id = 0;
        prepared.searched = self.scope != 0 && body.len() <= MAX_BODY;
        prepared.parsed = [false; TIERS.len()];
        prepared.independent.clear();
        if !prepared.searched {
            return;
        }
        let scope = self
            .scopes
            .entry((self.scope, form))
            .or_insert_with(|| Scope {
                history: History::new(),
                next_id: 0,
                used: 0,
            });
        scope.used = self.turn;
        let before = match scope.next_id {
            0 => 0,
            _ => scope.history.memory_bytes(),
        };
        if scope.next_id & ((1 << SERIES_BITS) - 1) == 0 {
            self.series += 1;
            scope.next_id = (self.series << SERIES_BITS) + 1;
        }
        scope.history.take(body);
        if self.kept {
            prepared.id = scope.next_id;
            scope.next_id += 1;
            scope.history.keep(prepared.id);
        }
        self.memory_bytes += scope.history.memory_bytes();
        self.memory_bytes -= before;
        while self.memory_bytes > MAX_MEMORY_BYTES && self.evict() {}
    }

    /// Forgets the scope unused for longest, but none of the event in hand.
    fn evict(&mut self) -> bool {
        let oldest = self
            .scopes
            .iter()
            .filter(|(_, scope)| scope.used < self.turn)
            .min_by_key(|(_, scope)| scope.used)
            .map(|(&key, _)| key);
        match oldest.and_then(|key| self.scopes.remove(&key)) {
            Some(scope) => {
                self.memory_bytes -= scope.history.memory_bytes();
                true
            }
            None => false,
        }
    }

    /// The event in hand as literals and matches, searched once.
    fn parse(&mut self, form: usize, tier: usize, length: usize) -> Option<&Parse> {
        let prepared = &mut self.forms[form];
        let parse = prepared.parses[tier].get_or_insert_default();
        if !prepared.parsed[tier] {
            let scope = self.scopes.get_mut(&(self.scope, form))?;
            scope.history.parse(tier, length, parse);
            prepared.parsed[tier] = true;
        }
        Some(parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_stay_within_their_bound_and_ids_are_never_given_twice() {
        let mut shared = SharedBodies::new(3);
        let mut stream = RelocatableStream::default();
        let mut ids = std::collections::HashSet::new();
        let body = vec![b'x'; 20_000];
        for scope in 1..600 {
            shared.begin(scope % 400 + 1, true);
            shared
                .emit(&mut stream, 0, b"{", &body, &mut Vec::new())
                .expect("memory");
            assert!(ids.insert(shared.forms[0].id), "one id, one body");
            assert!(shared.memory_bytes() <= MAX_MEMORY_BYTES);
            let real: usize = shared
                .scopes
                .values()
                .map(|scope| scope.history.memory_bytes())
                .sum();
            assert_eq!(shared.memory_bytes(), real);
        }
        assert!(shared.scopes.len() < 400);
        assert!(
            ids.iter()
                .all(|&id| id >> (SERIES_BITS + SERIES_COUNT_BITS) == 3)
        );
    }
}
