//! Dispatches: the splice of head and rest in both encodings, and who sees what of a message.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use tocsin_codec::dispatch::{JSON_END, MAX_HEAD_BYTES, etf_head, json_head};
use tocsin_codec::etf::{Rules, etf_to_json, json_to_etf};
use tocsin_codec::{ContentGate, EncodedDispatch, Fragment, Variant};

const AUTHOR: u64 = 7;
const MENTIONED: u64 = 8;
const ANSWERED: u64 = 9;
const NAMED_THERE: u64 = 10;
const STRANGER: u64 = 11;
const VARIANTS: [Variant; 4] = [
    Variant::Full,
    Variant::WithoutReference,
    Variant::OnlyReference,
    Variant::Stripped,
];

fn plain() -> Value {
    json!({
        "id": "1", "content": "secret", "embeds": [{"title": "t"}], "attachments": [{"id": "2"}],
        "components": [{"type": 1}], "poll": {"question": {"text": "q"}}, "mentions": [{"id": "8"}],
        "author": {"id": "7"}, "flags": 4, "sticker_items": [{"id": "3"}],
        "message_snapshots": [{"message": {"content": "secret"}}],
    })
}

fn reply() -> Value {
    let mut message = plain();
    message["referenced_message"] = json!({
        "id": "0", "content": "older secret", "embeds": [1], "attachments": [1], "components": [1], "poll": {},
        "flags": 4, "author": {"id": "9"}, "mentions": [{"id": "10"}],
    });
    message
}

fn hide(message: &mut Value) {
    let fields = message.as_object_mut().expect("a message is an object");
    fields.remove("poll");
    fields["content"] = json!("");
    for key in ["embeds", "attachments", "components", "message_snapshots"] {
        if let Some(field) = fields.get_mut(key) {
            *field = json!([]);
        }
    }
}

fn dispatch(message: &Value) -> EncodedDispatch {
    let gate = ContentGate {
        author: AUTHOR,
        mentions: [MENTIONED].into(),
    };
    EncodedDispatch::new("MESSAGE_CREATE", message.to_string().into(), Some(gate))
}

fn as_json(dispatch: &EncodedDispatch, seq: u64, variant: Variant) -> Vec<u8> {
    let mut head = [0; MAX_HEAD_BYTES];
    let length = json_head(seq, &mut head);
    [&head[..length], dispatch.json_rest(variant)].concat()
}

fn as_etf(dispatch: &EncodedDispatch, seq: u64, variant: Variant) -> Vec<u8> {
    let mut head = [0; MAX_HEAD_BYTES];
    let length = etf_head(seq, &mut head);
    [&head[..length], dispatch.etf_rest(variant)].concat()
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("a dispatch is JSON")
}

#[test]
fn head_and_rest_are_one_payload_in_both_encodings() {
    let dispatch = dispatch(&reply());
    assert_eq!(value(dispatch.body()), reply());
    for seq in [1, 10, 255, 256, 0x7fff_ffff, 0x8000_0000, u64::MAX] {
        let json = as_json(&dispatch, seq, Variant::Full);
        let expected = json!({"s": seq, "t": "MESSAGE_CREATE", "op": 0, "d": reply()});
        assert_eq!(value(&json), expected);
        for variant in VARIANTS {
            let whole = json_to_etf(&as_json(&dispatch, seq, variant));
            assert_eq!(Ok(as_etf(&dispatch, seq, variant)), whole, "{seq}");
        }
    }
}

#[test]
fn fragments_go_on_where_the_first_members_end_in_both_encodings() {
    let channels = Arc::new(Fragment::new(br#""channels":[{"id":"5"},{"id":"6"}]"#));
    let guild = Arc::new(Fragment::new(br#""id":"7","name":"x","roles":[]"#));
    let nothing = Arc::new(Fragment::new(b""));
    let fragments = [channels, nothing, guild];
    let first = br#""joined_at":"now","large":false"#;
    let dispatch = EncodedDispatch::with_fragments("GUILD_CREATE", first, fragments.clone().into());
    let tail = |of: fn(&Fragment) -> &[u8]| {
        fragments
            .iter()
            .map(|each| of(each))
            .collect::<Vec<_>>()
            .concat()
    };
    let json = [
        as_json(&dispatch, 2, Variant::Full),
        tail(Fragment::json),
        JSON_END.to_vec(),
    ]
    .concat();
    let expected = json!({"s": 2, "t": "GUILD_CREATE", "op": 0, "d": {
        "joined_at": "now", "large": false, "channels": [{"id": "5"}, {"id": "6"}],
        "id": "7", "name": "x", "roles": [],
    }});
    assert_eq!(value(&json), expected);
    let etf = [as_etf(&dispatch, 2, Variant::Full), tail(Fragment::etf)].concat();
    assert_eq!(Ok(etf), json_to_etf(&json));
    assert_eq!(dispatch.cost_bytes() + "{\"s\":2,}}".len(), json.len());
}

#[test]
fn stripping_takes_content_and_nothing_else() {
    for (variant, message, reference) in [
        (Variant::Full, false, false),
        (Variant::WithoutReference, false, true),
        (Variant::OnlyReference, true, false),
        (Variant::Stripped, true, true),
    ] {
        let mut expected = reply();
        if message {
            hide(&mut expected);
        }
        if reference {
            hide(&mut expected["referenced_message"]);
        }
        let stripped = value(&as_json(&dispatch(&reply()), 1, variant));
        assert_eq!(stripped["d"], expected, "{variant:?}");
    }
}

#[test]
fn a_message_and_what_it_answers_are_judged_apart() {
    let reply = dispatch(&reply());
    for (user, variant) in [
        (AUTHOR, Variant::WithoutReference),
        (MENTIONED, Variant::WithoutReference),
        (ANSWERED, Variant::OnlyReference),
        (NAMED_THERE, Variant::OnlyReference),
        (STRANGER, Variant::Stripped),
    ] {
        assert_eq!(reply.variant_for(user, false), variant, "{user}");
        assert_eq!(reply.variant_for(user, true), Variant::Full);
    }
}

#[test]
fn without_an_answered_message_there_are_two_variants() {
    let mut deleted = plain();
    deleted["referenced_message"] = Value::Null;
    for message in [plain(), deleted] {
        let dispatch = dispatch(&message);
        assert_eq!(dispatch.variant_for(AUTHOR, false), Variant::Full);
        assert_eq!(dispatch.variant_for(MENTIONED, false), Variant::Full);
        assert_eq!(dispatch.variant_for(STRANGER, false), Variant::Stripped);
    }
}

#[test]
fn an_answered_message_that_cannot_be_read_is_shown_to_no_one() {
    let mut message = plain();
    message["referenced_message"] = json!({"content": "secret", "author": {"id": 5}});
    let dispatch = dispatch(&message);
    assert_eq!(
        dispatch.variant_for(AUTHOR, false),
        Variant::WithoutReference
    );
}

#[test]
fn an_event_without_a_gate_is_open() {
    let open = EncodedDispatch::new("TYPING_START", Bytes::from_static(b"{}"), None);
    assert_eq!(open.variant_for(STRANGER, false), Variant::Full);
    assert_eq!(open.name(), "TYPING_START");
}

#[test]
fn of_a_body_that_is_no_json_nothing_is_shown() {
    let gate = Some(ContentGate::default());
    let broken = EncodedDispatch::new("X", Bytes::from_static(b"{\"content\":\"se"), gate);
    assert_eq!(
        value(&as_json(&broken, 1, Variant::Stripped))["d"],
        Value::Null
    );
    for variant in VARIANTS {
        let json = etf_to_json(&as_etf(&broken, 1, variant), Rules::LENIENT).expect("a term");
        let expected = json!({"s": 1, "t": "X", "op": 0, "d": null});
        assert_eq!(value(&json), expected);
    }
}

proptest! {
    #[test]
    fn no_variant_shows_what_it_hides(
        content in "secret[a-z\"\\\\é]{0,20}",
        answered in proptest::option::of("secret[a-z\"\\\\é]{0,20}"),
        extra in proptest::collection::btree_map("[a-z_]{1,12}", "[a-z]{0,4}x", 0..6),
    ) {
        let mut message: Value = json!({"id": "1", "content": content, "embeds": [{"description": content}]});
        for (key, text) in &extra {
            if message.get(key).is_none() {
                message[key] = json!(text);
            }
        }
        if let Some(text) = &answered {
            message["referenced_message"] = json!({"id": "2", "content": text, "poll": {"q": text}});
        }
        let dispatch = dispatch(&message);
        let stripped = value(&as_json(&dispatch, 1, Variant::Stripped));
        prop_assert!(!stripped.to_string().contains("secret"));
        for (key, text) in &extra {
            let kept = &stripped["d"][key];
            let replaced = ["content", "embeds", "attachments", "components", "message_snapshots", "poll"];
            prop_assert!(kept == text || replaced.contains(&key.as_str()) || message[key] != *text);
        }
        let etf = as_etf(&dispatch, 1, Variant::Stripped);
        prop_assert!(!etf.windows(6).any(|six| six == b"secret"));
    }
}
