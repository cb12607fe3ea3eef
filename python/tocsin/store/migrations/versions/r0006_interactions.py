"""Application commands and interactions (0.2.0)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _big(name: str) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, autoincrement=False, nullable=False)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=False)


def _int(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "application_commands",
        _big("id"),
        _big("application_id"),
        _big("guild_id"),
        _int("type"),
        _text("name"),
        _text("description"),
        _big("version"),
        _text("more"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("application_commands_place", "application_commands", ["application_id", "guild_id"])
    op.create_table(
        "interactions",
        _big("id"),
        _text("token"),
        _big("application_id"),
        _big("bot_id"),
        _big("user_id"),
        _big("guild_id"),
        _big("channel_id"),
        _int("type"),
        _big("created_at"),
        _int("waiting"),
        _big("message_id"),
        _int("message_type"),
        _text("nonce"),
        _text("origin"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("interactions_token", "interactions", ["token"])
    op.create_index("interactions_created", "interactions", ["created_at"])
    op.create_table(
        "interaction_messages",
        _big("message_id"),
        _big("channel_id"),
        _text("origin"),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("interaction_messages_channel", "interaction_messages", ["channel_id"])
    op.create_table(
        "hidden_messages",
        _big("id"),
        _big("interaction_id"),
        _big("channel_id"),
        _big("user_id"),
        _text("message"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("hidden_messages_interaction", "hidden_messages", ["interaction_id"])
    op.create_index("hidden_messages_channel", "hidden_messages", ["channel_id"])


def downgrade() -> None:
    """Drop them."""
    for table in ("hidden_messages", "interaction_messages", "interactions", "application_commands"):
        op.drop_table(table)
