//! Which events of a guild only those get who look at it (protocol.md §1.11).

/// Whether the passive sessions of a guild are spared an event, unless it is given to them by name: what is said, who
/// comes and goes and who does what. What a guild, its roles, channels and threads are, all are told.
#[must_use]
pub fn is_for_lookers(name: &str) -> bool {
    matches!(
        name,
        "MESSAGE_CREATE"
            | "MESSAGE_UPDATE"
            | "MESSAGE_DELETE"
            | "MESSAGE_DELETE_BULK"
            | "MESSAGE_REACTION_ADD"
            | "MESSAGE_REACTION_ADD_MANY"
            | "MESSAGE_REACTION_REMOVE"
            | "MESSAGE_REACTION_REMOVE_ALL"
            | "MESSAGE_REACTION_REMOVE_EMOJI"
            | "MESSAGE_POLL_VOTE_ADD"
            | "MESSAGE_POLL_VOTE_REMOVE"
            | "TYPING_START"
            | "PRESENCE_UPDATE"
            | "VOICE_STATE_UPDATE"
            | "VOICE_CHANNEL_EFFECT_SEND"
            | "VOICE_CHANNEL_STATUS_UPDATE"
            | "VOICE_CHANNEL_START_TIME_UPDATE"
            | "CHANNEL_PINS_UPDATE"
            | "GUILD_MEMBER_ADD"
            | "GUILD_MEMBER_UPDATE"
            | "GUILD_MEMBER_REMOVE"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_for_lookers_and_what_a_guild_is_for_all() {
        assert!(
            ["MESSAGE_CREATE", "TYPING_START", "PRESENCE_UPDATE"]
                .into_iter()
                .all(is_for_lookers)
        );
        let all = [
            "CHANNEL_DELETE",
            "GUILD_ROLE_UPDATE",
            "GUILD_DELETE",
            "THREAD_DELETE",
            "PASSIVE_UPDATE_V1",
        ];
        assert!(!all.into_iter().any(is_for_lookers));
    }
}
