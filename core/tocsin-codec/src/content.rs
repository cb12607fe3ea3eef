//! What MESSAGE_CONTENT gates: who sees a message's content without it, and a message's JSON less its content
//! (protocol.md §2).

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Whose eyes may see a message's content without the MESSAGE_CONTENT intent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentGate {
    /// The author.
    pub author: u64,
    /// The mentioned.
    pub mentions: Box<[u64]>,
}

impl ContentGate {
    /// Whether the user sees the content.
    pub(crate) fn admits(&self, user_id: u64) -> bool {
        self.author == user_id || self.mentions.contains(&user_id)
    }
}

/// Which contents stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) message: bool,
    pub(crate) reference: bool,
}

/// The gate of the message that this one answers, `None` if it answers none.
///
/// A message whose author or mentions cannot be read admits no one.
pub(crate) fn reference_gate(body: &[u8]) -> Option<ContentGate> {
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        referenced_message: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Message {
        author: Option<User>,
        #[serde(default)]
        mentions: Vec<User>,
    }
    #[derive(Deserialize)]
    struct User {
        id: String,
    }
    let outer: Outer<'_> = serde_json::from_slice(body).ok()?;
    let reference = outer.referenced_message?;
    let id = |user: User| user.id.parse().ok();
    let gate = serde_json::from_str(reference.get())
        .ok()
        .map(|message: Message| ContentGate {
            author: message.author.and_then(id).unwrap_or(0),
            mentions: message.mentions.into_iter().filter_map(id).collect(),
        });
    Some(gate.unwrap_or_default())
}

/// A message object without the contents that are not shown. The message that a reference itself answers, and the
/// snapshots of a forward, go with what contains them.
///
/// `None` if the body is not a JSON object: then nothing of it may be shown.
pub(crate) fn strip(body: &[u8], shown: Shown) -> Option<Vec<u8>> {
    let Object(fields) = serde_json::from_slice(body).ok()?;
    let mut out = Vec::with_capacity(body.len());
    out.push(b'{');
    for (key, value) in &fields {
        let inner;
        let value = match key.as_str() {
            "referenced_message" if value.get() != "null" && !shown.reference => {
                inner = strip(
                    value.get().as_bytes(),
                    Shown {
                        message: false,
                        ..shown
                    },
                )?;
                &inner
            }
            "poll" if !shown.message => continue,
            "content" if !shown.message => &b"\"\""[..],
            "embeds" | "attachments" | "components" | "message_snapshots" if !shown.message => {
                b"[]"
            }
            _ => value.get().as_bytes(),
        };
        if out.len() > 1 {
            out.push(b',');
        }
        serde_json::to_writer(&mut out, key).ok()?;
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
    Some(out)
}

/// An object's fields in order, values unparsed.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Fields).map(Object)
    }
}
