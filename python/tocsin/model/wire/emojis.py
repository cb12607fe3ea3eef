"""Emojis and reactions on the wire (protocol.md §3.4, §4.4)."""

from __future__ import annotations

from tocsin.model.entities import Emoji, EmojiRef, ReactionCount
from tocsin.model.wire.times import Body


def emoji_ref(emoji: EmojiRef) -> Body:
    """Render an emoji as reactions carry it."""
    if emoji.id is None:
        return {"id": None, "name": emoji.name}
    return {"id": str(emoji.id), "name": emoji.name, "animated": emoji.animated}


def emoji(e: Emoji) -> Body:
    """Render a guild's emoji, without who made it."""
    return {
        "id": str(e.id),
        "name": e.name,
        "roles": [str(role_id) for role_id in e.roles],
        "require_colons": True,
        "managed": False,
        "animated": e.animated,
        "available": True,
    }


def parse_emoji(body: Body, guild_id: int) -> Emoji:
    """Read a guild's emoji back, but for who made it."""
    return Emoji(
        id=int(body["id"]),
        guild_id=guild_id,
        name=body["name"],
        user_id=0,
        animated=body["animated"],
        roles=tuple(int(role_id) for role_id in body["roles"]),
    )


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
