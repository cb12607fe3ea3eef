//! Dispatch: what of a JSON payload the generator needs, found without parsing the rest.

pub(crate) fn number_after(payload: &[u8], mark: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(payload, mark)? + mark.len();
    let digits = payload[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    std::str::from_utf8(&payload[at..at + digits])
        .ok()?
        .parse()
        .ok()
}

pub(crate) fn text_after(payload: &[u8], mark: &[u8]) -> Option<String> {
    let at = memchr::memmem::find(payload, mark)? + mark.len();
    let length = memchr::memchr(b'"', &payload[at..])?;
    String::from_utf8(payload[at..at + length].to_vec()).ok()
}

pub(crate) fn opcode(payload: &[u8]) -> Option<u64> {
    number_after(payload, b"\"op\":")
}

/// `s` and `t` of a dispatch, as tocsin writes it: `{"s":N,"t":"NAME",...`.
pub(crate) fn head(payload: &[u8]) -> Option<(u64, &[u8])> {
    let rest = payload.strip_prefix(b"{\"s\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let seq = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let rest = rest[digits..].strip_prefix(b",\"t\":\"")?;
    let length = memchr::memchr(b'"', rest)?;
    Some((seq, &rest[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_dispatch_names_it() {
        let text = br#"{"s":12,"t":"READY","op":0,"d":{"session_id":"abc"}}"#;
        assert_eq!(head(text), Some((12, &b"READY"[..])));
        assert_eq!(
            text_after(text, b"\"session_id\":\"").as_deref(),
            Some("abc")
        );
        assert_eq!(head(br#"{"op":11,"d":null}"#), None);
        assert_eq!(opcode(br#"{"t":null,"s":null,"op":11,"d":null}"#), Some(11));
    }
}
