"""Event: something that happened, before encoding: its name, scope, audience and payload."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import msgspec

PRIVATE_CHANNEL_EVENTS = frozenset(
    {"CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE", "CHANNEL_RECIPIENT_ADD", "CHANNEL_RECIPIENT_REMOVE"}
)
"""What, without a guild, changes the private channels that a person has, or who is in them."""


class ScopeKind(IntEnum):
    """The unit of order and interest (house.md §4)."""

    GUILD = 1
    CHANNEL = 2  # a DM or group DM
    USER = 3


class Scope(NamedTuple):
    """Where an event is ordered."""

    kind: ScopeKind
    id: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a scope's log.

    The audience is either `guild_id` (with `channel_id`: those who may view it) or `users`.
    `body` is the JSON of the dispatch's `d`, complete with message content.
    `gated` marks messages whose content needs MESSAGE_CONTENT (protocol.md §2).
    `state` events pass through the gateway's policy before anybody sees them.
    `seq` is 0 until the store commits the event, and stays 0 for ephemeral events.
    """

    name: str
    scope: Scope
    body: bytes
    guild_id: int = 0
    channel_id: int = 0
    users: tuple[int, ...] = ()
    exclude_user: int = 0
    author_id: int = 0
    mentions: tuple[int, ...] = ()
    gated: bool = False
    state: bool = False
    seq: int = 0
