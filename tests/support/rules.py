"""Rules of automatic moderation, as a client makes them."""

from __future__ import annotations

from typing import Any


def word_rule(word: str = "bad", name: str = "words") -> dict[str, Any]:
    """A rule that blocks messages with a word."""
    return {
        "name": name,
        "event_type": 1,
        "trigger_type": 1,
        "trigger_metadata": {"keyword_filter": [word]},
        "actions": [{"type": 1}],
        "enabled": True,
    }
