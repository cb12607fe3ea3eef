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
    pub(super) fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Never, _) => Self::Never,
            (Self::ForeignId, "id") => Self::Plain,
            // Parties, accounts and activities name things of other systems; groups are "online" or a role.
            (_, "activities" | "game" | "party" | "account" | "groups" | "group") => {
                Self::ForeignId
            }
            (
                _,
                "id" | "ids" | "roles" | "mention_roles" | "exempt_roles" | "exempt_channels"
                | "applied_tags" | "not_found" | "banned_users" | "failed_users",
            ) => Self::Snowflake,
            (_, "session_id" | "custom_id" | "sync_id" | "member_list_id") => Self::Plain,
            _ if key.ends_with("_id") || key.ends_with("_ids") => Self::Snowflake,
            _ => Self::Plain,
        }
    }
}

/// The number of a snowflake in its only decimal form, below 2^63.
pub(super) fn parse(text: &str) -> Option<u64> {
    if !matches!(text.len(), 1..=19) || (text.starts_with('0') && text.len() > 1) {
        return None;
    }
    if !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&id: &u64| id < 1 << 63)
}

#[cfg(test)]
mod tests {
    use super::{Place, parse};

    fn place(path: &[&str]) -> Place {
        path.iter().fold(Place::Plain, |at, key| at.below(key))
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
        assert_eq!(parse("9223372036854775807"), Some(u64::MAX >> 1));
        assert_eq!(parse("0"), Some(0));
        for no in [
            "",
            "01",
            "-1",
            "+1",
            "1.0",
            "9223372036854775808",
            "12345678901234567890",
            "١",
        ] {
            assert_eq!(parse(no), None, "{no}");
        }
    }
}
