//! `Fragment`: some members of an object that stand in many bodies: a guild's channels in everyone's GUILD_CREATE.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::etf;

/// What a transport makes of octets, once; by transport.
pub type Packed = [OnceLock<Box<[u8]>>; 2];

/// Members of an object, encoded once for all bodies they stand in.
#[derive(Debug)]
pub struct Fragment {
    /// With a comma before them, unless there are none.
    json: Bytes,
    /// How many members there are, and their pairs.
    etf: OnceLock<(u32, Box<[u8]>)>,
    packed: [Packed; 2],
}

impl Fragment {
    /// Takes the JSON of members without braces: `"a":1,"b":2`. They have to be members of one object: in a body that
    /// cannot be read as terms they are left out.
    #[must_use]
    pub fn new(members: &[u8]) -> Self {
        let mut json = Vec::with_capacity(members.len() + 1);
        if !members.is_empty() {
            json.push(b',');
            json.extend_from_slice(members);
        }
        Self {
            json: json.into(),
            etf: OnceLock::new(),
            packed: Default::default(),
        }
    }

    /// The members as they were given.
    #[must_use]
    pub fn members(&self) -> &[u8] {
        self.json.get(1..).unwrap_or_default()
    }

    /// The octets that follow other members of a JSON object.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The octets that follow other pairs of a map term.
    #[must_use]
    pub fn etf(&self) -> &[u8] {
        &self.terms().1
    }

    /// How many members there are.
    pub(crate) fn count(&self) -> u32 {
        self.terms().0
    }

    /// What transports made of `json` (`false`) or `etf` (`true`).
    #[must_use]
    pub fn packed(&self, etf: bool) -> &Packed {
        &self.packed[usize::from(etf)]
    }

    fn terms(&self) -> &(u32, Box<[u8]>) {
        self.etf.get_or_init(|| {
            let object = [b"{", self.members(), b"}"].concat();
            let mut out = Vec::with_capacity(object.len() + object.len() / 4 + 16);
            match etf::push_body("", &object, &mut out) {
                Ok(()) => etf::map_pairs(&out)
                    .map_or((0, Box::default()), |(count, pairs)| (count, pairs.into())),
                Err(_) => (0, Box::default()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_members_has_no_pairs() {
        for bad in [&b"{"[..], b"1", b"\"a\"", b"\"a\":1}"] {
            let fragment = Fragment::new(bad);
            assert_eq!((fragment.count(), fragment.etf()), (0, &[][..]));
        }
        let none = Fragment::new(b"");
        assert_eq!(
            (none.count(), none.etf(), none.json(), none.members()),
            (0, &[][..], &[][..], &[][..])
        );
    }

    #[test]
    fn members_follow_others_in_both_encodings() {
        let fragment = Fragment::new(b"\"n\":7,\"a\":[1]");
        assert_eq!(fragment.json(), b",\"n\":7,\"a\":[1]");
        assert_eq!(fragment.members(), b"\"n\":7,\"a\":[1]");
        assert_eq!(fragment.count(), 2);
        let n = [&[109, 0, 0, 0, 1][..], b"n", &[97, 7]].concat();
        let a = [&[109, 0, 0, 0, 1][..], b"a", &[108, 0, 0, 0, 1, 97, 1, 106]].concat();
        assert_eq!(fragment.etf(), [n, a].concat());
    }
}
