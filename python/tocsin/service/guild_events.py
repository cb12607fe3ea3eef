"""Guild events: what changes a guild, its roles, channels and members says to the gateway (protocol.md §3.2, §3.3).

All are `state` events of the guild's scope; their bodies are Discord's payloads, and the replicas apply those bodies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tocsin.model import wire
from tocsin.model.entities import Channel, Emoji, Guild, Invite, Member, Role, User
from tocsin.model.event import Event, Scope, ScopeKind

_encode = msgspec.json.Encoder().encode


def state_event(name: str, guild_id: int, body: dict[str, Any], channel_id: int = 0, exclude_user: int = 0) -> Event:
    """Build a state event of a guild's log. `exclude_user`: whom it is about, and who is told apart."""
    return Event(
        name=name,
        scope=Scope(ScopeKind.GUILD, guild_id),
        body=_encode(body),
        guild_id=guild_id,
        channel_id=channel_id,
        exclude_user=exclude_user,
        state=True,
    )


def guild_create(guild: Guild, roles: Iterable[Role], channels: Iterable[Channel], owner: Member, user: User) -> Event:
    """GUILD_CREATE of a new guild, whose only member is its owner."""
    body = {
        **wire.guild(guild, list(roles)),
        "joined_at": wire.timestamp(owner.joined_at),
        "large": False,
        "unavailable": False,
        "member_count": 1,
        "members": [wire.member(owner, user)],
        "channels": [wire.channel(channel) for channel in channels],
        "voice_states": [],
        "threads": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }
    return state_event("GUILD_CREATE", guild.id, body)


def guild_update(guild: Guild, roles: Iterable[Role], emojis: Iterable[Emoji]) -> Event:
    """GUILD_UPDATE."""
    return state_event("GUILD_UPDATE", guild.id, wire.guild(guild, list(roles), emojis))


def emojis_update(guild_id: int, emojis: Iterable[Emoji]) -> Event:
    """GUILD_EMOJIS_UPDATE, with all of the guild's emojis."""
    body = {"guild_id": str(guild_id), "emojis": [wire.emoji(emoji) for emoji in emojis]}
    return state_event("GUILD_EMOJIS_UPDATE", guild_id, body)


def guild_delete(guild_id: int) -> Event:
    """GUILD_DELETE without `unavailable`: the guild is gone for good."""
    return state_event("GUILD_DELETE", guild_id, {"id": str(guild_id)})


def invite_create(invite: Invite, inviter: User) -> Event:
    """INVITE_CREATE."""
    body = {
        "guild_id": str(invite.guild_id),
        "channel_id": str(invite.channel_id),
        "code": invite.code,
        "type": 0,
        "inviter": wire.user(inviter),
        "expires_at": wire.optional_timestamp(invite.expires_at),
        **wire.invite_metadata(invite),
    }
    return state_event("INVITE_CREATE", invite.guild_id, body, invite.channel_id)


def invite_delete(invite: Invite) -> Event:
    """INVITE_DELETE: revoked or used up; not of one that ends by its age."""
    body = {"guild_id": str(invite.guild_id), "channel_id": str(invite.channel_id), "code": invite.code}
    return state_event("INVITE_DELETE", invite.guild_id, body, invite.channel_id)


def webhooks_update(guild_id: int, channel_id: int) -> Event:
    """WEBHOOKS_UPDATE: a channel's webhooks changed, in whatever way."""
    body = {"guild_id": str(guild_id), "channel_id": str(channel_id)}
    return state_event("WEBHOOKS_UPDATE", guild_id, body, channel_id)


def role_create(role: Role) -> Event:
    """GUILD_ROLE_CREATE."""
    return state_event("GUILD_ROLE_CREATE", role.guild_id, {"guild_id": str(role.guild_id), "role": wire.role(role)})


def role_update(role: Role) -> Event:
    """GUILD_ROLE_UPDATE."""
    return state_event("GUILD_ROLE_UPDATE", role.guild_id, {"guild_id": str(role.guild_id), "role": wire.role(role)})


def role_delete(role: Role) -> Event:
    """GUILD_ROLE_DELETE; members and overwrites lose the role by it, without events of their own."""
    body = {"guild_id": str(role.guild_id), "role_id": str(role.id)}
    return state_event("GUILD_ROLE_DELETE", role.guild_id, body)


def channel_create(channel: Channel) -> Event:
    """CHANNEL_CREATE of a guild channel."""
    return state_event("CHANNEL_CREATE", channel.guild_id, wire.channel(channel), channel.id)


def channel_update(channel: Channel) -> Event:
    """CHANNEL_UPDATE of a guild channel."""
    return state_event("CHANNEL_UPDATE", channel.guild_id, wire.channel(channel), channel.id)


def channel_delete(channel: Channel) -> Event:
    """CHANNEL_DELETE of a guild channel."""
    return state_event("CHANNEL_DELETE", channel.guild_id, wire.channel(channel), channel.id)


def member_add(member: Member, user: User) -> Event:
    """GUILD_MEMBER_ADD."""
    body = {"guild_id": str(member.guild_id), **wire.member(member, user)}
    return state_event("GUILD_MEMBER_ADD", member.guild_id, body, exclude_user=user.id)


def member_update(member: Member, user: User) -> Event:
    """GUILD_MEMBER_UPDATE."""
    body = {"guild_id": str(member.guild_id), **wire.member(member, user)}
    return state_event("GUILD_MEMBER_UPDATE", member.guild_id, body, exclude_user=user.id)


def member_remove(guild_id: int, user: User) -> Event:
    """GUILD_MEMBER_REMOVE: kicked, banned or left."""
    body = {"guild_id": str(guild_id), "user": wire.user(user)}
    return state_event("GUILD_MEMBER_REMOVE", guild_id, body, exclude_user=user.id)


def ban_add(guild_id: int, user: User) -> Event:
    """GUILD_BAN_ADD."""
    return state_event("GUILD_BAN_ADD", guild_id, {"guild_id": str(guild_id), "user": wire.user(user)})


def ban_remove(guild_id: int, user: User) -> Event:
    """GUILD_BAN_REMOVE."""
    return state_event("GUILD_BAN_REMOVE", guild_id, {"guild_id": str(guild_id), "user": wire.user(user)})


def dm_delete(channel: Channel, user_id: int, body: dict[str, Any]) -> Event:
    """CHANNEL_DELETE of a DM, for the one who closed it, or of a group DM, for the one who is out of it."""
    scope = Scope(ScopeKind.CHANNEL, channel.id)
    return Event(name="CHANNEL_DELETE", scope=scope, body=_encode(body), channel_id=channel.id, users=(user_id,))
