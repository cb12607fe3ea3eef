//! `EncodedDispatch`: one event, encoded at most once per variant, with a hole for each session's `s`.
//!
//! On the wire a dispatch is `{"s":N,` and then bytes shared by every recipient: `"t":"NAME","op":0,"d":{...}}`.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Whose eyes may see a message's content without the MESSAGE_CONTENT intent (protocol.md §2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentGate {
    /// The author.
    pub author: u64,
    /// The mentioned.
    pub mentions: Box<[u64]>,
}

/// Which bytes a session gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Everything.
    Full,
    /// Without message content.
    Stripped,
}

/// An event ready for fan-out. Shared by all recipients and replay logs.
#[derive(Debug)]
pub struct EncodedDispatch {
    name: Box<str>,
    full: Bytes,
    body: Bytes,
    gate: Option<ContentGate>,
    stripped: OnceLock<Bytes>,
}

/// Room for `{"s":` + 20 digits + `,`.
pub const MAX_HEAD_BYTES: usize = 32;

impl EncodedDispatch {
    /// Takes an event's name and the JSON of its `d`. With a gate, sessions without leave get the stripped variant.
    #[must_use]
    pub fn new(name: &str, body: Bytes, gate: Option<ContentGate>) -> Self {
        Self {
            name: name.into(),
            full: rest(name, &body),
            body,
            gate,
            stripped: OnceLock::new(),
        }
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The JSON of `d`, in full.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Octets it takes in a replay log's account.
    #[must_use]
    pub fn cost_bytes(&self) -> usize {
        self.full.len()
    }

    /// The variant for a session: `sees_content` is true for people and for bots with MESSAGE_CONTENT.
    #[must_use]
    pub fn variant_for(&self, user_id: u64, sees_content: bool) -> Variant {
        match &self.gate {
            Some(gate)
                if !sees_content && gate.author != user_id && !gate.mentions.contains(&user_id) =>
            {
                Variant::Stripped
            }
            _ => Variant::Full,
        }
    }

    /// The shared bytes after the head: `"t":"NAME","op":0,"d":{...}}`.
    #[must_use]
    pub fn json_rest(&self, variant: Variant) -> &Bytes {
        match variant {
            Variant::Full => &self.full,
            Variant::Stripped => self.stripped.get_or_init(|| {
                strip(&self.body)
                    .map_or_else(|| rest(&self.name, b"null"), |body| rest(&self.name, &body))
            }),
        }
    }
}

/// Writes `{"s":N,` and returns its length.
pub fn json_head(seq: u64, out: &mut [u8; MAX_HEAD_BYTES]) -> usize {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(seq).as_bytes();
    out[..5].copy_from_slice(b"{\"s\":");
    out[5..5 + digits.len()].copy_from_slice(digits);
    out[5 + digits.len()] = b',';
    6 + digits.len()
}

fn rest(name: &str, body: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(name.len() + body.len() + 20);
    bytes.extend_from_slice(b"\"t\":\"");
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b"\",\"op\":0,\"d\":");
    bytes.extend_from_slice(body);
    bytes.push(b'}');
    bytes.into()
}

/// A message object without what MESSAGE_CONTENT gates, and the same for the message it answers.
///
/// `None` if the body is not a JSON object: then nothing of it may be shown.
fn strip(body: &[u8]) -> Option<Vec<u8>> {
    let Object(fields) = serde_json::from_slice(body).ok()?;
    let mut out = Vec::with_capacity(body.len());
    out.push(b'{');
    for (key, value) in &fields {
        let replacement: Option<Vec<u8>> = match key.as_str() {
            "poll" => continue,
            "content" => Some(b"\"\"".to_vec()),
            "embeds" | "attachments" | "components" | "message_snapshots" => Some(b"[]".to_vec()),
            "referenced_message" if value.get() != "null" => Some(strip(value.get().as_bytes())?),
            _ => None,
        };
        if out.len() > 1 {
            out.push(b',');
        }
        serde_json::to_writer(&mut out, key).ok()?;
        out.push(b':');
        out.extend_from_slice(replacement.as_deref().unwrap_or(value.get().as_bytes()));
    }
    out.push(b'}');
    Some(out)
}

/// An object's fields in order, values unparsed.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Fields<'a> {
            type Value = Object<'a>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::{ContentGate, EncodedDispatch, MAX_HEAD_BYTES, Variant, json_head};
    use bytes::Bytes;
    use serde_json::{Value, json};

    fn message() -> Value {
        json!({
            "id": "1", "content": "secret", "embeds": [{"title": "t"}], "attachments": [{"id": "2"}],
            "components": [{"type": 1}], "poll": {"question": {"text": "q"}}, "mentions": [{"id": "8"}],
            "referenced_message": {"id": "0", "content": "older", "embeds": [], "flags": 4},
        })
    }

    fn dispatch() -> EncodedDispatch {
        let gate = ContentGate {
            author: 7,
            mentions: [8].into(),
        };
        EncodedDispatch::new(
            "MESSAGE_CREATE",
            Bytes::from(message().to_string()),
            Some(gate),
        )
    }

    fn decoded(dispatch: &EncodedDispatch, seq: u64, variant: Variant) -> Value {
        let mut head = [0; MAX_HEAD_BYTES];
        let length = json_head(seq, &mut head);
        serde_json::from_slice(&[&head[..length], dispatch.json_rest(variant)].concat()).unwrap()
    }

    #[test]
    fn head_and_rest_are_one_payload() {
        for seq in [1, 10, u64::MAX] {
            let expected = json!({"s": seq, "t": "MESSAGE_CREATE", "op": 0, "d": message()});
            assert_eq!(decoded(&dispatch(), seq, Variant::Full), expected);
        }
    }

    #[test]
    fn stripping_takes_content_and_nothing_else() {
        let stripped = decoded(&dispatch(), 1, Variant::Stripped);
        let expected = json!({
            "id": "1", "content": "", "embeds": [], "attachments": [], "components": [], "mentions": [{"id": "8"}],
            "referenced_message": {"id": "0", "content": "", "embeds": [], "flags": 4},
        });
        assert_eq!(stripped["d"], expected);
    }

    #[test]
    fn author_mentioned_and_those_with_leave_see_content() {
        let dispatch = dispatch();
        assert_eq!(dispatch.variant_for(7, false), Variant::Full);
        assert_eq!(dispatch.variant_for(8, false), Variant::Full);
        assert_eq!(dispatch.variant_for(9, true), Variant::Full);
        assert_eq!(dispatch.variant_for(9, false), Variant::Stripped);
        let open = EncodedDispatch::new("TYPING_START", Bytes::from_static(b"{}"), None);
        assert_eq!(open.variant_for(9, false), Variant::Full);
    }
}
