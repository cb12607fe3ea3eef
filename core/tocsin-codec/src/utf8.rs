//! `Utf8Check`: UTF-8 validation over pieces, failing at the first bad octet (RFC 3629, RFC 6455 §8.1).

/// Carries an unfinished character from one piece to the next.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Utf8Check {
    pending: [u8; 4],
    length: u8,
}

impl Utf8Check {
    /// Takes the next piece; `false` as soon as no continuation could make the text valid.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> bool {
        while self.length > 0 {
            let Some((&octet, rest)) = piece.split_first() else {
                return true;
            };
            self.pending[self.length as usize] = octet;
            self.length += 1;
            piece = rest;
            match std::str::from_utf8(&self.pending[..self.length as usize]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => true,
            Err(error) if error.error_len().is_some() => false,
            Err(error) => {
                let tail = &piece[error.valid_up_to()..];
                self.pending[..tail.len()].copy_from_slice(tail);
                self.length = tail.len() as u8;
                true
            }
        }
    }

    /// Whether the text ends between characters.
    pub(crate) const fn is_complete(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8Check;

    #[test]
    fn any_split_of_a_text_is_as_valid_as_the_whole() {
        let text = "aé€😀z".as_bytes();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut check = Utf8Check::default();
                assert!(check.push(&text[..first]));
                assert!(check.push(&text[first..second]));
                assert!(check.push(&text[second..]));
                assert!(check.is_complete());
            }
        }
    }

    #[test]
    fn a_bad_octet_fails_at_once() {
        for bad in [
            &b"\xff"[..],
            b"\xc0\xaf",
            b"\xed\xa0",
            b"\xf4\x90",
            b"a\x80",
        ] {
            assert!(!Utf8Check::default().push(bad), "{bad:?}");
        }
        let mut check = Utf8Check::default();
        assert!(check.push(b"\xe2\x82"));
        assert!(!check.is_complete());
        assert!(!check.push(b"a"));
    }
}
