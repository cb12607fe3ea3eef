"""Permissions: the bits and the whole computation, as pure functions (protocol.md §7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntFlag

from tocsin.model.entities import THREAD_TYPES, Channel, ChannelType, Member, Overwrite, Role


class Permission(IntFlag):
    """Permission bits by their names on the wire."""

    CREATE_INSTANT_INVITE = 1 << 0
    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_AUDIT_LOG = 1 << 7
    PRIORITY_SPEAKER = 1 << 8
    STREAM = 1 << 9
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    SEND_TTS_MESSAGES = 1 << 12
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    VIEW_GUILD_INSIGHTS = 1 << 19
    CONNECT = 1 << 20
    SPEAK = 1 << 21
    MUTE_MEMBERS = 1 << 22
    DEAFEN_MEMBERS = 1 << 23
    MOVE_MEMBERS = 1 << 24
    USE_VAD = 1 << 25
    CHANGE_NICKNAME = 1 << 26
    MANAGE_NICKNAMES = 1 << 27
    MANAGE_ROLES = 1 << 28
    MANAGE_WEBHOOKS = 1 << 29
    MANAGE_GUILD_EXPRESSIONS = 1 << 30
    USE_APPLICATION_COMMANDS = 1 << 31
    REQUEST_TO_SPEAK = 1 << 32
    MANAGE_EVENTS = 1 << 33
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    USE_EXTERNAL_STICKERS = 1 << 37
    SEND_MESSAGES_IN_THREADS = 1 << 38
    USE_EMBEDDED_ACTIVITIES = 1 << 39
    MODERATE_MEMBERS = 1 << 40
    VIEW_CREATOR_MONETIZATION_ANALYTICS = 1 << 41
    USE_SOUNDBOARD = 1 << 42
    CREATE_GUILD_EXPRESSIONS = 1 << 43
    CREATE_EVENTS = 1 << 44
    USE_EXTERNAL_SOUNDS = 1 << 45
    SEND_VOICE_MESSAGES = 1 << 46
    SET_VOICE_CHANNEL_STATUS = 1 << 48
    SEND_POLLS = 1 << 49
    USE_EXTERNAL_APPS = 1 << 50
    PIN_MESSAGES = 1 << 51
    BYPASS_SLOWMODE = 1 << 52


ALL = 0x1FFFFFFFFFFFFF
"""Every bit up to 52, the retired one too: owners and administrators hold future and past bits alike."""

DEFAULT = int(
    Permission.CREATE_INSTANT_INVITE
    | Permission.ADD_REACTIONS
    | Permission.STREAM
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.MENTION_EVERYONE
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.CONNECT
    | Permission.SPEAK
    | Permission.USE_VAD
    | Permission.CHANGE_NICKNAME
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.REQUEST_TO_SPEAK
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.USE_EXTERNAL_STICKERS
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.USE_EMBEDDED_ACTIVITIES
    | Permission.USE_SOUNDBOARD
    | Permission.USE_EXTERNAL_SOUNDS
    | Permission.SEND_VOICE_MESSAGES
    | Permission.SEND_POLLS
    | Permission.USE_EXTERNAL_APPS
)
"""What @everyone of a new guild may do."""

DM_PERMISSIONS = int(
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.SEND_TTS_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.MENTION_EVERYONE
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.USE_EXTERNAL_STICKERS
    | Permission.CONNECT
    | Permission.SPEAK
    | Permission.STREAM
    | Permission.USE_VAD
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.SEND_VOICE_MESSAGES
    | Permission.SEND_POLLS
    | Permission.USE_EXTERNAL_APPS
    | Permission.PIN_MESSAGES
)
"""What each participant of a DM may do: all that concerns text and calls (§7.1 rule 6)."""

QUARANTINED = 1 << 7
"""The member flag of those whose name a rule of automatic moderation keeps back."""

_ADMINISTRATOR = int(Permission.ADMINISTRATOR)
_VIEW = int(Permission.VIEW_CHANNEL)
_SEND = int(Permission.SEND_MESSAGES)
_SEND_IN_THREADS = int(Permission.SEND_MESSAGES_IN_THREADS)
_CONNECT = int(Permission.CONNECT)
_TIMED_OUT = int(Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY)
_QUARANTINED = _TIMED_OUT | int(Permission.CHANGE_NICKNAME)
_PENDING_MAY_NOT = int(
    Permission.SEND_MESSAGES | Permission.SEND_MESSAGES_IN_THREADS | Permission.ADD_REACTIONS | Permission.CONNECT
)
_NEED_SEND = int(
    Permission.MENTION_EVERYONE | Permission.SEND_TTS_MESSAGES | Permission.ATTACH_FILES | Permission.EMBED_LINKS
)
_VOICE = frozenset({ChannelType.GUILD_VOICE, ChannelType.GUILD_STAGE_VOICE})


def role_permissions(guild_id: int, roles: Mapping[int, Role], member_roles: Iterable[int]) -> int:
    """Return the union of @everyone and the member's roles; roles that do not exist count for nothing."""
    everyone = roles.get(guild_id)
    held = everyone.permissions if everyone is not None else 0
    for role_id in member_roles:
        role = roles.get(role_id)
        if role is not None:
            held |= role.permissions
    return held


def base_permissions(
    guild_id: int, owner_id: int, roles: Mapping[int, Role], user_id: int, member_roles: Iterable[int]
) -> int:
    """Return the guild-wide permissions before timeout (§7.1 rule 1)."""
    if user_id == owner_id:
        return ALL
    held = role_permissions(guild_id, roles, member_roles)
    return ALL if held & _ADMINISTRATOR else held


def apply_overwrites(
    base: int, guild_id: int, overwrites: Iterable[Overwrite], user_id: int, member_roles: Iterable[int]
) -> int:
    """Apply a channel's overwrites to `base`: @everyone, then roles together, then the member (§7.1 rule 2)."""
    held = base
    own = frozenset(member_roles)
    deny = allow = 0
    member: Overwrite | None = None
    for overwrite in overwrites:
        if overwrite.type == 1:
            if overwrite.id == user_id:
                member = overwrite
        elif overwrite.id == guild_id:
            held = held & ~overwrite.deny | overwrite.allow
        elif overwrite.id in own:
            deny |= overwrite.deny
            allow |= overwrite.allow
    held = held & ~deny | allow
    return held if member is None else held & ~member.deny | member.allow


def implied(held: int, channel_type: int) -> int:
    """Drop the bits that are unusable without another (§7.1 rules 4 and 5)."""
    if not held & _VIEW:
        return 0
    if channel_type in THREAD_TYPES:
        held = held | _SEND if held & _SEND_IN_THREADS else held & ~_SEND
    if not held & _SEND:
        held &= ~_NEED_SEND
    if channel_type in _VOICE and not held & _CONNECT:
        held &= _VIEW
    return held


def timed_out(member: Member, now_ms: int) -> bool:
    """Return whether the member's timeout still runs."""
    return member.timeout_until is not None and member.timeout_until > now_ms


def silenced(member: Member, now_ms: int) -> bool:
    """Return whether the member may only look, for a timeout or for a name that a rule keeps back."""
    return bool(member.flags & QUARANTINED) or timed_out(member, now_ms)


def _restricted(held: int, member: Member, now_ms: int) -> int:
    """Drop what a timeout, a quarantine and pending screening take away (§7.1 rules 3 and 8)."""
    if timed_out(member, now_ms):
        held &= _TIMED_OUT
    if member.flags & QUARANTINED:
        held &= _QUARANTINED
    return held & ~_PENDING_MAY_NOT if member.pending else held


def guild_permissions(guild_id: int, owner_id: int, roles: Mapping[int, Role], member: Member, now_ms: int) -> int:
    """Return what a member may do guild-wide at a moment."""
    base = base_permissions(guild_id, owner_id, roles, member.user_id, member.roles)
    return base if base == ALL else _restricted(base, member, now_ms)


def channel_permissions(
    guild_id: int, owner_id: int, roles: Mapping[int, Role], member: Member, channel: Channel, now_ms: int
) -> int:
    """Return what a member may do in a channel at a moment: 0 when they may not view it.

    A thread is asked about with its parent's overwrites.
    """
    base = base_permissions(guild_id, owner_id, roles, member.user_id, member.roles)
    if base == ALL:
        return ALL
    held = apply_overwrites(base, guild_id, channel.overwrites, member.user_id, member.roles)
    return implied(_restricted(held, member, now_ms), channel.type)


def role_rank(role: Role, guild_id: int) -> tuple[int, int]:
    """Return a key that orders roles upwards; on equal positions the lower id ranks higher (§7.2)."""
    return (-1, 0) if role.id == guild_id else (role.position, -role.id)
