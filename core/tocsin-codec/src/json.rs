//! Strict JSON for what clients send: depth, duplicate keys, number range and surrogates are all refused, not guessed.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Deepest nesting accepted.
pub(crate) const MAX_DEPTH: usize = 32;

/// Whether the bytes are one JSON value and keep all our rules.
pub(crate) fn is_strict(bytes: &[u8]) -> bool {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Strict { depth: 0 }.deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok()
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom("nested too deep"));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        // serde_json gives integers over 64 bits as floats; no honest client sends numbers of that size.
        if value > i64::MIN as f64 && value < u64::MAX as f64 {
            Ok(())
        } else {
            Err(E::custom("number out of range"))
        }
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("duplicate key"));
            }
            entries.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_strict;

    #[test]
    fn what_is_ambiguous_is_refused() {
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"[{"a":{"b":1,"b":1}}]"#,
            r#"{"a":NaN}"#,
            r#"{"a":1}x"#,
            r#""\ud800""#,
            "18446744073709551616",
            "-9223372036854775809",
            "99999999999999999999",
            "1e400",
            "-1e19",
            "1 2",
            "[1,]",
            "{\"a\" 1}",
            "'a'",
            "01",
            r#""\udc00\ud800""#,
            "",
            "\u{feff}1",
        ] {
            assert!(!is_strict(bad.as_bytes()), "{bad}");
        }
        assert!(!is_strict(b"\"\xff\""));
        assert!(!is_strict(("[".repeat(33) + &"]".repeat(33)).as_bytes()));
    }

    #[test]
    fn ordinary_json_passes() {
        for good in [
            r#"{"a":[1,-2,3.5,null,true,"é\n\ud83d\ude00"],"b":{"a":18446744073709551615,"c":-9223372036854775808}}"#,
            " 1 ",
        ] {
            assert!(is_strict(good.as_bytes()), "{good}");
        }
        assert!(is_strict(("[".repeat(32) + &"]".repeat(32)).as_bytes()));
    }
}
