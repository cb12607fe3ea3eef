"""World: what the API side knows of guilds, channels, members and users, and who may do what in them.

A read-through cache: `on_commit` runs between a commit and its reply, so a read after a 2xx sees it.
Guild states here hold no member lists; members are cached one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from tocsin.bus.base import Interest
from tocsin.bus.local import Everything
from tocsin.errors import BadRequest, MissingAccess, MissingPermissions, unknown
from tocsin.model.entities import THREAD_TYPES, Channel, ChannelType, Member, Message, Thread, ThreadMember, User
from tocsin.model.event import PRIVATE_CHANNEL_EVENTS, Event, Scope, ScopeKind
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import DM_PERMISSIONS, Permission
from tocsin.service.cache import ReadThrough
from tocsin.store.base import Select, Store, ThreadQuery

GUILDS_KEPT = 4096
CHANNELS_KEPT = 65536
MEMBERS_KEPT = 65536
THREADS_KEPT = 65536
USERS_KEPT = 65536

TEXT_TYPES = frozenset({0, 1, 2, 3, 5, 10, 11, 12, 13})
VOICE_TYPES = frozenset({2, 13})
_CONNECT = int(Permission.CONNECT)
_VIEW = int(Permission.VIEW_CHANNEL)
_MANAGE_THREADS = int(Permission.MANAGE_THREADS)
_NOT_HELD = frozenset(
    {
        "GUILD_AUDIT_LOG_ENTRY_CREATE",
        "GUILD_BAN_ADD",
        "GUILD_BAN_REMOVE",
        "INVITE_CREATE",
        "INVITE_DELETE",
        "WEBHOOKS_UPDATE",
    }
)
"""State events that change nothing of what is kept here."""

_MEMBER_EVENTS = {"GUILD_MEMBER_ADD": 1, "GUILD_MEMBER_UPDATE": 0, "GUILD_MEMBER_REMOVE": -1}


class ChannelAccess(NamedTuple):
    """A channel as one user finds it. `guild` and `member` are None in a DM."""

    channel: Channel
    guild: GuildState | None
    member: Member | None
    permissions: int

    def need(self, permissions: int) -> None:
        """Raise `MissingPermissions` (50013) unless all the bits are there."""
        if self.permissions & permissions != permissions:
            raise MissingPermissions

    def need_text(self) -> None:
        """Raise unless the channel holds messages (50008); those of voice channels need CONNECT (50013)."""
        kind = self.channel.type
        if kind not in TEXT_TYPES:
            raise BadRequest(50008, "Cannot send messages in a non-text channel")
        if kind in VOICE_TYPES and not self.permissions & _CONNECT:
            raise MissingPermissions

    def need_open(self) -> None:
        """Raise unless the channel is no archived thread (50083): such a one changes only by messages being deleted."""
        if isinstance(self.channel, Thread) and self.channel.archived:
            raise BadRequest(50083, "Thread is archived")

    def need_no_thread(self) -> None:
        """Raise for a thread, which has no such things of its own (50024)."""
        if isinstance(self.channel, Thread):
            raise BadRequest(50024, "Cannot execute action on this channel type")


class GuildAccess(NamedTuple):
    """A guild as one of its members finds it; `permissions` are guild-wide."""

    guild: GuildState
    member: Member
    permissions: int

    def need(self, permissions: int) -> None:
        """Raise `MissingPermissions` (50013) unless all the bits are there."""
        if self.permissions & permissions != permissions:
            raise MissingPermissions


class _Ref(msgspec.Struct):
    """The ids a committed event's body is invalidated by; everything else is skipped, undecoded."""

    id: str = "0"
    channel_id: str = "0"
    user: _Ref | None = None


class _Moves(msgspec.Struct):
    """Whose places in a thread changed."""

    added_members: list[_Place] = []
    removed_member_ids: list[str] = []


class _Place(msgspec.Struct):
    user_id: str


_decode_moves = msgspec.json.Decoder(_Moves).decode
_decode_ref = msgspec.json.Decoder(_Ref).decode


class World:
    """Guild states, channels, members and users by id. `clock` gives Unix milliseconds.

    What is kept is followed on the bus first: other nodes' commits come to `on_commit` too.
    """

    def __init__(self, store: Store, clock: Callable[[], int], interest: Interest | None = None) -> None:
        self._store = store
        self._interest = interest or Everything()
        self._clock = clock
        self._guilds: ReadThrough[int, GuildState] = ReadThrough(GUILDS_KEPT, self._load_guild)
        self._channels: ReadThrough[int, Channel] = ReadThrough(CHANNELS_KEPT, store.channel)
        self._threads: ReadThrough[int, Thread] = ReadThrough(THREADS_KEPT, self._load_thread)
        self._thread_members: ReadThrough[tuple[int, int], ThreadMember] = ReadThrough(
            MEMBERS_KEPT, self._load_thread_member
        )
        self._members: ReadThrough[tuple[int, int], Member] = ReadThrough(MEMBERS_KEPT, self._load_member)
        self._users: ReadThrough[int, User] = ReadThrough(USERS_KEPT, self._load_user)
        # Messages committed while their guild is being read: a busy channel must not make the read start over.
        self._late_messages: dict[int, dict[int, int]] = {}
        # How often people of group DMs changed, as far as is heard here.
        self._group_changes = 0
        self.on_user_change: list[Callable[[int], None]] = []
        self.on_rules_change: list[Callable[[int], None]] = []

    async def _load_guild(self, guild_id: int) -> GuildState | None:
        await self._interest.follow(Scope(ScopeKind.GUILD, guild_id))
        late = self._late_messages.setdefault(guild_id, {})
        try:
            snapshot = await self._store.guild(guild_id, with_members=False)
            if snapshot is None:
                return None
            state = GuildState.from_snapshot(snapshot)
            for channel_id, message_id in late.items():
                _note_message(state, channel_id, message_id)
            return state
        finally:
            self._late_messages.pop(guild_id, None)

    async def _load_user(self, user_id: int) -> User | None:
        await self._interest.follow(Scope(ScopeKind.USER, user_id))
        return await self._store.user(user_id)

    async def _load_member(self, key: tuple[int, int]) -> Member | None:
        await self._interest.follow(Scope(ScopeKind.GUILD, key[0]))
        return await self._store.member(*key)

    async def _load_thread(self, thread_id: int) -> Thread | None:
        found = await self._store.threads(ThreadQuery(id=thread_id))
        if found and self._guilds.peek(found[0].guild_id) is None:
            # Only now is it known whose log to follow: what was read before may have changed since.
            await self._interest.follow(Scope(ScopeKind.GUILD, found[0].guild_id))
            found = await self._store.threads(ThreadQuery(id=thread_id))
        return found[0] if found else None

    async def _load_thread_member(self, key: tuple[int, int]) -> ThreadMember | None:
        where = {"thread_id": key[0], "user_id": key[1]}
        return await self._store.find_one(Select(entity=ThreadMember, table="thread_members", where=where))

    # -- lookups

    async def guild(self, guild_id: int) -> GuildState | None:
        """Return the guild with its roles and channels, or None. Shared: do not change it."""
        return await self._guilds.get(guild_id)

    async def channel(self, channel_id: int) -> Channel | None:
        """Return a guild channel, a thread with its parent's overwrites, or a DM; None when there is none."""
        found = self._channels.peek(channel_id) or await self._channels.get(channel_id)
        if found is not None and found.type == ChannelType.GROUP_DM:
            return await self._group(channel_id)
        if found is None or not found.guild_id:
            return found
        guild = self._guilds.peek(found.guild_id) or await self._guilds.get(found.guild_id)
        if guild is None or found.type not in THREAD_TYPES:
            return None if guild is None else guild.channels.get(channel_id)
        thread = self._threads.peek(channel_id) or await self._threads.get(channel_id)
        return None if thread is None else _under_parent(thread, guild)

    async def _group(self, channel_id: int) -> Channel | None:
        """Read a group DM as it is now: another process may have put somebody out, and nothing of it comes here."""
        while True:
            heard = self._group_changes
            found = await self._store.channel(channel_id)
            if heard == self._group_changes:
                return found

    async def thread_member(self, thread_id: int, user_id: int) -> ThreadMember | None:
        """Return the user's place in the thread, or None."""
        key = (thread_id, user_id)
        return self._thread_members.peek(key) or await self._thread_members.get(key)

    async def member(self, guild_id: int, user_id: int) -> Member | None:
        """Return the user's membership of the guild, or None."""
        key = (guild_id, user_id)
        return self._members.peek(key) or await self._members.get(key)

    async def user(self, user_id: int) -> User | None:
        """Return the user, or None."""
        return self._users.peek(user_id) or await self._users.get(user_id)

    def guild_at_hand(self, guild_id: int) -> GuildState | None:
        """Return the guild if it need not be read."""
        return self._guilds.peek(guild_id)

    def member_at_hand(self, guild_id: int, user_id: int) -> Member | None:
        """Return the membership if it need not be read."""
        return self._members.peek((guild_id, user_id))

    def thread_at_hand(self, thread_id: int) -> Thread | None:
        """Return the thread if it need not be read."""
        return self._threads.peek(thread_id)

    async def users(self, user_ids: Iterable[int]) -> dict[int, User]:
        """Return those of the users that exist, by id, with one read for all that are not at hand."""
        found: dict[int, User] = {}
        missing: list[int] = []
        for user_id in dict.fromkeys(user_ids):
            user = self._users.peek(user_id)
            if user is None:
                missing.append(user_id)
            else:
                found[user_id] = user
        if len(missing) == 1:
            user = await self._users.get(missing[0])
            if user is not None:
                found[user.id] = user
        elif missing:
            found.update((user.id, user) for user in await self._store.users(missing))
        return found

    # -- permissions

    async def channel_access(self, channel_id: int, user_id: int) -> ChannelAccess:
        """Return the channel as `user_id` finds it.

        Raises:
            errors.NotFound: 10003, there is no such channel.
            errors.MissingAccess: 50001, the user may not view it.
        """
        channel = await self.channel(channel_id)
        if channel is None:
            raise unknown("channel")
        if not channel.guild_id:
            if user_id not in channel.recipients:
                raise MissingAccess
            return ChannelAccess(channel, None, None, int(DM_PERMISSIONS))
        guild = await self.guild(channel.guild_id)
        member = await self.member(channel.guild_id, user_id)
        if guild is None or member is None:
            raise MissingAccess
        permissions = await self._in(guild, member, channel)
        if not permissions:
            raise MissingAccess
        return ChannelAccess(channel, guild, member, permissions)

    async def text_access(self, channel_id: int, user_id: int) -> ChannelAccess:
        """As `channel_access`, of a channel that holds messages. Raises as `ChannelAccess.need_text` too."""
        access = await self.channel_access(channel_id, user_id)
        access.need_text()
        return access

    async def message(self, channel_id: int, message_id: int) -> Message:
        """Return a message as it is stored now. Raises `errors.NotFound` (10008)."""
        found = await self._store.message(channel_id, message_id)
        if found is None:
            raise unknown("message")
        return found

    async def require(self, channel_id: int, user_id: int, permissions: int) -> ChannelAccess:
        """As `channel_access`, and raise `MissingPermissions` (50013) unless all of `permissions` are there."""
        access = await self.channel_access(channel_id, user_id)
        access.need(permissions)
        return access

    async def guild_access(self, guild_id: int, user_id: int) -> GuildAccess:
        """Return the guild as its member `user_id` finds it.

        Raises:
            errors.NotFound: 10004, there is no such guild.
            errors.MissingAccess: 50001, the user is not a member.
        """
        guild, member = self.guild_at_hand(guild_id), self.member_at_hand(guild_id, user_id)
        if guild is None or member is None:
            guild, member = await asyncio.gather(self.guild(guild_id), self.member(guild_id, user_id))
        if guild is None:
            raise unknown("guild")
        if member is None:
            raise MissingAccess
        return GuildAccess(guild, member, int(guild.permissions(member, None, self._clock())))

    async def require_guild(self, guild_id: int, user_id: int, permissions: int) -> GuildAccess:
        """As `guild_access`, and raise `MissingPermissions` (50013) unless all of `permissions` are there."""
        access = await self.guild_access(guild_id, user_id)
        access.need(permissions)
        return access

    async def permissions_in(self, channel: Channel, user_id: int) -> int:
        """Return the user's permission set in the channel; 0 when they may not view it."""
        if not channel.guild_id:
            return int(DM_PERMISSIONS) if user_id in channel.recipients else 0
        guild = await self.guild(channel.guild_id)
        member = await self.member(channel.guild_id, user_id)
        if guild is None or member is None:
            return 0
        return await self._in(guild, member, channel)

    async def _in(self, guild: GuildState, member: Member, channel: Channel) -> int:
        """Return what a member may do in a channel; 0 when they may not view it."""
        permissions = int(guild.permissions(member, channel, self._clock()))
        if not permissions & _VIEW:
            return 0
        if isinstance(channel, Thread) and channel.private and not permissions & _MANAGE_THREADS:
            # §7.1 rule 5
            return permissions if await self.thread_member(channel.id, member.user_id) is not None else 0
        return permissions

    # -- invalidation

    def on_commit(self, events: Sequence[Event]) -> None:
        """Take committed events, in commit order, before their callers resume."""
        for event in events:
            if event.state:
                if event.guild_id:
                    self._on_guild_event(event)
                elif event.scope.kind == ScopeKind.USER:
                    self._forget_user(event.scope.id)
            elif event.name == "MESSAGE_CREATE":
                self._on_message(event)
            elif event.name in ("MESSAGE_DELETE", "MESSAGE_DELETE_BULK"):
                self._threads.drop(int(_decode_ref(event.body).channel_id))
            elif event.name == "CHANNEL_PINS_UPDATE":
                self._channels.drop(event.channel_id)
            elif event.name in PRIVATE_CHANNEL_EVENTS and not event.guild_id:
                self._group_changes += 1

    def _on_guild_event(self, event: Event) -> None:
        guild_id, name = event.guild_id, event.name
        if name.startswith("THREAD_"):
            self._on_thread(event)
            return
        if name == "CHANNEL_PINS_UPDATE":
            channel_id = int(_decode_ref(event.body).channel_id)
            if self._threads.peek(channel_id) is not None:
                self._threads.drop(channel_id)
                return
        if name in _MEMBER_EVENTS:
            ref = _decode_ref(event.body)
            if ref.user is not None:
                user_id = int(ref.user.id)
                self._members.drop((guild_id, user_id))
                if name == "GUILD_MEMBER_REMOVE":
                    self._thread_members.drop_where(lambda key, _: key[1] == user_id)
                    self._threads.drop_where(lambda _, thread: thread is None or thread.guild_id == guild_id)
            state = self._guilds.peek(guild_id)
            if state is None:
                self._guilds.drop(guild_id)
            elif event.seq > state.seq:  # the read may have seen this commit already
                state.member_count += _MEMBER_EVENTS[name]
                state.seq = event.seq
            return
        if name.startswith("AUTO_MODERATION_") or name == "GUILD_DELETE":
            for listener in self.on_rules_change:
                listener(guild_id)
        if name in _NOT_HELD or name.startswith("AUTO_MODERATION_"):
            return
        if name in ("CHANNEL_DELETE", "CHANNEL_UPDATE"):
            channel_id = int(_decode_ref(event.body).id)
            self._channels.drop(channel_id)
            if name == "CHANNEL_DELETE":
                self._channels.drop_where(lambda _, each: each is None or each.parent_id == channel_id)
                self._threads.drop_where(lambda _, each: each is None or each.parent_id == channel_id)
        elif name == "GUILD_ROLE_DELETE":
            self._members.drop_where(lambda key, _: key[0] == guild_id)
        elif name == "GUILD_DELETE":
            self._members.drop_where(lambda key, _: key[0] == guild_id)
            self._channels.drop_where(lambda _, channel: channel is None or channel.guild_id == guild_id)
            self._threads.drop_where(lambda _, thread: thread is None or thread.guild_id == guild_id)
        # A fresh state per change, not an edited one: whoever holds the old one keeps a consistent view.
        self._guilds.drop(guild_id)

    def _on_thread(self, event: Event) -> None:
        # Of another node's events only the body comes here.
        thread_id = int(_decode_ref(event.body).id)
        self._threads.drop(thread_id)
        if event.name == "THREAD_MEMBERS_UPDATE":
            moves = _decode_moves(event.body)
            for user_id in (*(each.user_id for each in moves.added_members), *moves.removed_member_ids):
                self._thread_members.drop((thread_id, int(user_id)))
        elif event.name == "THREAD_DELETE":
            self._channels.drop(thread_id)
            self._thread_members.drop_where(lambda key, _: key[0] == thread_id)

    def _on_message(self, event: Event) -> None:
        message_id = int(_decode_ref(event.body).id)
        if event.guild_id:
            thread = self._threads.peek(event.channel_id)
            if thread is None:
                self._threads.drop(event.channel_id)
            elif (thread.last_message_id or 0) < message_id:
                self._threads.put(thread.id, thread.with_message(message_id))
                return
            state = self._guilds.peek(event.guild_id)
            if state is not None:
                _note_message(state, event.channel_id, message_id)
            elif (late := self._late_messages.get(event.guild_id)) is not None:
                late[event.channel_id] = message_id
            return
        channel = self._channels.peek(event.channel_id)
        if channel is None:
            self._channels.drop(event.channel_id)
        elif (channel.last_message_id or 0) < message_id:
            self._channels.put(channel.id, msgspec.structs.replace(channel, last_message_id=message_id))

    def _forget_user(self, user_id: int) -> None:
        self._users.drop(user_id)
        for listener in self.on_user_change:
            listener(user_id)


def _under_parent(thread: Thread, guild: GuildState) -> Thread | None:
    """Return the thread with its parent's overwrites; None without a parent."""
    parent = guild.channels.get(thread.parent_id or 0)
    return None if parent is None else msgspec.structs.replace(thread, overwrites=parent.overwrites, nsfw=parent.nsfw)


def _note_message(state: GuildState, channel_id: int, message_id: int) -> None:
    channel = state.channels.get(channel_id)
    if channel is not None and (channel.last_message_id or 0) < message_id:
        state.channels[channel_id] = msgspec.structs.replace(channel, last_message_id=message_id)
