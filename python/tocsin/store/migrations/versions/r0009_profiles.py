"""Pictures of people and guilds, settings of clients (0.2.0)."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the tables."""
