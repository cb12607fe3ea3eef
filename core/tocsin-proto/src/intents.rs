//! `Intents`: bits by which a session asks for kinds of events, and which event needs which (protocol.md §2).

/// A set of gateway intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Intents(pub u32);

macro_rules! bits {
    ($($name:ident = $bit:expr, $doc:expr;)*) => {
        impl Intents {
            $(#[doc = $doc] pub const $name: Self = Self(1 << $bit);)*
        }
    };
}

bits! {
    GUILDS = 0, "Guilds, roles, channels, threads.";
    GUILD_MEMBERS = 1, "Members; privileged.";
    GUILD_MODERATION = 2, "Bans and the audit log.";
    GUILD_EXPRESSIONS = 3, "Emojis, stickers, sounds.";
    GUILD_INTEGRATIONS = 4, "Integrations.";
    GUILD_WEBHOOKS = 5, "Webhooks.";
    GUILD_INVITES = 6, "Invites.";
    GUILD_VOICE_STATES = 7, "Voice.";
    GUILD_PRESENCES = 8, "Presences; privileged.";
    GUILD_MESSAGES = 9, "Messages in guilds.";
    GUILD_MESSAGE_REACTIONS = 10, "Reactions in guilds.";
    GUILD_MESSAGE_TYPING = 11, "Typing in guilds.";
    DIRECT_MESSAGES = 12, "Messages in DMs.";
    DIRECT_MESSAGE_REACTIONS = 13, "Reactions in DMs.";
    DIRECT_MESSAGE_TYPING = 14, "Typing in DMs.";
    MESSAGE_CONTENT = 15, "No events: the content of messages; privileged.";
    GUILD_SCHEDULED_EVENTS = 16, "Scheduled events.";
    GUILD_EMBEDDED_ACTIVITIES = 17, "Embedded activities in guilds; people only.";
    PRIVATE_CHANNELS = 18, "Recipients of DM channels; people only.";
    CALLS = 19, "Calls in DMs; people only.";
    AUTO_MODERATION_CONFIGURATION = 20, "Auto-moderation rules.";
    AUTO_MODERATION_EXECUTION = 21, "Auto-moderation actions.";
    USER_RELATIONSHIPS = 22, "Friends and blocks; people only.";
    USER_PRESENCE = 23, "Presences of friends; people only.";
    GUILD_MESSAGE_POLLS = 24, "Poll votes in guilds.";
    DIRECT_MESSAGE_POLLS = 25, "Poll votes in DMs.";
}

impl Intents {
    /// No intent.
    pub const NONE: Self = Self(0);
    /// Every bit that exists.
    pub const ALL: Self = Self((1 << 29) - 1);

    /// Whether any bit is in both.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every bit of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is no bit at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The union of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The intents of which a session needs at least one to get the event; empty for events that everyone gets.
    ///
    /// Two exceptions depend on the recipient and are the caller's: a GUILD_MEMBER_UPDATE about oneself, and messages
    /// in group DMs, need no intent.
    #[must_use]
    pub fn required(event: &str, in_guild: bool) -> Self {
        match event {
            "GUILD_CREATE"
            | "GUILD_UPDATE"
            | "GUILD_DELETE"
            | "GUILD_ROLE_CREATE"
            | "GUILD_ROLE_UPDATE"
            | "GUILD_ROLE_DELETE"
            | "THREAD_CREATE"
            | "THREAD_UPDATE"
            | "THREAD_DELETE"
            | "THREAD_LIST_SYNC"
            | "THREAD_MEMBER_UPDATE"
            | "STAGE_INSTANCE_CREATE"
            | "STAGE_INSTANCE_UPDATE"
            | "STAGE_INSTANCE_DELETE"
            | "VOICE_CHANNEL_STATUS_UPDATE"
            | "VOICE_CHANNEL_START_TIME_UPDATE" => Self::GUILDS,
            "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "CHANNEL_DELETE" if in_guild => Self::GUILDS,
            "CHANNEL_PINS_UPDATE" if in_guild => Self::GUILDS,
            "CHANNEL_PINS_UPDATE" => Self::DIRECT_MESSAGES,
            "THREAD_MEMBERS_UPDATE" => Self::GUILDS.union(Self::GUILD_MEMBERS),
            "GUILD_MEMBER_ADD" | "GUILD_MEMBER_UPDATE" | "GUILD_MEMBER_REMOVE" => {
                Self::GUILD_MEMBERS
            }
            "GUILD_AUDIT_LOG_ENTRY_CREATE" | "GUILD_BAN_ADD" | "GUILD_BAN_REMOVE" => {
                Self::GUILD_MODERATION
            }
            "GUILD_EMOJIS_UPDATE"
            | "GUILD_STICKERS_UPDATE"
            | "GUILD_SOUNDBOARD_SOUND_CREATE"
            | "GUILD_SOUNDBOARD_SOUND_UPDATE"
            | "GUILD_SOUNDBOARD_SOUND_DELETE"
            | "GUILD_SOUNDBOARD_SOUNDS_UPDATE" => Self::GUILD_EXPRESSIONS,
            "GUILD_INTEGRATIONS_UPDATE"
            | "INTEGRATION_CREATE"
            | "INTEGRATION_UPDATE"
            | "INTEGRATION_DELETE" => Self::GUILD_INTEGRATIONS,
            "WEBHOOKS_UPDATE" => Self::GUILD_WEBHOOKS,
            "INVITE_CREATE" | "INVITE_DELETE" => Self::GUILD_INVITES,
            "VOICE_STATE_UPDATE" => Self::either(in_guild, Self::GUILD_VOICE_STATES, Self::CALLS),
            "VOICE_CHANNEL_EFFECT_SEND" => Self::GUILD_VOICE_STATES,
            "PRESENCE_UPDATE" => Self::either(in_guild, Self::GUILD_PRESENCES, Self::USER_PRESENCE),
            "CALL_CREATE" | "CALL_UPDATE" | "CALL_DELETE" => Self::CALLS,
            "CHANNEL_RECIPIENT_ADD" | "CHANNEL_RECIPIENT_REMOVE" => Self::PRIVATE_CHANNELS,
            "RELATIONSHIP_ADD" | "RELATIONSHIP_UPDATE" | "RELATIONSHIP_REMOVE" => {
                Self::USER_RELATIONSHIPS
            }
            "EMBEDDED_ACTIVITY_UPDATE_V2" => Self::GUILD_EMBEDDED_ACTIVITIES,
            "MESSAGE_CREATE" | "MESSAGE_UPDATE" | "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => {
                Self::either(in_guild, Self::GUILD_MESSAGES, Self::DIRECT_MESSAGES)
            }
            "MESSAGE_REACTION_ADD"
            | "MESSAGE_REACTION_ADD_MANY"
            | "MESSAGE_REACTION_REMOVE"
            | "MESSAGE_REACTION_REMOVE_ALL"
            | "MESSAGE_REACTION_REMOVE_EMOJI" => Self::either(
                in_guild,
                Self::GUILD_MESSAGE_REACTIONS,
                Self::DIRECT_MESSAGE_REACTIONS,
            ),
            "TYPING_START" => Self::either(
                in_guild,
                Self::GUILD_MESSAGE_TYPING,
                Self::DIRECT_MESSAGE_TYPING,
            ),
            "MESSAGE_POLL_VOTE_ADD" | "MESSAGE_POLL_VOTE_REMOVE" => Self::either(
                in_guild,
                Self::GUILD_MESSAGE_POLLS,
                Self::DIRECT_MESSAGE_POLLS,
            ),
            "GUILD_SCHEDULED_EVENT_CREATE"
            | "GUILD_SCHEDULED_EVENT_UPDATE"
            | "GUILD_SCHEDULED_EVENT_DELETE"
            | "GUILD_SCHEDULED_EVENT_USER_ADD"
            | "GUILD_SCHEDULED_EVENT_USER_REMOVE" => Self::GUILD_SCHEDULED_EVENTS,
            "AUTO_MODERATION_RULE_CREATE"
            | "AUTO_MODERATION_RULE_UPDATE"
            | "AUTO_MODERATION_RULE_DELETE" => Self::AUTO_MODERATION_CONFIGURATION,
            "AUTO_MODERATION_ACTION_EXECUTION" => Self::AUTO_MODERATION_EXECUTION,
            _ => Self::NONE,
        }
    }

    const fn either(in_guild: bool, guild: Self, direct: Self) -> Self {
        if in_guild { guild } else { direct }
    }
}

#[cfg(test)]
mod tests {
    use super::Intents;

    #[test]
    fn the_same_event_needs_another_intent_in_a_dm() {
        assert_eq!(
            Intents::required("MESSAGE_CREATE", true),
            Intents::GUILD_MESSAGES
        );
        assert_eq!(
            Intents::required("MESSAGE_CREATE", false),
            Intents::DIRECT_MESSAGES
        );
        assert_eq!(
            Intents::required("TYPING_START", false),
            Intents::DIRECT_MESSAGE_TYPING
        );
    }

    #[test]
    fn what_only_people_get_needs_an_intent_no_bot_may_have() {
        const BOT_LEGAL: Intents = Intents(0x0331_ffff);
        for (event, in_guild) in [
            ("PRESENCE_UPDATE", false),
            ("VOICE_STATE_UPDATE", false),
            ("CALL_CREATE", false),
            ("RELATIONSHIP_ADD", false),
            ("CHANNEL_RECIPIENT_ADD", false),
        ] {
            let required = Intents::required(event, in_guild);
            assert!(
                !required.is_empty() && !required.intersects(BOT_LEGAL),
                "{event}"
            );
        }
    }

    #[test]
    fn some_events_need_none() {
        for event in [
            "READY",
            "RESUMED",
            "USER_UPDATE",
            "GUILD_MEMBERS_CHUNK",
            "INTERACTION_CREATE",
        ] {
            assert!(Intents::required(event, true).is_empty(), "{event}");
        }
        assert!(Intents::required("CHANNEL_CREATE", false).is_empty());
    }
}
