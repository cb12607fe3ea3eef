"""AutoModRule: one rule of a guild's automatic moderation, and its numbers on the wire."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec


class Trigger(IntEnum):
    """What a rule looks at."""

    KEYWORD = 1
    SPAM = 3
    KEYWORD_PRESET = 4
    MENTION_SPAM = 5
    MEMBER_PROFILE = 6


class Action(IntEnum):
    """What a rule does."""

    BLOCK = 1
    ALERT = 2
    TIMEOUT = 3
    BLOCK_INTERACTION = 4


class Preset(IntEnum):
    """Word lists that a rule names instead of words. What is in them is the operator's affair."""

    PROFANITY = 1
    SEXUAL_CONTENT = 2
    SLURS = 3


MESSAGE_SEND = 1
"""A member sends or edits a message: what all rules but those for profiles look at."""

MEMBER_UPDATE = 2
"""A member joins, or their names change: what rules for profiles look at."""


class AutoModRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule. `trigger_metadata` and `actions` are kept as wire objects."""

    id: int
    guild_id: int
    name: str
    creator_id: int
    event_type: int
    trigger_type: int
    trigger_metadata: dict[str, Any] = {}
    actions: list[dict[str, Any]] = []
    enabled: bool = False
    exempt_roles: tuple[int, ...] = ()
    exempt_channels: tuple[int, ...] = ()


def rule_body(rule: AutoModRule) -> dict[str, Any]:
    """Render a rule."""
    return {
        "id": str(rule.id),
        "guild_id": str(rule.guild_id),
        "name": rule.name,
        "creator_id": str(rule.creator_id),
        "event_type": rule.event_type,
        "trigger_type": rule.trigger_type,
        "trigger_metadata": rule.trigger_metadata,
        "actions": rule.actions,
        "enabled": rule.enabled,
        "exempt_roles": [str(each) for each in rule.exempt_roles],
        "exempt_channels": [str(each) for each in rule.exempt_channels],
    }
