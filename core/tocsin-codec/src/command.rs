//! Client payloads: the envelope, heartbeats and resumes. Everything else stays JSON for the control plane.

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::etf::{self, EtfError, Rules};
use crate::json;

/// A payload that cannot be understood: close 4002.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not JSON by our strict rules.
    #[error("payload is not valid JSON")]
    Json,
    /// Not a term by our strict rules.
    #[error("payload is not a valid term: {0}")]
    Etf(#[from] EtfError),
    /// Not `{"op": int, "d": any}`.
    #[error("payload is not an envelope")]
    Envelope,
    /// `d` is not what its opcode needs.
    #[error("payload data does not fit its opcode")]
    Data,
}

/// What every client payload is wrapped in. Unknown keys are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The opcode, known or not.
    pub op: u64,
    /// The JSON of `d`; `null` when absent.
    pub d: Box<[u8]>,
    /// The event name; only for op 0.
    pub t: Option<String>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    op: Integer,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
    #[serde(default)]
    t: Option<String>,
}

impl Envelope {
    /// Reads a client payload in ETF; its `d` is given as JSON (protocol.md §5.4).
    ///
    /// # Errors
    /// `Etf` or `Envelope`; both close with 4002.
    pub fn decode_etf(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(&etf::etf_to_json(bytes, Rules::CLIENT)?)
    }

    /// Reads a client payload in JSON.
    ///
    /// # Errors
    /// `Json` or `Envelope`; both close with 4002.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if !json::is_strict(bytes) {
            return Err(DecodeError::Json);
        }
        if !is_object(bytes) {
            return Err(DecodeError::Envelope);
        }
        let wire: Wire<'_> = serde_json::from_slice(bytes).map_err(|_| DecodeError::Envelope)?;
        Ok(Self {
            op: wire.op.0,
            d: wire.d.map_or(&b"null"[..], |d| d.get().as_bytes()).into(),
            t: wire.t,
        })
    }
}

/// A non-negative integer, also as an integral float (erlpack for JS sends those).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Integer(u64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Number {
            Integer(u64),
            Float(f64),
        }
        match Number::deserialize(deserializer)? {
            Number::Integer(value) => Ok(Self(value)),
            Number::Float(value) if value >= 0.0 && value.fract() == 0.0 && value < 9e15 => {
                Ok(Self(value as u64))
            }
            Number::Float(_) => Err(serde::de::Error::custom("not a non-negative integer")),
        }
    }
}

/// The sequence number a heartbeat acknowledges: of op 1 (`d` is an integer or null) or op 40 (`d.seq`).
///
/// # Errors
/// `Data` when it is neither.
pub fn heartbeat_seq(d: &[u8]) -> Result<Option<u64>, DecodeError> {
    #[derive(Deserialize)]
    struct Qos {
        seq: Option<Integer>,
    }
    let seq = if is_object(d) {
        serde_json::from_slice(d).map(|Qos { seq }| seq)
    } else {
        serde_json::from_slice(d)
    };
    seq.map(|seq: Option<Integer>| seq.map(|seq| seq.0))
        .map_err(|_| DecodeError::Data)
}

/// Op 6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The bare token.
    pub token: String,
    /// The session's public id, as sent.
    pub session_id: String,
    /// The last sequence number the client has seen.
    pub seq: u64,
}

impl Resume {
    /// Reads the `d` of op 6.
    ///
    /// # Errors
    /// `Data` when a field is missing or of another type.
    pub fn decode(d: &[u8]) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Wire {
            token: String,
            session_id: String,
            seq: Integer,
        }
        if !is_object(d) {
            return Err(DecodeError::Data);
        }
        let wire: Wire = serde_json::from_slice(d).map_err(|_| DecodeError::Data)?;
        Ok(Self {
            token: strip_token_prefix(&wire.token).to_owned(),
            session_id: wire.session_id,
            seq: wire.seq.0,
        })
    }
}

/// Whether the JSON is an object: serde would take an array for a struct too.
fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().first() == Some(&b'{')
}

/// A token without the `Bot ` or `Bearer ` that some libraries put before it.
#[must_use]
pub fn strip_token_prefix(token: &str) -> &str {
    let token = token.trim();
    token
        .strip_prefix("Bot ")
        .or_else(|| token.strip_prefix("Bearer "))
        .unwrap_or(token)
}

#[cfg(test)]
mod tests {
    use super::{DecodeError, Envelope, EtfError, Resume, heartbeat_seq};

    #[test]
    fn an_envelope_needs_op_alone() {
        let envelope = Envelope::decode(br#"{"op":1}"#).expect("it decodes");
        assert_eq!((envelope.op, &*envelope.d), (1, &b"null"[..]));
        let typing = Envelope::decode(br#"{"t":"TYPING_START","op":0,"d":{"a":[1]},"x":5}"#)
            .expect("it decodes");
        assert_eq!(
            (typing.t.as_deref(), &*typing.d),
            (Some("TYPING_START"), &br#"{"a":[1]}"#[..])
        );
        for bad in [
            r#"{"d":1}"#,
            r#"{"op":"1"}"#,
            r#"{"op":-1}"#,
            r#"{"op":1.5}"#,
            "[1]",
            "1",
            "null",
        ] {
            assert_eq!(
                Envelope::decode(bad.as_bytes()),
                Err(DecodeError::Envelope),
                "{bad}"
            );
        }
        assert_eq!(Envelope::decode(b"{"), Err(DecodeError::Json));
        assert_eq!(
            Envelope::decode(br#"{"op":1,"op":2}"#),
            Err(DecodeError::Json)
        );
    }

    #[test]
    fn heartbeats_carry_a_sequence_number_or_null() {
        assert_eq!(heartbeat_seq(b"null"), Ok(None));
        assert_eq!(heartbeat_seq(b"251"), Ok(Some(251)));
        assert_eq!(heartbeat_seq(b"251.0"), Ok(Some(251)));
        assert_eq!(heartbeat_seq(br#"{"seq":7,"qos":{}}"#), Ok(Some(7)));
        assert_eq!(heartbeat_seq(br#"{"seq":null}"#), Ok(None));
        for bad in [&b"\"x\""[..], b"-1", b"1.5", b"[]", b"[5]", b"{\"seq\":[]}"] {
            assert_eq!(heartbeat_seq(bad), Err(DecodeError::Data), "{bad:?}");
        }
    }

    #[test]
    fn a_term_is_as_good_as_its_json() {
        // #{<<"op">> => 6, <<"d">> => [1, nil]}
        let term = b"\x83t\0\0\0\x02m\0\0\0\x02opa\x06m\0\0\0\x01dl\0\0\0\x02a\x01s\x03nilj";
        assert_eq!(
            Envelope::decode_etf(term),
            Envelope::decode(br#"{"op":6,"d":[1,null]}"#)
        );
        // #{op => 1}: atom keys.
        let atoms = Envelope::decode_etf(b"\x83t\0\0\0\x01s\x02opa\x01");
        assert_eq!(atoms, Err(DecodeError::Etf(EtfError::Key)));
    }

    #[test]
    fn a_resume_has_three_fields() {
        let resume =
            Resume::decode(br#"{"token":"Bot abc","session_id":"x","seq":3}"#).expect("it decodes");
        assert_eq!((resume.token.as_str(), resume.seq), ("abc", 3));
        assert!(Resume::decode(br#"{"token":"abc","session_id":"x","seq":-3}"#).is_err());
        assert!(Resume::decode(br#"{"token":"abc","seq":3}"#).is_err());
    }
}
