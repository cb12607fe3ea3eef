"""Threads and who is in them (0.2.0)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _big(name: str) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, autoincrement=False, nullable=False)


def _int(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _bool(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "threads",
        _big("id"),
        _big("guild_id"),
        _big("parent_id"),
        _bool("archived"),
        _int("auto_archive_duration"),
        _big("archive_timestamp"),
        _big("archive_at"),
        _bool("locked"),
        _bool("invitable"),
        _int("message_count"),
        _int("total_message_sent"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("threads_guild", "threads", ["guild_id", "archived"])
    op.create_index("threads_parent", "threads", ["parent_id", "archive_timestamp"])
    op.create_index("threads_archive", "threads", ["archived", "archive_at"])
    op.create_table(
        "thread_members",
        _big("thread_id"),
        _big("user_id"),
        _big("guild_id"),
        _big("joined_at"),
        _int("flags"),
        sa.PrimaryKeyConstraint("thread_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("thread_members_user", "thread_members", ["guild_id", "user_id"])


def downgrade() -> None:
    """Drop them, and the channels that were threads."""
    op.drop_table("thread_members")
    op.drop_table("threads")
    op.execute("DELETE FROM channels WHERE type IN (10, 11, 12)")
