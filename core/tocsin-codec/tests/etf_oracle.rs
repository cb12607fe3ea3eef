//! The hand-written JSON scanner against a plain transcoder on serde_json: the same octets, and the same refusals.

use std::fmt;

use proptest::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use tocsin_codec::EncodedDispatch;
use tocsin_codec::Variant;
use tocsin_codec::etf::{json_to_etf, term_of_json};

/// What the keys above a value say of ids in it: none are, its strings are, objects in it name foreign things.
#[derive(Clone, Copy, PartialEq)]
enum Ids {
    Never,
    No,
    Yes,
    Foreign,
}

fn below(ids: Ids, key: &str) -> Ids {
    match (ids, key) {
        (Ids::Never, _) => Ids::Never,
        (Ids::Foreign, "id") => Ids::No,
        (_, "activities" | "game" | "party" | "account" | "groups" | "group") => Ids::Foreign,
        (
            _,
            "id" | "ids" | "roles" | "mention_roles" | "exempt_roles" | "exempt_channels"
            | "applied_tags" | "not_found" | "banned_users" | "failed_users",
        ) => Ids::Yes,
        (_, "session_id" | "custom_id" | "sync_id" | "member_list_id") => Ids::No,
        _ if key.ends_with("_id") || key.ends_with("_ids") => Ids::Yes,
        _ => Ids::No,
    }
}

fn snowflake(text: &str) -> Option<u64> {
    let canonical =
        text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let id = text.parse().ok().filter(|&id: &u64| id < 1 << 63)?;
    canonical.then_some(id)
}

struct Oracle<'a>(Ids, &'a mut Vec<u8>);

impl Oracle<'_> {
    fn binary(&mut self, text: &str) {
        self.1.push(109);
        self.1.extend((text.len() as u32).to_be_bytes());
        self.1.extend(text.as_bytes());
    }

    fn big(&mut self, magnitude: u64, negative: bool, length: usize) {
        self.1.extend([110, length as u8, u8::from(negative)]);
        self.1.extend(&magnitude.to_le_bytes()[..length]);
    }
}

impl<'de> DeserializeSeed<'de> for Oracle<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Oracle<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.1.extend(b"s\x03nil");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        let atom: &[u8] = if value { b"s\x04true" } else { b"s\x05false" };
        self.1.extend(atom);
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(mut self, value: u64) -> Result<(), E> {
        match (u8::try_from(value), i32::try_from(value)) {
            (Ok(small), _) => self.1.extend([97, small]),
            (_, Ok(middle)) => return self.visit_i64(middle.into()),
            _ => self.big(value, false, 8 - value.leading_zeros() as usize / 8),
        }
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        if let Ok(middle) = i32::try_from(value) {
            self.1.push(98);
            self.1.extend(middle.to_be_bytes());
        } else {
            let magnitude = value.unsigned_abs();
            self.big(magnitude, true, 8 - magnitude.leading_zeros() as usize / 8);
        }
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.1.push(70);
        self.1.extend(value.to_be_bytes());
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        match snowflake(text).filter(|_| self.0 == Ids::Yes) {
            Some(id) => self.big(id, false, 8),
            None => self.binary(text),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut inner = Vec::new();
        let mut count = 0u32;
        while items
            .next_element_seed(Oracle(self.0, &mut inner))?
            .is_some()
        {
            count += 1;
        }
        if count > 0 {
            self.1.push(108);
            self.1.extend(count.to_be_bytes());
        }
        self.1.extend(inner);
        self.1.push(106);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut inner = Vec::new();
        let mut count = 0u32;
        while let Some(key) = entries.next_key::<String>()? {
            Oracle(Ids::No, &mut inner).binary(&key);
            entries.next_value_seed(Oracle(below(self.0, &key), &mut inner))?;
            count += 1;
        }
        self.1.push(116);
        self.1.extend(count.to_be_bytes());
        self.1.extend(inner);
        Ok(())
    }
}

fn oracle(json: &[u8], ids: Ids) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Oracle(ids, &mut out).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(out)
}

/// The scanner's term of a bare value, and of the `d` of this event.
fn scanned(json: &[u8], event: &str) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let bare = term_of_json(json).ok().map(|term| term[1..].to_vec());
    let dispatch = EncodedDispatch::new(event, json.to_vec().into(), None);
    let rest = dispatch.etf_rest(Variant::Full);
    // t, the name, op 0, the key d.
    let head = 3 + 2 + event.len() + 4 + 2 + 3;
    // Not trim_ascii: a form feed is no white space of JSON.
    let null = serde_json::from_slice::<()>(json).is_ok();
    let body = Some(rest[head..].to_vec()).filter(|body| null || body != b"s\x03nil");
    (bare, body)
}

fn check(json: &[u8]) -> Result<(), TestCaseError> {
    for (event, ids) in [
        ("MESSAGE_CREATE", Ids::No),
        ("GUILD_MEMBER_LIST_UPDATE", Ids::Foreign),
    ] {
        let (bare, body) = scanned(json, event);
        let text = String::from_utf8_lossy(json);
        prop_assert_eq!(bare, oracle(json, Ids::Never), "bare {}", text);
        prop_assert_eq!(body, oracle(json, ids), "{} {}", event, text);
    }
    Ok(())
}

const SPACE: &str = "[ \n\r\t]{0,2}";

/// The JSON text of a string: plain, with escapes of every kind, right or wrong by chance, or digits.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[ !#-\\[\\]-~]{0,20}",
        2 => "\\PC{0,6}".prop_map(|text| text.replace(['"', '\\'], "")),
        2 => prop::sample::select(vec!["\\n", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\r", "\\t"]).prop_map(String::from),
        1 => any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
        1 => any::<char>().prop_map(|each| {
            each.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect()
        }),
        1 => "\\\\[a-zA-Z\"]",
    ];
    let pieces = prop::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat());
    let id = prop_oneof![
        any::<u64>().prop_map(|id| id.to_string()),
        "[0-9]{0,25}",
        "\\\\u003[0-9][0-9]{0,3}",
        "[0-9]{1,18}[/:a-f]"
    ];
    prop_oneof![2 => pieces, 1 => id].prop_map(|text| format!("\"{text}\""))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        (-400i32..400).prop_map(|value| value.to_string()),
        any::<i32>().prop_map(|value| value.to_string()),
        prop::num::f64::NORMAL.prop_map(|value| format!("{value:e}")),
        (-1e6..1e6f64).prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,22})?([eE][+-]?[0-9]{1,4})?",
        "-?[0-9]{0,3}[.eE+-]?[0-9]{0,2}",
    ]
}

fn key() -> impl Strategy<Value = String> {
    let known = vec![
        "id",
        "ids",
        "roles",
        "guild_id",
        "mention_ids",
        "session_id",
        "custom_id",
        "sync_id",
        "member_list_id",
        "activities",
        "game",
        "party",
        "account",
        "groups",
        "group",
        "not_found",
        "banned_users",
        "failed_users",
        "mention_roles",
        "exempt_roles",
        "exempt_channels",
        "applied_tags",
        "content",
        "_id",
        "_ids",
        "d",
        "",
        "n\\u0061me",
        "\\u0069d",
        "guild\\u005fid",
    ];
    prop_oneof![3 => prop::sample::select(known).prop_map(|key| format!("\"{key}\"")), 1 => string()]
}

fn spaced(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (SPACE, inner, SPACE).prop_map(|(before, inner, after)| format!("{before}{inner}{after}"))
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(String::from),
        number(),
        string(),
    ];
    spaced(leaf).prop_recursive(5, 48, 6, |inner| {
        let entry =
            (spaced(key()), inner.clone()).prop_map(|(key, value)| format!("{key}:{value}"));
        let list =
            prop::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(",")));
        let map =
            prop::collection::vec(entry, 0..6).prop_map(|all| format!("{{{}}}", all.join(",")));
        prop_oneof![spaced(list), spaced(map)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_json_gives_the_same_octets(json in json()) {
        check(json.as_bytes())?;
    }

    #[test]
    fn damaged_json_is_refused_alike(json in json(), at in any::<prop::sample::Index>(), octet in any::<u8>(), cut in any::<bool>()) {
        let mut json = json.into_bytes();
        let at = at.index(json.len());
        if cut { json.truncate(at) } else { json[at] = octet }
        check(&json)?;
    }

    #[test]
    fn noise_is_refused_alike(json in prop::collection::vec(prop::sample::select(br#"[]{}",:\/u0d81-.eEtrufalsn "#.to_vec()), 0..24)) {
        check(&json)?;
    }

    #[test]
    fn a_lone_number_gives_the_same_octets(json in number()) {
        check(json.as_bytes())?;
    }
}

#[test]
fn edges_are_judged_alike() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth: usize| "{\"id\":".repeat(depth) + "1" + &"}".repeat(depth);
    let cases = [
        "0",
        "-0",
        "-0.0",
        "-",
        "00",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1e400",
        "-1e400",
        "0e9999999999",
        "1e-9999999999",
        "255",
        "256",
        "2147483647",
        "2147483648",
        "-1",
        "-2147483648",
        "-2147483649",
        "4294967296",
        "999999999999999999",
        "1000000000000000000",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "0.1",
        "1E5",
        "1.7976931348623157e308",
        "5e-324",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ude00\"",
        "\"\\u00e\"",
        "\"\\u+041\"",
        "\"\\x\"",
        "\"\u{1}\"",
        "\"\u{7f}\"",
        "\"tab\there\"",
        "\"",
        "\"\\",
        "\"\\u",
        "\"12345678",
        "nul",
        "nulll",
        "True",
        "tru",
        "[1,]",
        "[,1]",
        "[",
        "]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "[1 2]",
        "",
        " ",
        "\u{feff}1",
        "1\0",
        "\0",
        "[]\0",
        "1 x",
        "\u{b}1",
        "null\u{a0}",
        "\u{c}null",
        "{\"id\":\"0\"}",
        "{\"id\":\"00\"}",
        "{\"id\":\"9223372036854775807\"}",
        "{\"id\":\"9223372036854775808\"}",
        "{\"id\":\"123\\u0034\"}",
        "{\"id\":[[\"1\"],{\"x\":\"1\"}]}",
        "{\"id\":\"\"}",
        "{\"id\":\"12",
        "{\"id\":\"12\\",
    ];
    for json in cases {
        check(json.as_bytes()).expect(json);
    }
    for depth in [126, 127, 128, 129] {
        for json in [nested(depth), objects(depth)] {
            check(json.as_bytes()).expect("depth");
        }
    }
    for bad in [
        &b"\"\xff\""[..],
        b"\"abcdefgh\xc3\"",
        b"\"\xed\xa0\x80\"",
        b"\xff",
    ] {
        check(bad).expect("not UTF-8");
    }
}

#[test]
fn what_swells_most_still_fits() {
    for piece in [
        "\"\"",
        "[]",
        "{}",
        "-0",
        "1e1",
        "null",
        "[[1]]",
        "{\"ids\":[\"1\",\"2\",\"3\",\"4\"]}",
    ] {
        check(format!("[{}]", [piece; 500].join(",")).as_bytes()).expect(piece);
    }
}

#[test]
fn every_fixture_gives_the_same_octets() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/fixtures.json"
    );
    let text = std::fs::read(path).expect("the fixtures are in the tree");
    let all: serde_json::Value = serde_json::from_slice(&text).expect("the fixtures are JSON");
    check(&text).expect("all of them at once");
    for (name, body) in all.as_object().expect("by name") {
        let json = body.to_string();
        let payload = format!(r#"{{"t":"{name}","s":300,"op":0,"d":{json}}}"#);
        let mut expected = b"\x83t\0\0\0\x04s\x01sb\0\0\x01\x2cs\x01ts".to_vec();
        expected.push(name.len() as u8);
        expected.extend(name.as_bytes());
        expected.extend(b"s\x02opa\0s\x01d");
        expected.extend(oracle(json.as_bytes(), Ids::No).expect("it is JSON"));
        assert_eq!(json_to_etf(payload.as_bytes()), Ok(expected), "{name}");
    }
}
