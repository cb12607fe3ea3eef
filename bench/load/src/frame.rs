//! Frame: the little of RFC 6455 that a client which only counts needs.

use std::ops::Range;

pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;

/// A client's frame under the zero mask: a mask is required, hiding is not.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            frame.push(0xFE);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0xFF);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// A server's text frame.
pub(crate) fn unmasked_text(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    if payload.len() < 126 {
        frame.push(payload.len() as u8);
    } else {
        frame.push(126);
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    frame.extend_from_slice(payload);
    frame
}

/// The next whole unmasked frame of `bytes`: its opcode and where its payload is. None when more must come.
pub(crate) fn next(bytes: &[u8]) -> Option<(u8, Range<usize>)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (length, start): (usize, usize) = match second & 0x7F {
        126 => (
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            4,
        ),
        127 => (
            usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
            10,
        ),
        short => (usize::from(short), 2),
    };
    let end = start.checked_add(length)?;
    (bytes.len() >= end).then_some((first & 0x0F, start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_only_when_it_is_whole() {
        for length in [0, 1, 125, 126, 336, 65535] {
            let payload = vec![b'x'; length];
            let bytes = unmasked_text(&payload);
            let (opcode, range) = next(&bytes).expect("whole");
            assert_eq!((opcode, range.len(), range.end), (1, length, bytes.len()));
            assert_eq!(next(&bytes[..bytes.len() - 1]), None);
        }
    }
}
