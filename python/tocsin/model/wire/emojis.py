"""Emojis and reactions on the wire (protocol.md §3.4, §4.4)."""

from __future__ import annotations

from tocsin.model.entities import EmojiRef, ReactionCount
from tocsin.model.wire.times import Body


def emoji_ref(emoji: EmojiRef) -> Body:
    """Render an emoji as reactions carry it."""
    if emoji.id is None:
        return {"id": None, "name": emoji.name}
    return {"id": str(emoji.id), "name": emoji.name, "animated": emoji.animated}


def reaction_count(r: ReactionCount) -> Body:
    """Render one of a message's `reactions`. There are no burst reactions."""
    return {
        "emoji": emoji_ref(r.emoji),
        "count": r.count,
        "count_details": {"burst": 0, "normal": r.count},
        "me": r.me,
        "me_burst": False,
        "burst_me": False,
        "burst_count": 0,
        "burst_colors": [],
    }
