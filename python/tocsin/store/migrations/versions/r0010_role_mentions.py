"""Which messages mention a role, and up to where read states have counted them (0.2.0)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create the table and add the column."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "role_mentions",
        sa.Column("role_id", big, autoincrement=False, nullable=False),
        sa.Column("message_id", big, autoincrement=False, nullable=False),
        sa.Column("channel_id", big, nullable=False),
        sa.Column("guild_id", big, nullable=False),
        sa.Column("passes_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("role_id", "message_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("role_mentions_message", "role_mentions", ["message_id"])
    op.create_index("role_mentions_channel", "role_mentions", ["channel_id"])
    op.add_column("read_states", sa.Column("counted_to", big, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("read_states", "counted_to")
    op.drop_table("role_mentions")
