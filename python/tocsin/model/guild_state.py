"""GuildState: a replica of one guild, kept up to date by applying its log in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tocsin.model import permissions, wire
from tocsin.model.entities import Channel, Emoji, Guild, Member, Role, User
from tocsin.model.event import Event, ScopeKind
from tocsin.model.snapshot import GuildSnapshot

_VIEW = int(permissions.Permission.VIEW_CHANNEL)
Body = dict[str, Any]


class GuildState:
    """A guild with its roles, channels and, where they are asked for, members and their users.

    `members` may be empty on a replica that keeps none; `member_count` is true all the same.
    `seq` is the place in the guild's log up to which the replica is complete.
    """

    __slots__ = ("channels", "emojis", "guild", "member_count", "members", "roles", "seq", "users")

    def __init__(
        self,
        guild: Guild,
        roles: Iterable[Role] = (),
        channels: Iterable[Channel] = (),
        members: Iterable[Member] = (),
        users: Iterable[User] = (),
        *,
        emojis: Iterable[Emoji] = (),
        member_count: int = 0,
        seq: int = 0,
    ) -> None:
        self.guild = guild
        self.roles = {role.id: role for role in roles}
        self.channels = {channel.id: channel for channel in channels}
        self.emojis = {emoji.id: emoji for emoji in emojis}
        self.members = {member.user_id: member for member in members}
        self.users = {user.id: user for user in users}
        self.member_count = member_count
        self.seq = seq

    @classmethod
    def from_snapshot(cls, snapshot: GuildSnapshot) -> GuildState:
        """Build the replica a snapshot describes."""
        return cls(
            snapshot.guild,
            snapshot.roles,
            snapshot.channels,
            snapshot.members,
            snapshot.users,
            emojis=snapshot.emojis,
            member_count=snapshot.member_count,
            seq=snapshot.seq,
        )

    # -- questions

    def permissions(self, member: Member, channel: Channel | None, now_ms: int) -> int:
        """Return what the member may do in `channel`, or guild-wide when it is None."""
        guild = self.guild
        if channel is None:
            return permissions.guild_permissions(guild.id, guild.owner_id, self.roles, member, now_ms)
        return permissions.channel_permissions(guild.id, guild.owner_id, self.roles, member, channel, now_ms)

    def can_view(self, member: Member, channel: Channel) -> bool:
        """Return whether the member may view the channel. A timeout does not take sight away."""
        return bool(self.permissions(member, channel, 0) & _VIEW)

    # -- the log

    def apply(self, event: Event) -> None:
        """Apply one state event of this guild's log, or a USER_UPDATE, whose place is in the user's own.

        Events of the guild up to `seq` were applied before and are skipped. Names that change nothing here
        (bans, messages, GUILD_DELETE) only move `seq`.

        Raises:
            msgspec.DecodeError, KeyError, ValueError: the body is not the payload its name promises.
        """
        if event.scope.kind != ScopeKind.GUILD:
            if event.name == "USER_UPDATE":
                self._user_update(msgspec.json.decode(event.body))
            return
        if event.seq and event.seq <= self.seq:
            return
        handler = _HANDLERS.get(event.name)
        if handler is not None:
            handler(self, msgspec.json.decode(event.body))
        if event.seq:
            self.seq = event.seq

    def _user_update(self, body: Body) -> None:
        user = wire.parse_user(body)
        if user.id in self.users:
            self.users[user.id] = user

    def _guild_create(self, body: Body) -> None:
        self.guild = wire.parse_guild(body)
        roles = (wire.parse_role(each, self.guild.id) for each in body["roles"])
        self.roles = {role.id: role for role in roles}
        channels = (wire.parse_channel({"guild_id": body["id"], **each}) for each in body["channels"])
        self.channels = {channel.id: channel for channel in channels}
        self.emojis = {}
        self.users = {}
        self.members = {}
        for each in body["members"]:
            self._member_add(each)
        self.member_count = body["member_count"]

    def _guild_update(self, body: Body) -> None:
        self.guild = wire.parse_guild(body)

    def _role(self, body: Body) -> None:
        role = wire.parse_role(body["role"], self.guild.id)
        self.roles[role.id] = role

    def _role_delete(self, body: Body) -> None:
        role_id = int(body["role_id"])
        self.roles.pop(role_id, None)
        for user_id, member in self.members.items():
            if role_id in member.roles:
                kept = tuple(each for each in member.roles if each != role_id)
                self.members[user_id] = msgspec.structs.replace(member, roles=kept)
        for channel_id, channel in self.channels.items():
            if any(each.id == role_id for each in channel.overwrites):
                kept_overwrites = tuple(each for each in channel.overwrites if each.id != role_id)
                self.channels[channel_id] = msgspec.structs.replace(channel, overwrites=kept_overwrites)

    def _channel(self, body: Body) -> None:
        channel = wire.parse_channel(body)
        self.channels[channel.id] = channel

    def _channel_delete(self, body: Body) -> None:
        self.channels.pop(int(body["id"]), None)

    def _channel_pins(self, body: Body) -> None:
        channel = self.channels.get(int(body["channel_id"]))
        if channel is not None:
            pinned_at = wire.parse_optional_timestamp(body["last_pin_timestamp"])
            self.channels[channel.id] = msgspec.structs.replace(channel, last_pin_timestamp=pinned_at)

    def _emojis_update(self, body: Body) -> None:
        emojis = (wire.parse_emoji(each, self.guild.id) for each in body["emojis"])
        self.emojis = {emoji.id: emoji for emoji in emojis}

    def _member_add(self, body: Body) -> None:
        user = wire.parse_user(body["user"])
        if user.id not in self.members:
            self.member_count += 1
        self.users[user.id] = user
        self.members[user.id] = wire.parse_member(body, self.guild.id, user.id)

    def _member_update(self, body: Body) -> None:
        user = wire.parse_user(body["user"])
        if user.id in self.members:
            self.users[user.id] = user
            self.members[user.id] = wire.parse_member(body, self.guild.id, user.id)

    def _member_remove(self, body: Body) -> None:
        user_id = int(body["user"]["id"])
        self.users.pop(user_id, None)
        if self.members.pop(user_id, None) is not None:
            self.member_count -= 1


_HANDLERS: dict[str, Callable[[GuildState, Body], None]] = {
    "GUILD_CREATE": GuildState._guild_create,
    "GUILD_UPDATE": GuildState._guild_update,
    "GUILD_ROLE_CREATE": GuildState._role,
    "GUILD_ROLE_UPDATE": GuildState._role,
    "GUILD_ROLE_DELETE": GuildState._role_delete,
    "CHANNEL_CREATE": GuildState._channel,
    "CHANNEL_UPDATE": GuildState._channel,
    "CHANNEL_DELETE": GuildState._channel_delete,
    "CHANNEL_PINS_UPDATE": GuildState._channel_pins,
    "GUILD_EMOJIS_UPDATE": GuildState._emojis_update,
    "GUILD_MEMBER_ADD": GuildState._member_add,
    "GUILD_MEMBER_UPDATE": GuildState._member_update,
    "GUILD_MEMBER_REMOVE": GuildState._member_remove,
}
