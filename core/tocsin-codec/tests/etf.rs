//! The external term format against the shared vectors (tests/vectors/etf.json), made with Erlang and both erlpacks.

use proptest::prelude::*;
use serde_json::{Value, json};
use tocsin_codec::DecodeError;
use tocsin_codec::etf::{EtfError, Rules, etf_to_json, json_to_etf, term_of_json};

/// Vectors that a client may not send although erlpack would take them: atom keys are 4002 (protocol.md §5.4), atoms
/// are a short list, and what is ambiguous is refused.
const NOT_FROM_CLIENTS: [(&str, EtfError); 10] = [
    ("small_atom key and value", EtfError::Key),
    ("atom_ext 100 key", EtfError::Key),
    ("small_atom_utf8 119 key", EtfError::Key),
    ("atom_utf8 118 key", EtfError::Key),
    ("atom undefined", EtfError::Atom),
    ("other atom -> string", EtfError::Atom),
    ("latin1 atom e9", EtfError::Atom),
    ("utf8 atom e9", EtfError::Atom),
    ("empty atom", EtfError::Atom),
    ("duplicate key: last wins", EtfError::Duplicate),
];
const INTEGER_KEY: &str = "integer map key -> decimal string";

fn vectors(section: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/etf.json");
    let text = std::fs::read(path).expect("the vectors are in the tree");
    let all: Value = serde_json::from_slice(&text).expect("the vectors are JSON");
    all[section]
        .as_array()
        .expect("a section is a list")
        .clone()
}

fn unhex(vector: &Value) -> Vec<u8> {
    let text = vector["hex"].as_str().expect("hex is text");
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hex is ASCII");
            u8::from_str_radix(pair, 16).expect("hex digits")
        })
        .collect()
}

fn decoded(bytes: &[u8], rules: Rules) -> Result<Value, EtfError> {
    etf_to_json(bytes, rules).map(|json| serde_json::from_slice(&json).expect("it is JSON"))
}

/// Integral floats as integers, as our decoder writes them.
fn integral(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => {
                json!(float as i64)
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(integral).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), integral(value)))
            .collect(),
        _ => value.clone(),
    }
}

#[test]
fn every_value_has_exactly_its_octets() {
    let all = vectors("encode");
    assert_eq!(all.len(), 86);
    for vector in &all {
        let (name, hex) = (&vector["name"], unhex(vector));
        // The order of keys is part of the octets, so the JSON comes from our decoder where it keeps the order.
        let json = match &vector["value"] {
            Value::Object(_) | Value::Array(_) => {
                etf_to_json(&hex, Rules::LENIENT).expect("it decodes")
            }
            plain => plain.to_string().into_bytes(),
        };
        assert_eq!(term_of_json(&json).expect("it is JSON"), hex, "{name}");
        let value = decoded(&hex, Rules::LENIENT);
        assert_eq!(value, Ok(integral(&vector["value"])), "{name}");
    }
}

#[test]
fn what_erlpack_takes_decodes_to_its_value() {
    let all = vectors("decode");
    assert_eq!(all.len(), 36);
    for vector in &all {
        let (name, hex) = (&vector["name"], unhex(vector));
        let expected = integral(&vector["value"]);
        assert_eq!(
            decoded(&hex, Rules::LENIENT),
            Ok(expected.clone()),
            "{name}"
        );
        let special = NOT_FROM_CLIENTS
            .iter()
            .find(|(each, _)| name == each)
            .map(|(_, error)| *error)
            .or((name == INTEGER_KEY).then_some(EtfError::Key));
        let from_client = special.map_or(Ok(expected), Err);
        assert_eq!(decoded(&hex, Rules::CLIENT), from_client, "{name}");
    }
}

#[test]
fn what_must_be_refused_is_refused_for_its_reason() {
    let all = vectors("refuse");
    assert_eq!(all.len(), 81);
    for vector in &all {
        let (name, hex) = (&vector["name"], unhex(vector));
        let reason = vector["refuse"].as_str().expect("a reason");
        let expected = match reason {
            // Its key is a map, whatever would have come of that.
            "truncated" if name == "map key is nil atom?" => EtfError::Key,
            "truncated" | "length" => EtfError::Truncated,
            "version" => EtfError::Version,
            "trailing" => EtfError::Trailing,
            "improper list" => EtfError::Tail,
            "utf8" => EtfError::Utf8,
            "tag" => EtfError::Tag,
            "key" => EtfError::Key,
            "non-finite float" | "float" | "integer range" => EtfError::Number,
            _ if reason.starts_with("depth") => EtfError::Depth,
            _ if reason.starts_with("compressed") => EtfError::Compressed,
            _ => panic!("a reason this test does not know: {reason}"),
        };
        assert_eq!(decoded(&hex, Rules::LENIENT), Err(expected), "{name}");
        assert!(decoded(&hex, Rules::CLIENT).is_err(), "{name}");
    }
}

#[test]
fn depth_and_size_have_bounds() {
    let nested = |depth: usize| {
        let mut bytes = vec![131];
        bytes.extend([104, 1].repeat(depth));
        bytes.extend([97, 1]);
        bytes
    };
    assert!(decoded(&nested(32), Rules::CLIENT).is_ok());
    assert_eq!(decoded(&nested(33), Rules::CLIENT), Err(EtfError::Depth));
    let small = Rules {
        max_bytes: 3,
        ..Rules::CLIENT
    };
    assert_eq!(decoded(&[131, 97, 1], small), Ok(json!(1)));
    assert_eq!(decoded(&[131, 98, 0, 0, 0, 1], small), Err(EtfError::Size));
}

#[test]
fn a_payload_has_atoms_at_the_top_and_integers_for_snowflakes() {
    let payload = br#"{"t":"MESSAGE_CREATE","s":7,"op":0,"d":{"id":"1269533725059065592","nonce":"5","permissions":"8"}}"#;
    let etf = json_to_etf(payload).expect("an envelope");
    let mut expected = vec![
        131, 116, 0, 0, 0, 4, 115, 1, b's', 97, 7, 115, 1, b't', 115, 14,
    ];
    expected.extend(b"MESSAGE_CREATE");
    expected.extend([115, 2, b'o', b'p', 97, 0, 115, 1, b'd', 116, 0, 0, 0, 3]);
    expected.extend([109, 0, 0, 0, 2, b'i', b'd', 110, 8, 0]);
    expected.extend(1_269_533_725_059_065_592u64.to_le_bytes());
    expected.extend(b"m\0\0\0\x05noncem\0\0\0\x015m\0\0\0\x0bpermissionsm\0\0\0\x018");
    assert_eq!(etf, expected);
}

#[test]
fn a_small_id_still_takes_eight_octets() {
    // erlpack for JS makes a number of four octets and a string of more (vector "small_big leading zeros").
    let etf = json_to_etf(br#"{"op":0,"d":{"id":"5"}}"#).expect("an envelope");
    assert!(etf.ends_with(&[110, 8, 0, 5, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(
        decoded(&etf, Rules::LENIENT),
        Ok(json!({"s": null, "t": null, "op": 0, "d": {"id": 5}}))
    );
}

#[test]
fn a_member_list_keeps_its_own_ids() {
    let payload = br#"{"op":0,"s":1,"t":"GUILD_MEMBER_LIST_UPDATE","d":{"id":"123","guild_id":"9",
        "groups":[{"id":"77","count":1}],"ops":[{"items":[{"group":{"id":"77"}},{"member":{"user":{"id":"4"}}}]}]}}"#;
    let etf = json_to_etf(payload).expect("an envelope");
    let value = decoded(&etf, Rules::LENIENT).expect("it decodes");
    let d = &value["d"];
    assert_eq!((&d["id"], &d["guild_id"]), (&json!("123"), &json!(9)));
    assert_eq!(d["groups"][0]["id"], json!("77"));
    assert_eq!(d["ops"][0]["items"][0]["group"]["id"], json!("77"));
    assert_eq!(d["ops"][0]["items"][1]["member"]["user"]["id"], json!(4));
}

#[test]
fn what_is_no_json_gives_no_term() {
    assert_eq!(term_of_json(b"{\"a\":"), Err(DecodeError::Json));
    assert_eq!(term_of_json(b"1 2"), Err(DecodeError::Json));
    assert_eq!(json_to_etf(b"[]"), Err(DecodeError::Envelope));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_survives_its_term(value in value()) {
        let etf = term_of_json(value.to_string().as_bytes()).expect("a value is JSON");
        prop_assert_eq!(decoded(&etf, Rules::LENIENT), Ok(integral(&value)));
        prop_assert_eq!(decoded(&etf, Rules::CLIENT), Ok(integral(&value)));
    }

    #[test]
    fn a_term_cut_short_is_refused(value in value(), cut in any::<proptest::sample::Index>()) {
        let etf = term_of_json(value.to_string().as_bytes()).expect("a value is JSON");
        let end = cut.index(etf.len());
        prop_assert_eq!(decoded(&etf[..end], Rules::CLIENT), Err(EtfError::Truncated));
    }

    #[test]
    fn noise_never_panics_and_never_swells(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        bytes.insert(0, 131);
        for rules in [Rules::CLIENT, Rules::LENIENT] {
            if let Ok(json) = etf_to_json(&bytes, rules) {
                prop_assert!(json.len() <= 6 * bytes.len());
            }
        }
    }
}
