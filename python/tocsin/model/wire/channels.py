"""Channels and overwrites on the wire (protocol.md §4.5). Which keys there are depends on the type."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.model.entities import Channel, ChannelType, Overwrite, Thread, User
from tocsin.model.wire.threads import thread
from tocsin.model.wire.times import (
    Body,
    optional_id,
    optional_timestamp,
    parse_optional_id,
    parse_optional_timestamp,
)
from tocsin.model.wire.users import user

_DMS = frozenset({ChannelType.DM, ChannelType.GROUP_DM})
_VOICE = frozenset({ChannelType.GUILD_VOICE, ChannelType.GUILD_STAGE_VOICE})
_FORUMS = frozenset({ChannelType.GUILD_FORUM, ChannelType.GUILD_MEDIA})


def overwrite(o: Overwrite) -> Body:
    """Render an overwrite."""
    return {"id": str(o.id), "type": o.type, "allow": str(o.allow), "deny": str(o.deny)}


def channel(c: Channel, users: Sequence[User] = ()) -> Body:
    """Render a channel. `users` are the recipients to show of a DM: all but the reader."""
    if isinstance(c, Thread):
        return thread(c)
    return _dm(c, users) if c.type in _DMS else _guild_channel(c)


def _dm(c: Channel, users: Sequence[User]) -> Body:
    body: Body = {
        "id": str(c.id),
        "type": c.type,
        "last_message_id": optional_id(c.last_message_id),
        "last_pin_timestamp": optional_timestamp(c.last_pin_timestamp),
        "flags": c.flags,
        "recipients": [user(u) for u in users],
    }
    if c.type == ChannelType.GROUP_DM:
        body |= {"name": c.name, "icon": c.icon, "owner_id": optional_id(c.owner_id)}
    return body


def _guild_channel(c: Channel) -> Body:
    body: Body = {
        "id": str(c.id),
        "type": c.type,
        "guild_id": str(c.guild_id),
        "name": c.name,
        "position": c.position,
        "permission_overwrites": [overwrite(o) for o in c.overwrites],
        "parent_id": optional_id(c.parent_id),
        "nsfw": c.nsfw,
        "flags": c.flags,
        "topic": c.topic,
    }
    if c.type == ChannelType.GUILD_CATEGORY:
        return body
    body |= {
        "last_message_id": optional_id(c.last_message_id),
        "last_pin_timestamp": optional_timestamp(c.last_pin_timestamp),
        "rate_limit_per_user": c.rate_limit_per_user,
    }
    if c.type in _VOICE:
        body |= {
            "bitrate": c.bitrate,
            "user_limit": c.user_limit,
            "rtc_region": c.rtc_region,
            "video_quality_mode": c.video_quality_mode,
        }
        return body
    body["default_auto_archive_duration"] = c.default_auto_archive_duration or 1440
    body["default_thread_rate_limit_per_user"] = c.default_thread_rate_limit_per_user
    if c.type in _FORUMS:
        body |= {
            "available_tags": [],
            "default_reaction_emoji": None,
            "default_sort_order": None,
            "default_forum_layout": 0,
            "template": "",
        }
    return body


def parse_channel(body: Body) -> Channel:
    """Read a guild channel back."""
    return Channel(
        id=int(body["id"]),
        type=body["type"],
        guild_id=int(body["guild_id"]),
        name=body.get("name"),
        position=body.get("position", 0),
        topic=body.get("topic"),
        nsfw=body.get("nsfw", False),
        parent_id=parse_optional_id(body.get("parent_id")),
        last_message_id=parse_optional_id(body.get("last_message_id")),
        last_pin_timestamp=parse_optional_timestamp(body.get("last_pin_timestamp")),
        rate_limit_per_user=body.get("rate_limit_per_user", 0),
        bitrate=body.get("bitrate", 64000),
        user_limit=body.get("user_limit", 0),
        rtc_region=body.get("rtc_region"),
        video_quality_mode=body.get("video_quality_mode", 1),
        default_auto_archive_duration=body.get("default_auto_archive_duration"),
        default_thread_rate_limit_per_user=body.get("default_thread_rate_limit_per_user", 0),
        flags=body.get("flags", 0),
        overwrites=tuple(
            Overwrite(id=int(each["id"]), type=int(each["type"]), allow=int(each["allow"]), deny=int(each["deny"]))
            for each in body.get("permission_overwrites", ())
        ),
    )
