"""What a group DM adds: its name, its icon and when its recipients changed (0.2.0)."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the tables."""
