"""What is one's own: how far a person has read each channel (0.2.0)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
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


def downgrade() -> None:
    """Drop it."""
    op.drop_table("read_states")
