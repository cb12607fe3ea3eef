"""Times on the wire: ISO 8601 with microseconds and `+00:00`, never `Z` (protocol.md, notation)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Body = dict[str, Any]


def timestamp(ms: int) -> str:
    """Render Unix milliseconds."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}000+00:00"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    # The messages of a moment share it, and a member's joined_at comes with each of their messages.
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def optional_timestamp(ms: int | None) -> str | None:
    """Render Unix milliseconds, or null."""
    return None if ms is None else timestamp(ms)


def parse_timestamp(text: str) -> int:
    """Read an ISO 8601 time back to Unix milliseconds; one without an offset counts as UTC.

    Raises:
        ValueError: it is not a time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def parse_optional_timestamp(text: str | None) -> int | None:
    """Read a time that may be null."""
    return None if text is None else parse_timestamp(text)


def optional_id(value: int | None) -> str | None:
    """Render an id, or null."""
    return None if value is None else str(value)


def parse_optional_id(value: str | int | None) -> int | None:
    """Read an id that may be null."""
    return None if value is None else int(value)
