//! `Stage`: where a worker builds frames, header in front, so that they are written from there without one of their own.
//!
//! Invariant: it is cleared only while no connection is to be written, and whoever stops waiting to be written before
//! its frames are gone takes them along. So a `Staged` never outlives its octets.

use tocsin_codec::frame;

/// Frames beyond so many octets are owned by their outbox.
const MOST_BYTES: usize = 4 << 20;
/// A larger frame too.
const MOST_FRAME: usize = 16 * 1024;
/// Room for the longest header.
const HEADER: usize = 10;

/// A frame on the stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Staged {
    at: usize,
    len: usize,
}

impl Staged {
    /// Octets of the frame.
    pub(crate) const fn len(self) -> usize {
        self.len
    }

    /// Where the room for its header begins.
    const fn start(self) -> usize {
        let header = match self.len {
            0..128 => 2,
            128..=65_539 => 4,
            _ => HEADER,
        };
        self.at + header - HEADER
    }
}

/// The frames built and not yet written.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    bytes: Vec<u8>,
}

impl Stage {
    /// Builds a frame around the payload that `fill` appends.
    ///
    /// # Errors
    /// What `fill` fails with; then nothing is kept.
    pub(crate) fn build<E>(
        &mut self,
        opcode: u8,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Staged, E> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEADER]);
        if let Err(error) = fill(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let payload = self.bytes.len() - start - HEADER;
        let mut header = [0; HEADER];
        let header_len = frame::encode_header(opcode, payload, &mut header);
        let at = start + HEADER - header_len;
        self.bytes[at..start + HEADER].copy_from_slice(&header[..header_len]);
        let len = header_len + payload;
        Ok(Staged { at, len })
    }

    /// The octets of a frame.
    pub(crate) fn get(&self, frame: Staged) -> &[u8] {
        self.bytes
            .get(frame.at..frame.at + frame.len)
            .unwrap_or_default()
    }

    /// Whether a frame may stay until it is written.
    pub(crate) fn holds(&self, frame: Staged) -> bool {
        frame.len <= MOST_FRAME && self.bytes.len() <= MOST_BYTES
    }

    /// Forgets the frame that was built last.
    pub(crate) fn undo(&mut self, frame: Staged) {
        self.bytes.truncate(frame.start());
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(2 * MOST_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_header_that_fits_and_one_that_failed_leaves_nothing() {
        let mut stage = Stage::default();
        for size in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; size];
            let built = stage.build(frame::BINARY, |out| {
                out.extend_from_slice(&payload);
                Ok::<_, ()>(())
            });
            let mut header = [0; HEADER];
            let len = frame::encode_header(frame::BINARY, size, &mut header);
            let staged = built.expect("it cannot fail");
            assert_eq!(stage.get(staged), [&header[..len], &payload].concat());
            assert_eq!(stage.holds(staged), size <= 126);
            stage.undo(staged);
            assert!(stage.bytes.is_empty());
        }
        let before = stage.bytes.len();
        let failed = stage.build(frame::BINARY, |out| {
            out.push(1);
            Err(())
        });
        assert!(failed.is_err() && stage.bytes.len() == before);
    }
}
