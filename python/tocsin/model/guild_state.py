"""GuildState: a replica of one guild, kept up to date by applying its log in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tocsin.model import permissions, wire
from tocsin.model.entities import Channel, Emoji, Guild, Member, Role, Thread, ThreadMember, User
from tocsin.model.event import Event, ScopeKind
from tocsin.model.snapshot import GuildSnapshot

_VIEW = int(permissions.Permission.VIEW_CHANNEL)
Body = dict[str, Any]


class GuildState:
    """A guild with its roles, channels and, where they are asked for, members, their users and the active threads.

    `members` may be empty on a replica that keeps none; `member_count` is true all the same.
    `seq` is the place in the guild's log up to which the replica is complete.
    """

    __slots__ = (
        "channels",
        "emojis",
        "guild",
        "member_count",
        "members",
        "roles",
        "seq",
        "thread_members",
        "threads",
        "users",
    )

    def __init__(
        self,
        guild: Guild,
        roles: Iterable[Role] = (),
        channels: Iterable[Channel] = (),
        members: Iterable[Member] = (),
        users: Iterable[User] = (),
        *,
        emojis: Iterable[Emoji] = (),
        threads: Iterable[Thread] = (),
        thread_members: Iterable[ThreadMember] = (),
        member_count: int = 0,
        seq: int = 0,
    ) -> None:
        self.guild = guild
        self.roles = {role.id: role for role in roles}
        self.channels = {channel.id: channel for channel in channels}
        self.emojis = {emoji.id: emoji for emoji in emojis}
        self.members = {member.user_id: member for member in members}
        self.users = {user.id: user for user in users}
        self.threads = {thread.id: thread for thread in threads}
        self.thread_members: dict[int, dict[int, ThreadMember]] = {thread_id: {} for thread_id in self.threads}
        for each in thread_members:
            self.thread_members.setdefault(each.thread_id, {})[each.user_id] = each
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
            threads=snapshot.threads,
            thread_members=snapshot.thread_members,
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
        self.threads = {}
        self.thread_members = {}
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
        channel_id = int(body["id"])
        self.channels.pop(channel_id, None)
        for thread in [each for each in self.threads.values() if each.parent_id == channel_id]:
            self._forget_thread(thread.id)

    def _thread(self, body: Body) -> None:
        thread = wire.parse_thread(body)
        if thread.archived:
            self._forget_thread(thread.id)
            return
        known = self.threads.get(thread.id)
        if known is not None and known.total_message_sent > thread.total_message_sent:
            # Messages are counted when they are committed, which may be before this is applied.
            late = known.total_message_sent - thread.total_message_sent
            thread = msgspec.structs.replace(
                thread,
                last_message_id=known.last_message_id,
                message_count=thread.message_count + late,
                total_message_sent=known.total_message_sent,
            )
        self.threads[thread.id] = thread
        members = self.thread_members.setdefault(thread.id, {})
        for each in body.get("thread_members", ()):
            member = wire.parse_thread_member(each, self.guild.id)
            members[member.user_id] = member

    def _thread_delete(self, body: Body) -> None:
        self._forget_thread(int(body["id"]))

    def _forget_thread(self, thread_id: int) -> None:
        self.threads.pop(thread_id, None)
        self.thread_members.pop(thread_id, None)

    def _thread_members_update(self, body: Body) -> None:
        thread = self.threads.get(int(body["id"]))
        if thread is None:
            return
        members = self.thread_members[thread.id]
        for each in body.get("added_members", ()):
            member = wire.parse_thread_member(each, self.guild.id)
            members[member.user_id] = member
        for user_id in body.get("removed_member_ids", ()):
            members.pop(int(user_id), None)
        self.threads[thread.id] = msgspec.structs.replace(thread, member_count=len(members))

    def _channel_pins(self, body: Body) -> None:
        channel_id = int(body["channel_id"])
        pinned_at = wire.parse_optional_timestamp(body["last_pin_timestamp"])
        channel, thread = self.channels.get(channel_id), self.threads.get(channel_id)
        if thread is not None:
            self.threads[channel_id] = msgspec.structs.replace(thread, last_pin_timestamp=pinned_at)
        if channel is not None:
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
        for thread_id, members in self.thread_members.items():
            if members.pop(user_id, None) is not None:
                changed = msgspec.structs.replace(self.threads[thread_id], member_count=len(members))
                self.threads[thread_id] = changed


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
    "THREAD_CREATE": GuildState._thread,
    "THREAD_UPDATE": GuildState._thread,
    "THREAD_DELETE": GuildState._thread_delete,
    "THREAD_MEMBERS_UPDATE": GuildState._thread_members_update,
    "GUILD_EMOJIS_UPDATE": GuildState._emojis_update,
    "GUILD_MEMBER_ADD": GuildState._member_add,
    "GUILD_MEMBER_UPDATE": GuildState._member_update,
    "GUILD_MEMBER_REMOVE": GuildState._member_remove,
}
