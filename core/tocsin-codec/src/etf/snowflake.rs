//! Which strings of a payload are snowflakes, decided by the key they stand under (protocol.md §5.4).
//!
//! Numbers that only look like ids (a member list's `id`, a component's `custom_id`) must stay strings: a client
//! compares them with what it sent.

/// What the key above a value says about strings in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing: strings stay strings.
    Plain,
    /// A string here, or each string of a list here, is a snowflake.
    Snowflake,
    /// Strings stay strings, and an `id` in the objects here is no snowflake.
    ForeignId,
    /// Nothing here is ever a snowflake: the encoder of bare values.
    Never,
}

impl Place {
    /// The place below `key` of an object that is itself at this place.
    #[inline(always)]
    pub(super) fn below(self, key: &[u8]) -> Self {
        if self == Self::Never {
            return Self::Never;
        }
        // Most keys are of no interest, and their last letter tells.
        match key.last() {
            Some(b'd') => match key {
                b"id" if self == Self::ForeignId => Self::Plain,
                b"id" | b"not_found" => Self::Snowflake,
                b"session_id" | b"custom_id" | b"sync_id" | b"member_list_id" => Self::Plain,
                _ if key.ends_with(b"_id") => Self::Snowflake,
                _ => Self::Plain,
            },
            Some(b's') => match key {
                // Activities name things of other systems; groups are "online" or a role.
                b"activities" | b"groups" => Self::ForeignId,
                b"ids" | b"roles" | b"mention_roles" | b"exempt_roles" | b"exempt_channels"
                | b"applied_tags" | b"banned_users" | b"failed_users" => Self::Snowflake,
                _ if key.ends_with(b"_ids") => Self::Snowflake,
                _ => Self::Plain,
            },
            // Parties and accounts name things of other systems too.
            Some(b'e') if key == b"game" => Self::ForeignId,
            Some(b'y') if key == b"party" => Self::ForeignId,
            Some(b't') if key == b"account" => Self::ForeignId,
            Some(b'p') if key == b"group" => Self::ForeignId,
            _ => Self::Plain,
        }
    }
}

/// The number of a snowflake in its only decimal form, below 2^63.
pub(super) fn parse(text: &[u8]) -> Option<u64> {
    prefix(text)
        .filter(|&(_, length)| length == text.len())
        .map(|(id, _)| id)
}

/// The snowflake in its only decimal form, below 2^63, that the text begins with, and its digits' count.
#[inline(always)]
pub(super) fn prefix(text: &[u8]) -> Option<(u64, usize)> {
    const MAX_DIGITS: usize = 19;
    let mut id = 0;
    let mut length = 0;
    while length < 16
        && let Some(eight) = text.get(length..length + 8).and_then(eight_digits)
    {
        id = id * 100_000_000 + eight;
        length += 8;
    }
    while let Some(digit @ b'0'..=b'9') = text.get(length) {
        if length == MAX_DIGITS {
            return None;
        }
        // 19 digits always fit a u64.
        id = id * 10 + u64::from(digit - b'0');
        length += 1;
    }
    let canonical = length == 1 || (length > 1 && text[0] != b'0');
    (canonical && id < 1 << 63).then_some((id, length))
}

/// The value of eight octets if they are decimal digits, by pairs, then fours, then all at once.
#[inline(always)]
fn eight_digits(text: &[u8]) -> Option<u64> {
    const EVERY: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(text.try_into().ok()?);
    let carried = word.wrapping_add(EVERY * 6);
    if (word & (EVERY * 0xf0)) | ((carried & (EVERY * 0xf0)) >> 4) != EVERY * 0x33 {
        return None;
    }
    let digits = word & (EVERY * 0x0f);
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::{Place, parse};

    fn place(path: &[&str]) -> Place {
        path.iter()
            .fold(Place::Plain, |at, key| at.below(key.as_bytes()))
    }

    #[test]
    fn the_key_tells_a_snowflake() {
        for path in [
            &["id"][..],
            &["author", "id"],
            &["guild_id"],
            &["roles"],
            &["ids"],
            &["activities", "application_id"],
            &["activities", "emoji", "id"],
            &["party", "member", "id"],
        ] {
            assert_eq!(place(path), Place::Snowflake, "{path:?}");
        }
        for path in [
            &["permissions"][..],
            &["nonce"],
            &["content"],
            &["session_id"],
            &["components", "custom_id"],
            &["activities", "id"],
            &["activities", "party", "id"],
            &["ops", "item", "group", "id"],
            &["user", "discriminator"],
        ] {
            assert_eq!(place(path), Place::Plain, "{path:?}");
        }
    }

    #[test]
    fn only_the_canonical_decimal_form_is_a_snowflake() {
        assert_eq!(parse(b"9223372036854775807"), Some(u64::MAX >> 1));
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b"12345678"), Some(12_345_678));
        assert_eq!(parse(b"1234567890987654"), Some(1_234_567_890_987_654));
        for no in [
            "",
            "01",
            "-1",
            "+1",
            "1.0",
            "9223372036854775808",
            "12345678901234567890",
            "123456789012345678901234",
            "00000000",
            "1234567/",
            "1234567:",
            "١",
        ] {
            assert_eq!(parse(no.as_bytes()), None, "{no}");
        }
    }
}
