"""Entities: the nouns as tocsin keeps them. Ids and permission sets are ints; times are Unix milliseconds.

`tocsin.model.wire` renders them for clients. Field meanings: protocol.md §4.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec


class ChannelType(IntEnum):
    """protocol.md §4.5."""

    GUILD_TEXT = 0
    DM = 1
    GUILD_VOICE = 2
    GROUP_DM = 3
    GUILD_CATEGORY = 4
    GUILD_ANNOUNCEMENT = 5
    ANNOUNCEMENT_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    GUILD_STAGE_VOICE = 13
    GUILD_FORUM = 15
    GUILD_MEDIA = 16


class User(msgspec.Struct, frozen=True, kw_only=True):
    """An account: a person or a bot."""

    id: int
    username: str
    discriminator: str = "0"
    global_name: str | None = None
    avatar: str | None = None
    banner: str | None = None
    accent_color: int | None = None
    bot: bool = False
    system: bool = False
    email: str | None = None
    verified: bool = True
    locale: str = "en-US"
    flags: int = 0
    public_flags: int = 0


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """The application a bot belongs to. `intents` are the privileged intents it may ask for."""

    id: int
    bot_user_id: int
    name: str
    owner_id: int = 0
    description: str = ""
    flags: int = 0
    intents: int = 0
    public: bool = True


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A role; the one whose id is the guild's is @everyone."""

    id: int
    guild_id: int
    name: str
    permissions: int = 0
    position: int = 0
    color: int = 0
    hoist: bool = False
    mentionable: bool = False
    managed: bool = False
    icon: str | None = None
    unicode_emoji: str | None = None
    flags: int = 0
    bot_id: int | None = None


class Overwrite(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's exception for a role (type 0) or a member (type 1)."""

    id: int
    type: int
    allow: int = 0
    deny: int = 0


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A guild channel, a DM or a group DM. `recipients` only for the last two.

    `recipients_version` counts the changes of a group's recipients; what is told to them is committed on it.
    """

    id: int
    type: int
    guild_id: int = 0
    name: str | None = None
    position: int = 0
    topic: str | None = None
    nsfw: bool = False
    parent_id: int | None = None
    last_message_id: int | None = None
    last_pin_timestamp: int | None = None
    rate_limit_per_user: int = 0
    bitrate: int = 64000
    user_limit: int = 0
    rtc_region: str | None = None
    video_quality_mode: int = 1
    default_auto_archive_duration: int | None = None
    default_thread_rate_limit_per_user: int = 0
    flags: int = 0
    owner_id: int | None = None
    icon: str | None = None
    recipients_version: int = 0
    overwrites: tuple[Overwrite, ...] = ()
    recipients: tuple[int, ...] = ()


THREAD_TYPES = frozenset({ChannelType.ANNOUNCEMENT_THREAD, ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD})


class Thread(Channel, frozen=True, kw_only=True):
    """A thread under `parent_id`. It has no overwrites of its own: `overwrites` are its parent's, or empty as stored.

    `auto_archive_duration` is in minutes; `archive_at` is when it archives itself unless somebody writes.
    """

    archived: bool = False
    auto_archive_duration: int = 1440
    archive_timestamp: int = 0
    archive_at: int = 0
    locked: bool = False
    invitable: bool = True
    message_count: int = 0
    total_message_sent: int = 0
    member_count: int = 0

    def with_message(self, message_id: int) -> Thread:
        """Return the thread with one message more, the newest."""
        return msgspec.structs.replace(
            self,
            last_message_id=message_id,
            message_count=self.message_count + 1,
            total_message_sent=self.total_message_sent + 1,
        )

    @property
    def private(self) -> bool:
        """Whether only its members and those who manage threads may view it."""
        return self.type == ChannelType.PRIVATE_THREAD


class ThreadMember(msgspec.Struct, frozen=True, kw_only=True):
    """A user in a thread."""

    thread_id: int
    user_id: int
    guild_id: int
    joined_at: int
    flags: int = 0


class ThreadPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Which channel a thread is under."""

    id: int
    guild_id: int
    parent_id: int


class Guild(msgspec.Struct, frozen=True, kw_only=True):
    """A guild without its roles, channels and members."""

    id: int
    name: str
    owner_id: int
    icon: str | None = None
    splash: str | None = None
    discovery_splash: str | None = None
    banner: str | None = None
    description: str | None = None
    afk_channel_id: int | None = None
    afk_timeout: int = 300
    verification_level: int = 0
    default_message_notifications: int = 0
    explicit_content_filter: int = 0
    features: tuple[str, ...] = ()
    mfa_level: int = 0
    system_channel_id: int | None = None
    system_channel_flags: int = 0
    rules_channel_id: int | None = None
    public_updates_channel_id: int | None = None
    safety_alerts_channel_id: int | None = None
    vanity_url_code: str | None = None
    premium_tier: int = 0
    preferred_locale: str = "en-US"
    nsfw_level: int = 0
    premium_progress_bar_enabled: bool = False
    widget_enabled: bool = False
    widget_channel_id: int | None = None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A user in a guild. `roles` never holds @everyone. `timeout_until` is Unix ms or None."""

    guild_id: int
    user_id: int
    joined_at: int
    roles: tuple[int, ...] = ()
    nick: str | None = None
    avatar: str | None = None
    banner: str | None = None
    deaf: bool = False
    mute: bool = False
    pending: bool = False
    flags: int = 0
    timeout_until: int | None = None


class TemporaryMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member by a temporary invite: for as long as they are connected, or have a role."""

    user_id: int
    guild_id: int


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """A user who may not join a guild."""

    guild_id: int
    user_id: int
    reason: str | None = None


class Emoji(msgspec.Struct, frozen=True, kw_only=True):
    """A guild's own emoji. Its image is in the content store. `roles` are those who may use it; none is everybody."""

    id: int
    guild_id: int
    name: str
    user_id: int
    animated: bool = False
    roles: tuple[int, ...] = ()


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """A user's reaction to a message. `id` orders it; `emoji` is what tells emojis apart, see `EmojiRef.key`."""

    message_id: int
    emoji: str
    user_id: int
    id: int
    channel_id: int
    emoji_id: int | None
    name: str
    animated: bool = False


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the content store. `message_id` 0: of no message yet, or no more. `secret` is in its URL."""

    id: int
    channel_id: int
    message_id: int
    filename: str
    content_type: str
    size: int
    secret: str


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Lets whoever has its token write in a channel."""

    id: int
    guild_id: int
    channel_id: int
    user_id: int
    name: str
    token: str
    avatar: str | None = None


class WebhookAuthor(msgspec.Struct, frozen=True, kw_only=True):
    """The name under which a webhook wrote a message."""

    message_id: int
    channel_id: int
    webhook_id: int
    name: str


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    """Lets people into a guild. `created_at` in Unix ms, `max_age` in seconds; 0 of it or of `max_uses` is no end."""

    code: str
    guild_id: int
    channel_id: int
    user_id: int
    created_at: int
    max_age: int
    max_uses: int
    temporary: bool
    uses: int = 0

    @property
    def expires_at(self) -> int | None:
        """The Unix milliseconds from which it opens nothing."""
        return self.created_at + self.max_age * 1000 if self.max_age else None


class ClosedDm(msgspec.Struct, frozen=True, kw_only=True):
    """A DM that a person closed when this was its last message; the next one opens it again."""

    channel_id: int
    user_id: int
    last_message_id: int


class ReadState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a person has read a channel. `last_pin_timestamp` is Unix ms, 0 for never; `version` counts changes.

    Mentions of roles are in `mention_count` up to the id `counted_to` only; those after it are counted when asked for.
    """

    user_id: int
    channel_id: int
    last_message_id: int = 0
    mention_count: int = 0
    last_pin_timestamp: int = 0
    version: int = 0
    counted_to: int = 0


class RoleMention(msgspec.Struct, frozen=True, kw_only=True):
    """A message that mentions a role, whose id is the guild's for @everyone.

    `passes_by` are those for whom it counts nothing: its author, and whom it names as well.
    """

    role_id: int
    message_id: int
    channel_id: int
    guild_id: int
    passes_by: tuple[int, ...] = ()


class UserNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a person noted on another user, for themselves."""

    user_id: int
    target_id: int
    note: str


class UserSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A person's settings of one type: a protobuf in base64, which only clients read."""

    user_id: int
    type: int
    settings: str


class UserGuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a person wants to be told of a guild; `settings` as on the wire, `version` counts changes."""

    user_id: int
    guild_id: int
    settings: dict[str, Any] = {}
    version: int = 0


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A pinned message. `id` carries when it was pinned, and orders the pins of a channel."""

    message_id: int
    channel_id: int
    id: int


class EmojiRef(msgspec.Struct, frozen=True, kw_only=True):
    """An emoji as reactions name it: of a guild (`id`), or of Unicode."""

    id: int | None = None
    name: str
    animated: bool = False

    @property
    def key(self) -> str:
        """What tells it from other emojis: its id, or its text without variation selectors."""
        return str(self.id) if self.id is not None else self.name.replace("\N{VARIATION SELECTOR-16}", "")


class ReactionCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often an emoji is on a message, and whether the reader put it there."""

    message_id: int
    emoji: EmojiRef
    count: int
    me: bool


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A stored message. `embeds`, `attachments`, `components` are kept as wire objects."""

    id: int
    channel_id: int
    author_id: int
    content: str
    guild_id: int = 0
    type: int = 0
    edited_at: int | None = None
    tts: bool = False
    pinned: bool = False
    flags: int = 0
    mention_everyone: bool = False
    mentions: tuple[int, ...] = ()
    mention_roles: tuple[int, ...] = ()
    embeds: list[dict[str, Any]] = []
    attachments: list[dict[str, Any]] = []
    components: list[dict[str, Any]] = []
    sticker_ids: tuple[int, ...] = ()
    reference: dict[str, Any] | None = None
    webhook_id: int | None = None
    application_id: int | None = None
