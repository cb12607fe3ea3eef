//! Numbers and lists as octets: LEB128, read strictly. What entries and journals are written in.

/// It ends too early, or a number is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// More ids in one list are taken as damage: a group DM has 10, and a crowd is addressed as a guild.
const MAX_IDS: u64 = 100_000;

/// Appends a number.
pub fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Appends octets with their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends ids with their count.
pub fn put_ids(out: &mut Vec<u8>, ids: &[u64]) {
    put(out, ids.len() as u64);
    for &id in ids {
        put(out, id);
    }
}

/// What is still to be read.
#[derive(Debug, Clone, Copy)]
pub struct Rest<'a>(pub &'a [u8]);

impl<'a> Rest<'a> {
    /// The next octet.
    ///
    /// # Errors
    /// [`Damaged`], as below.
    pub fn octet(&mut self) -> Result<u8, Damaged> {
        let (&first, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(first)
    }

    /// The next number.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if octet < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    /// A number that fits 32 bits.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn small(&mut self) -> Result<u32, Damaged> {
        u32::try_from(self.number()?).map_err(|_| Damaged)
    }

    /// So many octets.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn take(&mut self, length: u64) -> Result<&'a [u8], Damaged> {
        let length = usize::try_from(length).map_err(|_| Damaged)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    /// So many octets as an array.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.take(N as u64)?.try_into().map_err(|_| Damaged)
    }

    /// Octets after their length.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.number()?;
        self.take(length)
    }

    /// Text after its length.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged)
    }

    /// Ids after their count.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn ids(&mut self) -> Result<Vec<u64>, Damaged> {
        let count = self.number()?;
        // Each id has an octet at least: a count beyond what is left is a lie, and reserves nothing.
        if count > MAX_IDS || count > self.0.len() as u64 {
            return Err(Damaged);
        }
        (0..count).map(|_| self.number()).collect()
    }
}
