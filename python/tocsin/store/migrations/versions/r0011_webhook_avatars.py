"""Avatars of webhooks (0.2.0)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column."""
    op.add_column("webhooks", sa.Column("avatar", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("webhooks", "avatar")
