"""First schema (0.1.0), frozen: later revisions change it, `tocsin.store.schema` is the sum of them all."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    "applications",
    "bans",
    "channels",
    "dm_recipients",
    "guilds",
    "member_roles",
    "members",
    "messages",
    "nonces",
    "outbox",
    "overwrites",
    "passwords",
    "roles",
    "scope_seq",
    "tokens",
    "users",
)


def _big(name: str, *, null: bool = False) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, autoincrement=False, nullable=null)


def _int(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def _bool(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _blob(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def upgrade() -> None:
    """Create the tables of the first release."""
    op.create_table(
        "applications",
        _big("id"),
        _big("bot_user_id"),
        _text("name"),
        _big("owner_id"),
        _text("description"),
        _big("flags"),
        _big("intents"),
        _bool("public"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("bot_user_id"),
    )
    op.create_table(
        "bans",
        _big("guild_id"),
        _big("user_id"),
        _text("reason", null=True),
        sa.PrimaryKeyConstraint("guild_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "channels",
        _big("id"),
        _int("type"),
        _big("guild_id"),
        _text("name", null=True),
        _int("position"),
        _text("topic", null=True),
        _bool("nsfw"),
        _big("parent_id", null=True),
        _big("last_message_id", null=True),
        _big("last_pin_timestamp", null=True),
        _int("rate_limit_per_user"),
        _int("bitrate"),
        _int("user_limit"),
        _text("rtc_region", null=True),
        _int("video_quality_mode"),
        _int("default_auto_archive_duration", null=True),
        _int("default_thread_rate_limit_per_user"),
        _int("flags"),
        _big("owner_id", null=True),
        _text("icon", null=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("channels_guild", "channels", ["guild_id"])
    op.create_table(
        "dm_recipients",
        _big("channel_id"),
        _big("user_id"),
        sa.PrimaryKeyConstraint("channel_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("dm_recipients_user", "dm_recipients", ["user_id"])
    op.create_table(
        "guilds",
        _big("id"),
        _text("name"),
        _big("owner_id"),
        _text("icon", null=True),
        _text("splash", null=True),
        _text("discovery_splash", null=True),
        _text("banner", null=True),
        _text("description", null=True),
        _big("afk_channel_id", null=True),
        _int("afk_timeout"),
        _int("verification_level"),
        _int("default_message_notifications"),
        _int("explicit_content_filter"),
        _text("features"),
        _int("mfa_level"),
        _big("system_channel_id", null=True),
        _int("system_channel_flags"),
        _big("rules_channel_id", null=True),
        _big("public_updates_channel_id", null=True),
        _big("safety_alerts_channel_id", null=True),
        _text("vanity_url_code", null=True),
        _int("premium_tier"),
        _text("preferred_locale"),
        _int("nsfw_level"),
        _bool("premium_progress_bar_enabled"),
        _bool("widget_enabled"),
        _big("widget_channel_id", null=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "member_roles",
        _big("guild_id"),
        _big("user_id"),
        _big("role_id"),
        sa.PrimaryKeyConstraint("guild_id", "user_id", "role_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("member_roles_role", "member_roles", ["role_id"])
    op.create_table(
        "members",
        _big("guild_id"),
        _big("user_id"),
        _big("joined_at"),
        _text("nick", null=True),
        _text("avatar", null=True),
        _text("banner", null=True),
        _bool("deaf"),
        _bool("mute"),
        _bool("pending"),
        _int("flags"),
        _big("timeout_until", null=True),
        sa.PrimaryKeyConstraint("guild_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("members_user", "members", ["user_id"])
    op.create_table(
        "messages",
        _big("id"),
        _big("channel_id"),
        _big("author_id"),
        _text("content"),
        _big("guild_id"),
        _int("type"),
        _big("edited_at", null=True),
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
        _big("webhook_id", null=True),
        _big("application_id", null=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("messages_channel", "messages", ["channel_id", "id"])
    op.create_table(
        "nonces",
        _big("author_id"),
        _big("channel_id"),
        _text("nonce"),
        _big("message_id"),
        _big("created_at"),
        sa.PrimaryKeyConstraint("author_id", "channel_id", "nonce"),
        sqlite_with_rowid=False,
    )
    op.create_index("nonces_created", "nonces", ["created_at"])
    op.create_table(
        "outbox",
        _int("scope_kind"),
        _big("scope_id"),
        _big("seq"),
        _blob("event"),
        _big("created_at"),
        sa.PrimaryKeyConstraint("scope_kind", "scope_id", "seq"),
    )
    op.create_index("outbox_created", "outbox", ["created_at"])
    op.create_table(
        "overwrites",
        _big("channel_id"),
        _big("target_id"),
        _int("type"),
        _big("allow"),
        _big("deny"),
        sa.PrimaryKeyConstraint("channel_id", "target_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("overwrites_target", "overwrites", ["target_id"])
    op.create_table(
        "passwords",
        _big("user_id"),
        _text("hash"),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "roles",
        _big("id"),
        _big("guild_id"),
        _text("name"),
        _big("permissions"),
        _int("position"),
        _int("color"),
        _bool("hoist"),
        _bool("mentionable"),
        _bool("managed"),
        _text("icon", null=True),
        _text("unicode_emoji", null=True),
        _int("flags"),
        _big("bot_id", null=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("roles_guild", "roles", ["guild_id"])
    op.create_table(
        "scope_seq",
        _int("scope_kind"),
        _big("scope_id"),
        _big("seq"),
        sa.PrimaryKeyConstraint("scope_kind", "scope_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tokens",
        _blob("digest"),
        _big("user_id"),
        _big("created_at"),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_with_rowid=False,
    )
    op.create_index("tokens_user", "tokens", ["user_id"])
    op.create_table(
        "users",
        _big("id"),
        _text("username"),
        _text("discriminator"),
        _text("global_name", null=True),
        _text("avatar", null=True),
        _text("banner", null=True),
        _int("accent_color", null=True),
        _bool("bot"),
        _bool("system"),
        _text("email", null=True),
        _bool("verified"),
        _text("locale"),
        _big("flags"),
        _big("public_flags"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("username"),
    )


def downgrade() -> None:
    """Drop them all."""
    for table in _TABLES:
        op.drop_table(table)
