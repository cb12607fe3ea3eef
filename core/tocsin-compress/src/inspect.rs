//! `Inspector`: inflates what a stream emits, as its client would, and compares.

use flate2::{Decompress, FlushDecompress};

/// The far end of one zlib-stream.
#[derive(Debug)]
pub(crate) struct Inspector {
    inflate: Decompress,
    clear: Vec<u8>,
}

impl Default for Inspector {
    fn default() -> Self {
        Self {
            inflate: Decompress::new(true),
            clear: Vec::new(),
        }
    }
}

impl Inspector {
    /// Whether these octets, the stream's next, inflate to exactly the payload.
    pub(crate) fn agrees(&mut self, emitted: &[u8], payload: &[&[u8]]) -> bool {
        let total: usize = payload.iter().map(|part| part.len()).sum();
        self.clear.clear();
        self.clear.reserve(total + 1);
        let before = self.inflate.total_in();
        let inflated = self
            .inflate
            .decompress_vec(emitted, &mut self.clear, FlushDecompress::Sync);
        let consumed = self.inflate.total_in() - before;
        inflated.is_ok()
            && consumed == emitted.len() as u64
            && emitted.ends_with(&crate::fixed::FLUSH_MARKER)
            && payload.concat() == self.clear
    }
}
