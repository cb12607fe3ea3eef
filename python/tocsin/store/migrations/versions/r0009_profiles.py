"""Who is a member only for as long as they are connected (0.2.0)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the table."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "temporary_members",
        sa.Column("user_id", big, autoincrement=False, nullable=False),
        sa.Column("guild_id", big, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "guild_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("temporary_members_guild", "temporary_members", ["guild_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("temporary_members")
