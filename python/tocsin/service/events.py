"""Events of messages, reactions, DMs, typing and users: names, scopes and audiences (protocol.md §3.4, §3.5)."""

from __future__ import annotations

from typing import Any

import msgspec

from tocsin.model import wire
from tocsin.model.entities import Channel, EmojiRef, Message, Thread, User
from tocsin.model.event import Event, Scope, ScopeKind

_encode = msgspec.json.Encoder().encode


def scope_of(channel: Channel) -> Scope:
    """Return where a channel's events are ordered: its guild, or itself for a DM."""
    if channel.guild_id:
        return Scope(ScopeKind.GUILD, channel.guild_id)
    return Scope(ScopeKind.CHANNEL, channel.id)


def in_channel(
    name: str,
    channel: Channel,
    body: dict[str, Any],
    *,
    author_id: int = 0,
    mentions: tuple[int, ...] = (),
    gated: bool = False,
) -> Event:
    """Build an event for all who may view `channel`. `gated`: its content needs MESSAGE_CONTENT."""
    seen_in = channel.id
    if isinstance(channel, Thread) and channel.archived and not channel.private:
        # The gateway keeps no archived threads; a public one is seen by those who see its parent.
        seen_in = channel.parent_id or 0
    return Event(
        name=name,
        scope=scope_of(channel),
        body=_encode(body),
        guild_id=channel.guild_id,
        channel_id=seen_in,
        users=() if channel.guild_id else channel.recipients,
        author_id=author_id,
        mentions=mentions,
        gated=gated and bool(channel.guild_id),
    )


def message_event(name: str, channel: Channel, message: Message, body: dict[str, Any]) -> Event:
    """MESSAGE_CREATE or MESSAGE_UPDATE."""
    mentions = message.mentions
    if channel.guild_id:
        mentions += message.mention_roles
    if message.mention_everyone and channel.guild_id:
        mentions = (*mentions, channel.guild_id)  # the id of the role @everyone
    return in_channel(name, channel, body, author_id=message.author_id, mentions=mentions, gated=True)


def channel_pins_update(channel: Channel, last_ms: int | None) -> Event:
    """CHANNEL_PINS_UPDATE; of a guild's channel it changes what replicas hold."""
    body: dict[str, Any] = {"channel_id": str(channel.id), "last_pin_timestamp": wire.optional_timestamp(last_ms)}
    if channel.guild_id:
        body["guild_id"] = str(channel.guild_id)
    event = in_channel("CHANNEL_PINS_UPDATE", channel, body)
    return msgspec.structs.replace(event, state=bool(channel.guild_id))


def message_delete(channel: Channel, message_id: int) -> Event:
    """MESSAGE_DELETE."""
    body: dict[str, Any] = {"id": str(message_id), "channel_id": str(channel.id)}
    if channel.guild_id:
        body["guild_id"] = str(channel.guild_id)
    return in_channel("MESSAGE_DELETE", channel, body)


def message_delete_bulk(channel: Channel, message_ids: list[int]) -> Event:
    """MESSAGE_DELETE_BULK, of a guild channel."""
    ids = [str(message_id) for message_id in message_ids]
    body = {"ids": ids, "channel_id": str(channel.id), "guild_id": str(channel.guild_id)}
    return in_channel("MESSAGE_DELETE_BULK", channel, body)


def _of_message(channel: Channel, message_id: int) -> dict[str, Any]:
    body = {"channel_id": str(channel.id), "message_id": str(message_id)}
    if channel.guild_id:
        body["guild_id"] = str(channel.guild_id)
    return body


def reaction_add(
    channel: Channel, message: Message, user_id: int, emoji: EmojiRef, member: dict[str, Any] | None
) -> Event:
    """MESSAGE_REACTION_ADD; `member` is the reactor's, with its user, in guilds."""
    body = _of_message(channel, message.id)
    body |= {"user_id": str(user_id), "emoji": wire.emoji_ref(emoji), "burst": False, "type": 0}
    body["message_author_id"] = str(message.author_id)
    if member is not None:
        body["member"] = member
    return in_channel("MESSAGE_REACTION_ADD", channel, body)


def reaction_remove(channel: Channel, message_id: int, user_id: int, emoji: EmojiRef) -> Event:
    """MESSAGE_REACTION_REMOVE."""
    body = _of_message(channel, message_id)
    body |= {"user_id": str(user_id), "emoji": wire.emoji_ref(emoji), "burst": False, "type": 0}
    return in_channel("MESSAGE_REACTION_REMOVE", channel, body)


def reaction_remove_all(channel: Channel, message_id: int) -> Event:
    """MESSAGE_REACTION_REMOVE_ALL."""
    return in_channel("MESSAGE_REACTION_REMOVE_ALL", channel, _of_message(channel, message_id))


def reaction_remove_emoji(channel: Channel, message_id: int, emoji: EmojiRef) -> Event:
    """MESSAGE_REACTION_REMOVE_EMOJI."""
    body = {**_of_message(channel, message_id), "emoji": wire.emoji_ref(emoji)}
    return in_channel("MESSAGE_REACTION_REMOVE_EMOJI", channel, body)


def typing_start(channel: Channel, user_id: int, now_ms: int, member: dict[str, Any] | None) -> Event:
    """TYPING_START; `timestamp` is in seconds, `member` is given with its user in guilds. Ephemeral."""
    body: dict[str, Any] = {
        "channel_id": str(channel.id),
        "user_id": str(user_id),
        "timestamp": now_ms // 1000,
    }
    if channel.guild_id:
        body["guild_id"] = str(channel.guild_id)
    if member is not None:
        body["member"] = member
    return in_channel("TYPING_START", channel, body, author_id=user_id)


def recipient_add(channel: Channel, user: User) -> Event:
    """CHANNEL_RECIPIENT_ADD, for those who were in the group before."""
    return in_channel("CHANNEL_RECIPIENT_ADD", channel, {"channel_id": str(channel.id), "user": wire.user(user)})


def recipient_remove(channel: Channel, user: User) -> Event:
    """CHANNEL_RECIPIENT_REMOVE, for those who are left."""
    return in_channel("CHANNEL_RECIPIENT_REMOVE", channel, {"channel_id": str(channel.id), "user": wire.user(user)})


def dm_create(channel: Channel, user_id: int, body: dict[str, Any]) -> Event:
    """CHANNEL_CREATE of a DM or group DM for one of its people."""
    return private_channel("CHANNEL_CREATE", channel, user_id, body)


def private_channel(name: str, channel: Channel, user_id: int, body: dict[str, Any]) -> Event:
    """An event of a DM or group DM for one of its people; `body` leaves that person out of `recipients`."""
    return Event(
        name=name,
        scope=Scope(ScopeKind.CHANNEL, channel.id),
        body=_encode(body),
        channel_id=channel.id,
        users=(user_id,),
    )


def to_user(user_id: int, name: str, body: dict[str, Any], *, guild_id: int = 0, state: bool = False) -> Event:
    """Build an event for all sessions of a user; of those in `guild_id`, where a shard has the guild, that shard's."""
    return Event(
        name=name,
        scope=Scope(ScopeKind.USER, user_id),
        body=_encode(body),
        users=(user_id,),
        guild_id=guild_id,
        state=state,
    )


def user_update(user_id: int, own_user: dict[str, Any]) -> Event:
    """USER_UPDATE, to all sessions of the user."""
    return to_user(user_id, "USER_UPDATE", own_user, state=True)
