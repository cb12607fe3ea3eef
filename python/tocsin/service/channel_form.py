"""Channel form: what a channel of each type may have, and where it may stand (protocol.md §4.5, §8.6)."""

from __future__ import annotations

from typing import Any

from tocsin.errors import InvalidForm
from tocsin.model.entities import Channel, ChannelType
from tocsin.model.guild_state import GuildState
from tocsin.service.forms import Form
from tocsin.service.world import GuildAccess

GUILD_TYPES = (0, 2, 4, 5, 13, 15, 16)
"""The types a guild channel can be made with; threads have their own routes."""

MAX_CHILDREN = 50
MAX_TOPIC = 1024
MAX_FORUM_TOPIC = 4096
MAX_VOICE_USERS = 99
MAX_STAGE_USERS = 10_000

_CATEGORY = int(ChannelType.GUILD_CATEGORY)
_STAGE = int(ChannelType.GUILD_STAGE_VOICE)
_VOICE = frozenset({int(ChannelType.GUILD_VOICE), _STAGE})
_FORUMS = frozenset({int(ChannelType.GUILD_FORUM), int(ChannelType.GUILD_MEDIA)})


def check_changes(kind: int, changes: dict[str, Any]) -> None:
    """Check the limits that depend on the channel's type. Raises `errors.InvalidForm`."""
    form = Form()
    form.length(("topic",), changes.get("topic"), 0, MAX_FORUM_TOPIC if kind in _FORUMS else MAX_TOPIC)
    limit = MAX_STAGE_USERS if kind == _STAGE else MAX_VOICE_USERS
    if changes.get("user_limit", 0) > limit:
        form.add(("user_limit",), "NUMBER_TYPE_MAX", f"int value should be less than or equal to {limit}.")
    form.check()


def parent_of(access: GuildAccess, kind: int, parent_id: int | None, now_ms: int) -> Channel | None:
    """Return the category that `parent_id` names; None for None.

    Raises:
        errors.InvalidForm: 50035, it names no category that the actor may view, the channel is a category itself,
            or the category holds `MAX_CHILDREN` already.
    """
    if parent_id is None:
        return None
    state = access.guild
    parent = state.channels.get(parent_id)
    if parent is None or not state.permissions(access.member, parent, now_ms):
        raise InvalidForm.field("parent_id", "CHANNEL_PARENT_INVALID", "Category does not exist")
    if parent.type != _CATEGORY:
        raise InvalidForm.field("parent_id", "CHANNEL_PARENT_INVALID_TYPE", "Not a category")
    if kind == _CATEGORY:
        raise InvalidForm.field("parent_id", "CHANNEL_PARENT_INVALID_PARENT", "Categories cannot have subcategories")
    children = sum(channel.parent_id == parent_id for channel in state.channels.values())
    if children >= MAX_CHILDREN:
        message = f"Maximum number of channels in category reached ({MAX_CHILDREN})"
        raise InvalidForm.field("parent_id", "CHANNEL_PARENT_MAX_CHANNELS", message)
    return parent


def siblings_end(state: GuildState, kind: int) -> int:
    """Return the position after the last channel that clients list together with this type."""

    def group(channel_type: int) -> int:
        return 1 if channel_type == _CATEGORY else 2 if channel_type in _VOICE else 0

    positions = (each.position for each in state.channels.values() if group(each.type) == group(kind))
    return max(positions, default=-1) + 1
