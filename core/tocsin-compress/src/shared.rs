//! `SharedBodies`: what a worker's streams share: bodies lately sent by scope, and the event in hand, searched once.

use std::collections::HashMap;

use crate::history::{History, MAX_BODY, TIERS};
use crate::packed::{Spliced, kept};
use crate::relocatable::{RelocatableStream, make_template};
use crate::relocatable_zstd::{BlockTools, RelocatableZstd, Template};
use crate::searched::{Searched, cheapest};
use crate::zlib_stream::Independent;
use crate::{CompressError, Transport, fixed, zstd_block};

/// Most octets all histories of a worker may occupy; the one unused for longest goes first.
const MAX_MEMORY_BYTES: usize = 32 << 20;
/// Ids of one series: consecutive, so that a scope's last bodies do not meet in a stream's ring.
const SERIES_BITS: u32 = 16;
/// Bits of the series' number; above them is the worker's.
const SERIES_COUNT_BITS: u32 = 40;
/// Payloads up to this size are sent as literals if nothing about them can be shared.
const TINY_BYTES: usize = 96;
/// Encodings times variants: how many forms an event has.
pub const FORMS: usize = 8;

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
    /// It was taken into its scope's history.
    searched: bool,
    zlib: Option<Box<[Searched<Vec<u8>>; TIERS.len()]>>,
    zstd: Option<Box<[Searched<Template>; TIERS.len()]>>,
    /// Compressed with an empty window, by `Transport as usize`; empty until asked for.
    independent: [Vec<u8>; 2],
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
    blocks: BlockTools,
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
            blocks: BlockTools::default(),
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
        self.prepare(form, body);
        let scope = self.scopes.get_mut(&(self.scope, form));
        let prepared = &mut self.forms[form];
        let searched = prepared.zlib.get_or_insert_default();
        let best = match scope.filter(|_| prepared.searched) {
            Some(scope) => cheapest(
                searched,
                &mut scope.history,
                body,
                &fixed::CODING,
                |parse| stream.locate(parse, head.len()),
            ),
            None => None,
        };
        // Without matches dynamic codes win; with some they do not. So they are tried when little was found.
        let bits = best.as_ref().map_or(u32::MAX, |(_, located)| located.bits);
        let independent = &mut prepared.independent[Transport::ZlibStream as usize];
        if u64::from(bits) * 2 > 8 * body.len() as u64 {
            if independent.is_empty() {
                let deflate = self.deflate.get_or_insert_default();
                deflate
                    .deflate(&[body], independent)
                    .inspect_err(|_| independent.clear())?;
            }
            let overhead = RelocatableStream::independent_overhead(0);
            if independent.len() + overhead < bits as usize / 8 {
                stream.emit_independent(head, body.len(), independent, prepared.id, out);
                return Ok(());
            }
        }
        if let Some((tier, located)) = best {
            let Searched {
                parse, templates, ..
            } = &mut searched[tier];
            let phase = fixed::phase(head);
            let template = templates.get_or_make(phase, parse, &located, |template| {
                make_template(template, phase, body, (parse, &located));
            });
            stream.emit(head, body.len(), prepared.id, template, out);
        }
        Ok(())
    }

    /// [`emit`](Self::emit) on a zstd-stream.
    pub(crate) fn emit_zstd(
        &mut self,
        stream: &mut RelocatableZstd,
        form: usize,
        head: &[u8],
        body: &[u8],
        out: &mut Vec<u8>,
    ) {
        self.prepare(form, body);
        let scope = self.scopes.get_mut(&(self.scope, form));
        let (prepared, tools) = (&mut self.forms[form], &mut self.blocks);
        let searched = prepared.zstd.get_or_insert_default();
        let best = match scope.filter(|_| prepared.searched) {
            Some(scope) => cheapest(
                searched,
                &mut scope.history,
                body,
                &zstd_block::CODING,
                |parse| stream.locate(parse, head.len()),
            ),
            None => None,
        };
        let Some((tier, located)) = best else {
            if stream.has_table() {
                let packed = &mut prepared.independent[Transport::ZstdStream as usize];
                if packed.is_empty() {
                    tools.pack(body, packed);
                }
                stream.emit_packed(head, body.len(), packed, prepared.id, out);
            } else {
                stream.emit_private(&[head, body], tools, out);
            }
            return;
        };
        let Searched {
            parse, templates, ..
        } = &mut searched[tier];
        if stream.has_table() {
            let key = head.len() as u32;
            let template = templates.get_or_make(key, parse, &located, |template| {
                template.make(head.len(), body, (parse, &located), tools);
            });
            stream.emit(head, body, prepared.id, template, out);
        } else {
            stream.emit_first(head, body, prepared.id, (parse, &located), tools, out);
        }
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

    /// [`emit_private`](Self::emit_private) on a zstd-stream.
    pub(crate) fn emit_private_zstd(
        &mut self,
        stream: &mut RelocatableZstd,
        parts: &[&[u8]],
        out: &mut Vec<u8>,
    ) {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        if total <= TINY_BYTES {
            stream.emit_raw(parts, out);
        } else {
            stream.emit_private(parts, &mut self.blocks, out);
        }
    }

    /// [`emit_spliced`](Self::emit_spliced) on a zstd-stream.
    pub(crate) fn emit_spliced_zstd(
        &mut self,
        stream: &mut RelocatableZstd,
        start: &[&[u8]],
        spliced: &[Spliced<'_>],
        end: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        self.emit_private_zstd(stream, start, out);
        let tools = &mut self.blocks;
        for part in spliced.iter().filter(|part| !part.bytes.is_empty()) {
            if stream.has_table() {
                let slot = &part.packed[Transport::ZstdStream as usize];
                let packed = kept(slot, |out| {
                    tools.pack(part.bytes, out);
                    Ok(())
                })?;
                stream.emit_packed(&[], part.bytes.len(), packed, 0, out);
            } else {
                stream.emit_private(&[part.bytes], tools, out);
            }
        }
        stream.emit_raw(&[end], out);
        Ok(())
    }

    /// Takes the event in hand into its scope's history, on the first of its streams.
    fn prepare(&mut self, form: usize, body: &[u8]) {
        let prepared = &mut self.forms[form];
        if prepared.ready {
            return;
        }
        prepared.ready = true;
        prepared.id = 0;
        prepared.searched = self.scope != 0 && body.len() <= MAX_BODY;
        (prepared.zlib.iter_mut())
            .flat_map(|tiers| tiers.iter_mut())
            .for_each(Searched::clear);
        (prepared.zstd.iter_mut())
            .flat_map(|tiers| tiers.iter_mut())
            .for_each(Searched::clear);
        prepared.independent.iter_mut().for_each(Vec::clear);
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
