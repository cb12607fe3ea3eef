"""What bots use besides messages (0.2.0): reactions, pins, emojis, attachments, webhooks, invites, closed DMs."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = ("attachments", "closed_dms", "emojis", "invites", "pins", "reactions", "webhook_authors", "webhooks")


def _big(name: str, *, null: bool = False) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, autoincrement=False, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def _int(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _bool(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "attachments",
        _big("id"),
        _big("channel_id"),
        _big("message_id"),
        _text("filename"),
        _text("content_type"),
        _big("size"),
        _text("secret"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("attachments_message", "attachments", ["message_id"])
    op.create_index("attachments_channel", "attachments", ["channel_id"])
    op.create_table(
        "emojis",
        _big("id"),
        _big("guild_id"),
        _text("name"),
        _big("user_id"),
        _bool("animated"),
        _text("roles"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("emojis_guild", "emojis", ["guild_id"])
    op.create_table(
        "webhooks",
        _big("id"),
        _big("guild_id"),
        _big("channel_id"),
        _big("user_id"),
        _text("name"),
        _text("token"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("webhooks_channel", "webhooks", ["channel_id"])
    op.create_index("webhooks_guild", "webhooks", ["guild_id"])
    op.create_table(
        "webhook_authors",
        _big("message_id"),
        _big("channel_id"),
        _big("webhook_id"),
        _text("name"),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("webhook_authors_channel", "webhook_authors", ["channel_id"])
    op.create_table(
        "invites",
        _text("code"),
        _big("guild_id"),
        _big("channel_id"),
        _big("user_id"),
        _big("created_at"),
        _int("max_age"),
        _int("max_uses"),
        _bool("temporary"),
        _int("uses"),
        sa.PrimaryKeyConstraint("code"),
        sqlite_with_rowid=False,
    )
    op.create_index("invites_channel", "invites", ["channel_id"])
    op.create_index("invites_guild", "invites", ["guild_id"])
    op.create_table(
        "closed_dms",
        _big("channel_id"),
        _big("user_id"),
        _big("last_message_id"),
        sa.PrimaryKeyConstraint("channel_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("closed_dms_user", "closed_dms", ["user_id"])
    op.create_table("pins", _big("message_id"), _big("channel_id"), _big("id"), sa.PrimaryKeyConstraint("message_id"))
    op.create_index("pins_channel", "pins", ["channel_id", "id"])
    op.create_table(
        "reactions",
        _big("message_id"),
        _text("emoji"),
        _big("user_id"),
        _big("id"),
        _big("channel_id"),
        _big("emoji_id", null=True),
        _text("name"),
        _bool("animated"),
        sa.PrimaryKeyConstraint("message_id", "emoji", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("reactions_channel", "reactions", ["channel_id"])


def downgrade() -> None:
    """Drop them all."""
    for table in _TABLES:
        op.drop_table(table)
