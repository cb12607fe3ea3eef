"""What is one's own: how far a person has read each channel, notes on others, settings (0.2.0)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "read_states",
        sa.Column("user_id", big, autoincrement=False, nullable=False),
        sa.Column("channel_id", big, autoincrement=False, nullable=False),
        sa.Column("last_message_id", big, nullable=False),
        sa.Column("mention_count", sa.Integer(), nullable=False),
        sa.Column("last_pin_timestamp", big, nullable=False, server_default="0"),
        sa.Column("version", big, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("user_id", "channel_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("read_states_channel", "read_states", ["channel_id"])

    op.create_table(
        "user_notes",
        sa.Column("user_id", big, autoincrement=False, nullable=False),
        sa.Column("target_id", big, autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "target_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "user_settings",
        sa.Column("user_id", big, autoincrement=False, nullable=False),
        sa.Column("type", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "type"),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "user_guild_settings",
        sa.Column("user_id", big, autoincrement=False, nullable=False),
        sa.Column("guild_id", big, autoincrement=False, nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("version", big, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "guild_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("user_guild_settings_guild", "user_guild_settings", ["guild_id"])


def downgrade() -> None:
    """Drop them."""
    for table in ("user_guild_settings", "user_settings", "user_notes", "read_states"):
        op.drop_table(table)
