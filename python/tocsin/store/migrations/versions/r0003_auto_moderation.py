"""The rules of automatic moderation (0.2.0)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _big(name: str) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, autoincrement=False, nullable=False)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "auto_moderation_rules",
        _big("id"),
        _big("guild_id"),
        _text("name"),
        _big("creator_id"),
        sa.Column("event_type", sa.Integer(), nullable=False),
        sa.Column("trigger_type", sa.Integer(), nullable=False),
        _text("trigger_metadata"),
        _text("actions"),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        _text("exempt_roles"),
        _text("exempt_channels"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("auto_moderation_rules_guild", "auto_moderation_rules", ["guild_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("auto_moderation_rules")
