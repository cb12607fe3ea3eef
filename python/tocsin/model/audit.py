"""AuditEntry: one line of a guild's audit log, and its numbers on the wire (protocol.md §8.7)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec


class AuditAction(IntEnum):
    """What somebody did."""

    GUILD_UPDATE = 1
    CHANNEL_CREATE = 10
    CHANNEL_UPDATE = 11
    CHANNEL_DELETE = 12
    CHANNEL_OVERWRITE_CREATE = 13
    CHANNEL_OVERWRITE_UPDATE = 14
    CHANNEL_OVERWRITE_DELETE = 15
    MEMBER_KICK = 20
    MEMBER_PRUNE = 21
    MEMBER_BAN_ADD = 22
    MEMBER_BAN_REMOVE = 23
    MEMBER_UPDATE = 24
    MEMBER_ROLE_UPDATE = 25
    MEMBER_MOVE = 26
    MEMBER_DISCONNECT = 27
    ROLE_CREATE = 30
    ROLE_UPDATE = 31
    ROLE_DELETE = 32
    INVITE_CREATE = 40
    INVITE_DELETE = 42
    WEBHOOK_CREATE = 50
    WEBHOOK_UPDATE = 51
    WEBHOOK_DELETE = 52
    EMOJI_CREATE = 60
    EMOJI_UPDATE = 61
    EMOJI_DELETE = 62
    MESSAGE_DELETE = 72
    MESSAGE_BULK_DELETE = 73
    MESSAGE_PIN = 74
    MESSAGE_UNPIN = 75
    THREAD_CREATE = 110
    THREAD_UPDATE = 111
    THREAD_DELETE = 112
    AUTO_MODERATION_RULE_CREATE = 140
    AUTO_MODERATION_RULE_UPDATE = 141
    AUTO_MODERATION_RULE_DELETE = 142
    AUTO_MODERATION_BLOCK_MESSAGE = 143
    AUTO_MODERATION_FLAG_TO_CHANNEL = 144
    AUTO_MODERATION_USER_COMMUNICATION_DISABLED = 145
    AUTO_MODERATION_QUARANTINE_USER = 146


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `changes` and `options` are kept as wire objects; `target_id` is None where nothing has an id."""

    id: int
    guild_id: int
    user_id: int
    target_id: int | None
    action_type: int
    changes: list[dict[str, Any]] = []
    options: dict[str, Any] = {}
    reason: str | None = None


def entry_body(entry: AuditEntry) -> dict[str, Any]:
    """Render an entry; its event has the guild's id too."""
    body: dict[str, Any] = {
        "id": str(entry.id),
        "user_id": str(entry.user_id),
        "target_id": None if entry.target_id is None else str(entry.target_id),
        "action_type": entry.action_type,
    }
    if entry.changes:
        body["changes"] = entry.changes
    if entry.options:
        body["options"] = entry.options
    if entry.reason is not None:
        body["reason"] = entry.reason
    return body
