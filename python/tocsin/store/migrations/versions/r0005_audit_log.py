"""The audit log of a guild (0.2.0)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "audit_log",
        sa.Column("id", big, autoincrement=False, nullable=False),
        sa.Column("guild_id", big, nullable=False),
        sa.Column("user_id", big, nullable=False),
        sa.Column("target_id", big, nullable=True),
        sa.Column("action_type", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_log_guild", "audit_log", ["guild_id", "id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("audit_log")
