"""The schema: one SQLAlchemy Core metadata for both databases. Columns carry the entities' field names.

Ids, permission sets and times (Unix ms) are 64-bit integers; lists and objects are JSON text.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

METADATA = MetaData()
# In SQLite, only a column of type INTEGER can be the row's own number, which saves an index on the id.
_BIG = BigInteger().with_variant(Integer(), "sqlite")
# Small rows found by their key: SQLite keeps them in the key's own tree. The other databases ignore it.
_CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}


def _id(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    return Column(name, _BIG, primary_key=key, autoincrement=False, nullable=null and not key)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _int(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _bool(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


Table(
    "users",
    METADATA,
    _id("id", key=True),
    Column("username", Text, nullable=False, unique=True),
    _text("discriminator"),
    _text("global_name", null=True),
    _text("avatar", null=True),
    _text("banner", null=True),
    Column("accent_color", Integer),
    _bool("bot"),
    _bool("system"),
    _text("email", null=True),
    _bool("verified"),
    _text("locale"),
    _id("flags"),
    _id("public_flags"),
)
Table(
    "tokens",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    _id("user_id"),
    _id("created_at"),
    **_CLUSTERED,
)
Index("tokens_user", METADATA.tables["tokens"].c.user_id)
Table("passwords", METADATA, _id("user_id", key=True), _text("hash"))
Table(
    "applications",
    METADATA,
    _id("id", key=True),
    Column("bot_user_id", _BIG, nullable=False, unique=True),
    _text("name"),
    _id("owner_id"),
    _text("description"),
    _id("flags"),
    _id("intents"),
    _bool("public"),
)
Table(
    "guilds",
    METADATA,
    _id("id", key=True),
    _text("name"),
    _id("owner_id"),
    _text("icon", null=True),
    _text("splash", null=True),
    _text("discovery_splash", null=True),
    _text("banner", null=True),
    _text("description", null=True),
    _id("afk_channel_id", null=True),
    _int("afk_timeout"),
    _int("verification_level"),
    _int("default_message_notifications"),
    _int("explicit_content_filter"),
    _text("features"),
    _int("mfa_level"),
    _id("system_channel_id", null=True),
    _int("system_channel_flags"),
    _id("rules_channel_id", null=True),
    _id("public_updates_channel_id", null=True),
    _id("safety_alerts_channel_id", null=True),
    _text("vanity_url_code", null=True),
    _int("premium_tier"),
    _text("preferred_locale"),
    _int("nsfw_level"),
    _bool("premium_progress_bar_enabled"),
    _bool("widget_enabled"),
    _id("widget_channel_id", null=True),
)
Table(
    "roles",
    METADATA,
    _id("id", key=True),
    _id("guild_id"),
    _text("name"),
    _id("permissions"),
    _int("position"),
    _int("color"),
    _bool("hoist"),
    _bool("mentionable"),
    _bool("managed"),
    _text("icon", null=True),
    _text("unicode_emoji", null=True),
    _int("flags"),
    _id("bot_id", null=True),
)
Index("roles_guild", METADATA.tables["roles"].c.guild_id)
Table(
    "channels",
    METADATA,
    _id("id", key=True),
    _int("type"),
    _id("guild_id"),
    _text("name", null=True),
    _int("position"),
    _text("topic", null=True),
    _bool("nsfw"),
    _id("parent_id", null=True),
    _id("last_message_id", null=True),
    _id("last_pin_timestamp", null=True),
    _int("rate_limit_per_user"),
    _int("bitrate"),
    _int("user_limit"),
    _text("rtc_region", null=True),
    _int("video_quality_mode"),
    Column("default_auto_archive_duration", Integer),
    _int("default_thread_rate_limit_per_user"),
    _int("flags"),
    _id("owner_id", null=True),
    _text("icon", null=True),
    Column("recipients_version", Integer, nullable=False, server_default="0"),
)
Index("channels_guild", METADATA.tables["channels"].c.guild_id)
Table(
    "overwrites",
    METADATA,
    _id("channel_id", key=True),
    _id("target_id", key=True),
    _int("type"),
    _id("allow"),
    _id("deny"),
    **_CLUSTERED,
)
Index("overwrites_target", METADATA.tables["overwrites"].c.target_id)
Table(
    "threads",
    METADATA,
    _id("id", key=True),
    _id("guild_id"),
    _id("parent_id"),
    _bool("archived"),
    _int("auto_archive_duration"),
    _id("archive_timestamp"),
    _id("archive_at"),
    _bool("locked"),
    _bool("invitable"),
    _int("message_count"),
    _int("total_message_sent"),
)
Index("threads_guild", METADATA.tables["threads"].c.guild_id, METADATA.tables["threads"].c.archived)
Index("threads_parent", METADATA.tables["threads"].c.parent_id, METADATA.tables["threads"].c.archive_timestamp)
Index("threads_archive", METADATA.tables["threads"].c.archived, METADATA.tables["threads"].c.archive_at)
Table(
    "thread_members",
    METADATA,
    _id("thread_id", key=True),
    _id("user_id", key=True),
    _id("guild_id"),
    _id("joined_at"),
    _int("flags"),
    **_CLUSTERED,
)
Index("thread_members_user", METADATA.tables["thread_members"].c.guild_id, METADATA.tables["thread_members"].c.user_id)
Table("dm_recipients", METADATA, _id("channel_id", key=True), _id("user_id", key=True), **_CLUSTERED)
Index("dm_recipients_user", METADATA.tables["dm_recipients"].c.user_id)
Table(
    "members",
    METADATA,
    _id("guild_id", key=True),
    _id("user_id", key=True),
    _id("joined_at"),
    _text("nick", null=True),
    _text("avatar", null=True),
    _text("banner", null=True),
    _bool("deaf"),
    _bool("mute"),
    _bool("pending"),
    _int("flags"),
    _id("timeout_until", null=True),
    **_CLUSTERED,
)
Index("members_user", METADATA.tables["members"].c.user_id)
Table(
    "member_roles",
    METADATA,
    _id("guild_id", key=True),
    _id("user_id", key=True),
    _id("role_id", key=True),
    **_CLUSTERED,
)
Table(
    "temporary_members",
    METADATA,
    _id("user_id", key=True),
    _id("guild_id", key=True),
    **_CLUSTERED,
)
Index("temporary_members_guild", METADATA.tables["temporary_members"].c.guild_id)
Index("member_roles_role", METADATA.tables["member_roles"].c.role_id)
Table(
    "bans",
    METADATA,
    _id("guild_id", key=True),
    _id("user_id", key=True),
    _text("reason", null=True),
    **_CLUSTERED,
)
Table(
    "messages",
    METADATA,
    _id("id", key=True),
    _id("channel_id"),
    _id("author_id"),
    _text("content"),
    _id("guild_id"),
    _int("type"),
    _id("edited_at", null=True),
    _bool("tts"),
    _bool("pinned"),
    _int("flags"),
    _bool("mention_everyone"),
    _text("mentions"),
    _text("mention_roles"),
    _text("embeds"),
    _text("attachments"),
    _text("components"),
    _text("sticker_ids"),
    _text("reference", null=True),
    _id("webhook_id", null=True),
    _id("application_id", null=True),
)
Index("messages_channel", METADATA.tables["messages"].c.channel_id, METADATA.tables["messages"].c.id)
Table(
    "emojis",
    METADATA,
    _id("id", key=True),
    _id("guild_id"),
    _text("name"),
    _id("user_id"),
    _bool("animated"),
    _text("roles"),
)
Index("emojis_guild", METADATA.tables["emojis"].c.guild_id)
Table(
    "reactions",
    METADATA,
    _id("message_id", key=True),
    Column("emoji", Text, primary_key=True),
    _id("user_id", key=True),
    _id("id"),
    _id("channel_id"),
    _id("emoji_id", null=True),
    _text("name"),
    _bool("animated"),
    **_CLUSTERED,
)
Index("reactions_channel", METADATA.tables["reactions"].c.channel_id)
Table(
    "attachments",
    METADATA,
    _id("id", key=True),
    _id("channel_id"),
    _id("message_id"),
    _text("filename"),
    _text("content_type"),
    _id("size"),
    _text("secret"),
)
Index("attachments_message", METADATA.tables["attachments"].c.message_id)
Index("attachments_channel", METADATA.tables["attachments"].c.channel_id)
Table(
    "webhooks",
    METADATA,
    _id("id", key=True),
    _id("guild_id"),
    _id("channel_id"),
    _id("user_id"),
    _text("name"),
    _text("token"),
    _text("avatar", null=True),
)
Index("webhooks_channel", METADATA.tables["webhooks"].c.channel_id)
Index("webhooks_guild", METADATA.tables["webhooks"].c.guild_id)
Table(
    "webhook_authors",
    METADATA,
    _id("message_id", key=True),
    _id("channel_id"),
    _id("webhook_id"),
    _text("name"),
)
Index("webhook_authors_channel", METADATA.tables["webhook_authors"].c.channel_id)
Table(
    "invites",
    METADATA,
    Column("code", Text, primary_key=True),
    _id("guild_id"),
    _id("channel_id"),
    _id("user_id"),
    _id("created_at"),
    _int("max_age"),
    _int("max_uses"),
    _bool("temporary"),
    _int("uses"),
    **_CLUSTERED,
)
Index("invites_channel", METADATA.tables["invites"].c.channel_id)
Index("invites_guild", METADATA.tables["invites"].c.guild_id)
Table(
    "closed_dms",
    METADATA,
    _id("channel_id", key=True),
    _id("user_id", key=True),
    _id("last_message_id"),
    **_CLUSTERED,
)
Index("closed_dms_user", METADATA.tables["closed_dms"].c.user_id)
Table(
    "read_states",
    METADATA,
    _id("user_id", key=True),
    _id("channel_id", key=True),
    _id("last_message_id"),
    _int("mention_count"),
    Column("last_pin_timestamp", _BIG, nullable=False, server_default="0"),
    Column("version", _BIG, nullable=False, server_default="0"),
    Column("counted_to", _BIG, nullable=False, server_default="0"),
    **_CLUSTERED,
)
Index("read_states_channel", METADATA.tables["read_states"].c.channel_id)
Table(
    "role_mentions",
    METADATA,
    _id("role_id", key=True),
    _id("message_id", key=True),
    _id("channel_id"),
    _id("guild_id"),
    _text("passes_by"),
    **_CLUSTERED,
)
Index("role_mentions_message", METADATA.tables["role_mentions"].c.message_id)
Index("role_mentions_channel", METADATA.tables["role_mentions"].c.channel_id)
Table("user_notes", METADATA, _id("user_id", key=True), _id("target_id", key=True), _text("note"), **_CLUSTERED)
Table(
    "user_settings",
    METADATA,
    _id("user_id", key=True),
    Column("type", Integer, primary_key=True, autoincrement=False),
    _text("settings"),
    **_CLUSTERED,
)
Table(
    "user_guild_settings",
    METADATA,
    _id("user_id", key=True),
    _id("guild_id", key=True),
    _text("settings"),
    _id("version"),
    **_CLUSTERED,
)
Index("user_guild_settings_guild", METADATA.tables["user_guild_settings"].c.guild_id)
Table("pins", METADATA, _id("message_id", key=True), _id("channel_id"), _id("id"))
Index("pins_channel", METADATA.tables["pins"].c.channel_id, METADATA.tables["pins"].c.id)
Table(
    "application_commands",
    METADATA,
    _id("id", key=True),
    _id("application_id"),
    _id("guild_id"),
    _int("type"),
    _text("name"),
    _text("description"),
    _id("version"),
    _text("more"),
)
_COMMANDS = METADATA.tables["application_commands"].c
Index("application_commands_place", _COMMANDS.application_id, _COMMANDS.guild_id)
Table(
    "interactions",
    METADATA,
    _id("id", key=True),
    _text("token"),
    _id("application_id"),
    _id("bot_id"),
    _id("user_id"),
    _id("guild_id"),
    _id("channel_id"),
    _int("type"),
    _id("created_at"),
    _int("waiting"),
    _id("message_id"),
    _int("message_type"),
    _text("nonce"),
    _text("origin"),
)
Index("interactions_token", METADATA.tables["interactions"].c.token)
Index("interactions_created", METADATA.tables["interactions"].c.created_at)
Table("interaction_messages", METADATA, _id("message_id", key=True), _id("channel_id"), _text("origin"))
Index("interaction_messages_channel", METADATA.tables["interaction_messages"].c.channel_id)
Table(
    "hidden_messages",
    METADATA,
    _id("id", key=True),
    _id("interaction_id"),
    _id("channel_id"),
    _id("user_id"),
    _text("message"),
)
Index("hidden_messages_interaction", METADATA.tables["hidden_messages"].c.interaction_id)
Index("hidden_messages_channel", METADATA.tables["hidden_messages"].c.channel_id)
Table(
    "audit_log",
    METADATA,
    _id("id", key=True),
    _id("guild_id"),
    _id("user_id"),
    _id("target_id", null=True),
    _int("action_type"),
    _text("changes"),
    _text("options"),
    _text("reason", null=True),
)
Index("audit_log_guild", METADATA.tables["audit_log"].c.guild_id, METADATA.tables["audit_log"].c.id)
Table(
    "auto_moderation_rules",
    METADATA,
    _id("id", key=True),
    _id("guild_id"),
    _text("name"),
    _id("creator_id"),
    _int("event_type"),
    _int("trigger_type"),
    _text("trigger_metadata"),
    _text("actions"),
    _bool("enabled"),
    _text("exempt_roles"),
    _text("exempt_channels"),
)
Index("auto_moderation_rules_guild", METADATA.tables["auto_moderation_rules"].c.guild_id)
Table(
    "nonces",
    METADATA,
    _id("author_id", key=True),
    _id("channel_id", key=True),
    Column("nonce", Text, primary_key=True),
    _id("message_id"),
    _id("created_at"),
    **_CLUSTERED,
)
Index("nonces_created", METADATA.tables["nonces"].c.created_at)
Table(
    "scope_seq",
    METADATA,
    Column("scope_kind", Integer, primary_key=True, autoincrement=False),
    _id("scope_id", key=True),
    _id("seq"),
    **_CLUSTERED,
)
Table(
    "outbox",
    METADATA,
    Column("scope_kind", Integer, primary_key=True, autoincrement=False),
    _id("scope_id", key=True),
    _id("seq", key=True),
    Column("event", LargeBinary, nullable=False),
    _id("created_at"),
)
Index("outbox_created", METADATA.tables["outbox"].c.created_at)
