"""Seeding: makes the store hold what a world file says, and says so to whoever listens.

Idempotent: what is there already is left, what differs from the file is changed, nothing is ever removed.
A commit holds up to `BATCH` users or members, so that a crowd costs few fsyncs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from tocsin.errors import Conflict, WorldFileError
from tocsin.model import wire
from tocsin.model.entities import Application, Channel, Guild, Member, Overwrite, Role, User
from tocsin.model.event import Event
from tocsin.model.intents import application_flags
from tocsin.model.permissions import DEFAULT
from tocsin.model.snowflake import SnowflakeFactory
from tocsin.service import events as user_events
from tocsin.service import guild_events
from tocsin.service.auth import digest_of, strip_scheme
from tocsin.service.locks import KeyedLocks
from tocsin.service.world_file import (
    EVERYONE,
    ChannelEntry,
    GuildEntry,
    OverwriteEntry,
    RoleEntry,
    UserEntry,
    WorldFile,
    number,
)
from tocsin.store import rows
from tocsin.store.base import Accounts, GuildSnapshot, Op, Store

BATCH = 500
_PAGE = 1000
T = TypeVar("T")
Begun = tuple[list[Op], list[Event]]
"""What a commit is to hold, as far as it is known."""

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps in all; a step is a user or a membership."""


class SeedReport(msgspec.Struct, kw_only=True):
    """What a seeding made and changed. `users` and `guilds` give the ids by name (not those of crowds)."""

    users_made: int = 0
    guilds_made: int = 0
    members_made: int = 0
    changed: int = 0
    users: dict[str, str] = {}
    guilds: dict[str, str] = {}


async def seed_world(
    world: WorldFile,
    *,
    store: Store,
    snowflakes: SnowflakeFactory,
    clock: Callable[[], int],
    locks: KeyedLocks | None = None,
    on_progress: Progress | None = None,
) -> SeedReport:
    """Seed `world` into an open store.

    Args:
        world: a checked file.
        store: where to; its `on_commit` tells the listeners.
        snowflakes: makes the ids that the file does not give.
        clock: gives Unix milliseconds.
        locks: those of the node's services, when it runs.
        on_progress: see `Progress`.

    Raises:
        errors.WorldFileError: the file and the store contradict each other. What was committed before stays.
        errors.StoreUnavailable: the database refused.
    """
    return await _Seeding(world, store, snowflakes, clock, locks or KeyedLocks(), on_progress).run()


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


class _Seeding:
    def __init__(
        self,
        world: WorldFile,
        store: Store,
        snowflakes: SnowflakeFactory,
        clock: Callable[[], int],
        locks: KeyedLocks,
        on_progress: Progress | None,
    ) -> None:
        self._world = world
        self._store = store
        self._next_id = snowflakes.next
        self._clock = clock
        self._locks = locks
        self._on_progress = on_progress or (lambda done, total: None)
        self._people: dict[str, User] = {}
        self._report = SeedReport(users={}, guilds={})
        self._joiners = {guild.name: _joiners(world, guild) for guild in world.guilds}
        self._done = 0
        self._total = world.user_count + sum(map(len, self._joiners.values()))

    async def run(self) -> SeedReport:
        for batch in _batches(self._world.each_user()):
            await self._users(batch)
        for index, guild in enumerate(self._world.guilds):
            await self._guild(f"guilds[{index}]", guild)
        self._report.users = {user.username: str(self._people[user.username].id) for user in self._world.users}
        return self._report

    def _step(self, count: int) -> None:
        self._done += count
        self._on_progress(self._done, self._total)

    # -- users

    async def _users(self, batch: list[tuple[str, UserEntry]]) -> None:
        """Make or complete the users of one batch, in one commit."""
        known = await self._store.accounts(
            [number(entry.id, place) for place, entry in batch if entry.id is not None],
            [entry.username for _, entry in batch],
            [digest_of(strip_scheme(entry.token)) for _, entry in batch if entry.token is not None],
        )
        ops: list[Op] = []
        events: list[Event] = []
        made = 0
        for place, entry in batch:
            user = self._existing(place, entry, known)
            self._check_token(place, entry, user, known)
            if user is None:
                user = User(
                    id=self._next_id() if entry.id is None else number(entry.id, place),
                    username=entry.username,
                    global_name=entry.global_name,
                    bot=entry.bot,
                )
                ops += rows.user_ops(user)
                made += 1
            elif entry.global_name is not None and entry.global_name != user.global_name:
                user = msgspec.structs.replace(user, global_name=entry.global_name)
                ops += rows.user_update_ops(user)
                events.append(user_events.user_update(user.id, wire.own_user(user)))
                self._report.changed += 1
            self._people[entry.username] = user
            if entry.token is not None:
                ops += rows.token_ops(digest_of(strip_scheme(entry.token)), user.id, self._clock())
            if entry.bot:
                ops += self._application(entry, user, known)
        await self._commit(ops, events, batch[0][0])
        self._report.users_made += made
        self._step(len(batch))

    def _existing(self, place: str, entry: UserEntry, known: Accounts) -> User | None:
        user = known.by_id.get(number(entry.id, place)) if entry.id is not None else None
        if user is None:
            user = known.by_name.get(entry.username)
            if user is not None and entry.id is not None:
                raise WorldFileError(f"{place}.id: {entry.username!r} is user {user.id} in the store, not {entry.id}")
        if user is None:
            return None
        if user.username != entry.username:
            raise WorldFileError(f"{place}.id: user {user.id} is {user.username!r} in the store")
        if user.bot != entry.bot:
            raise WorldFileError(
                f"{place}.bot: {user.username!r} is {'a bot' if user.bot else 'a person'} in the store"
            )
        return user

    def _check_token(self, place: str, entry: UserEntry, user: User | None, known: Accounts) -> None:
        if entry.token is None:
            return
        holder = known.holders.get(digest_of(strip_scheme(entry.token)))
        if holder is not None and (user is None or holder.id != user.id):
            raise WorldFileError(f"{place}.token: it is the token of {holder.username!r} in the store")

    def _application(self, entry: UserEntry, user: User, known: Accounts) -> list[Op]:
        """Return what makes the bot's application grant the privileged intents of the file."""
        before = known.applications.get(user.id)
        granted = entry.privileged
        if before is not None and before.intents == granted:
            return []
        owner = next((each for each in self._people.values() if not each.bot), user)
        application = before or Application(id=user.id, bot_user_id=user.id, name=user.username, owner_id=owner.id)
        application = msgspec.structs.replace(application, intents=granted, flags=application_flags(granted))
        self._report.changed += before is not None
        return rows.application_ops(application)

    # -- guilds

    async def _guild(self, place: str, entry: GuildEntry) -> None:
        owner = self._people[entry.owner]
        snapshot = await self._existing_guild(place, entry, owner)
        begun: Begun = ([], [])
        if snapshot is None:
            # What makes it is committed with its first members.
            begun, guild_id, roles, member = self._make_guild(place, entry, owner)
            members = {owner.id: member}
        else:
            guild_id = snapshot.guild.id
            async with self._locks.hold(("guild", guild_id)):
                roles = await self._complete_guild(place, entry, snapshot)
            members = await self._members_of(guild_id)
        self._report.guilds[entry.name] = str(guild_id)
        for batch in _batches(self._joiners[entry.name].items()):
            async with self._locks.hold(("guild", guild_id)):
                await self._join(place, guild_id, batch, roles, members, begun)
            begun = ([], [])

    async def _existing_guild(self, place: str, entry: GuildEntry, owner: User) -> GuildSnapshot | None:
        if entry.id is not None:
            found = await self._store.guild(number(entry.id, f"{place}.id"), with_members=False)
            if found is not None and found.guild.owner_id != owner.id:
                raise WorldFileError(f"{place}.owner: guild {entry.id} has another owner in the store")
            return found
        for guild_id in await self._store.guild_ids_of(owner.id):
            found = await self._store.guild(guild_id, with_members=False)
            if found is not None and found.guild.owner_id == owner.id and found.guild.name == entry.name:
                return found
        return None

    def _make_guild(self, place: str, entry: GuildEntry, owner: User) -> tuple[Begun, int, dict[str, Role], Member]:
        """Return what makes a guild, its id, its roles by name, and its owner's membership."""
        guild_id = self._next_id() if entry.id is None else number(entry.id, f"{place}.id")
        guild = Guild(id=guild_id, name=entry.name, owner_id=owner.id)
        roles = {EVERYONE: Role(id=guild_id, guild_id=guild_id, name=EVERYONE, permissions=DEFAULT)}
        for index, role in enumerate(entry.roles):
            roles[role.name] = self._role(f"{place}.roles[{index}]", role, guild_id, roles.get(role.name), len(roles))
        channels: dict[str, Channel] = {}
        for at, channel in self._parents_first(place, entry):
            channels[at] = self._channel(at, channel, guild_id, None, roles, list(channels.values()))
        member = Member(guild_id=guild_id, user_id=owner.id, joined_at=self._clock())
        ops = rows.guild_ops(guild)
        for role_ in roles.values():
            ops += rows.role_ops(role_)
        for channel_ in channels.values():
            ops += rows.channel_ops(channel_)
        ops += rows.member_ops(member)
        event = guild_events.guild_create(guild, roles.values(), channels.values(), member, owner)
        self._report.guilds_made += 1
        self._report.members_made += 1
        return (ops, [event]), guild_id, roles, member

    async def _complete_guild(self, place: str, entry: GuildEntry, snapshot: GuildSnapshot) -> dict[str, Role]:
        """Add and change what the guild lacks of the file, in one commit; return its roles by name."""
        guild = snapshot.guild
        roles = {role.name: role for role in snapshot.roles if role.id != guild.id}
        roles[EVERYONE] = next(role for role in snapshot.roles if role.id == guild.id)
        ops: list[Op] = []
        events: list[Event] = []
        if guild.name != entry.name:
            guild = msgspec.structs.replace(guild, name=entry.name)
            ops += rows.guild_update_ops(guild)
            events.append(guild_events.guild_update(guild, snapshot.roles, snapshot.emojis))
        for index, role_entry in enumerate(entry.roles):
            at = f"{place}.roles[{index}]"
            before = roles.get(role_entry.name)
            if role_entry.id is not None and role_entry.name != EVERYONE:
                role_id = number(role_entry.id, f"{at}.id")
                before = next((each for each in snapshot.roles if each.id == role_id), None)
            role = self._role(at, role_entry, guild.id, before, len(roles))
            roles[role_entry.name] = role
            if role != before:
                ops += rows.role_ops(role)
                events.append(guild_events.role_create(role) if before is None else guild_events.role_update(role))
        channels = {channel.id: channel for channel in snapshot.channels}
        for at, channel_entry in self._parents_first(place, entry):
            old = _find_channel(at, channel_entry, channels.values())
            channel = self._channel(at, channel_entry, guild.id, old, roles, channels.values())
            channels[channel.id] = channel
            if old is None:
                ops += rows.channel_ops(channel)
                events.append(guild_events.channel_create(channel))
            elif channel != old:
                ops += rows.channel_update_ops(channel)
                events.append(guild_events.channel_update(channel))
        await self._commit(ops, events, place)
        self._report.changed += len(events)
        return roles

    @staticmethod
    def _parents_first(place: str, entry: GuildEntry) -> list[tuple[str, ChannelEntry]]:
        placed = [(f"{place}.channels[{index}]", channel) for index, channel in enumerate(entry.channels)]
        return sorted(placed, key=lambda each: each[1].parent is not None)

    def _role(self, place: str, entry: RoleEntry, guild_id: int, before: Role | None, position: int) -> Role:
        if before is None:
            role_id = self._next_id() if entry.id is None else number(entry.id, f"{place}.id")
            before = Role(id=role_id, guild_id=guild_id, name=entry.name, position=position)
        given = {
            "name": entry.name,
            "permissions": None if entry.permissions is None else number(entry.permissions, place),
            "position": entry.position,
            "color": entry.color,
            "hoist": entry.hoist,
            "mentionable": entry.mentionable,
        }
        return msgspec.structs.replace(before, **{name: value for name, value in given.items() if value is not None})

    def _channel(
        self,
        place: str,
        entry: ChannelEntry,
        guild_id: int,
        before: Channel | None,
        roles: dict[str, Role],
        siblings: Iterable[Channel],
    ) -> Channel:
        siblings = list(siblings)
        if before is None:
            channel_id = self._next_id() if entry.id is None else number(entry.id, f"{place}.id")
            before = Channel(id=channel_id, guild_id=guild_id, type=entry.type, position=len(siblings))
        parent = next((each.id for each in siblings if each.type == 4 and each.name == entry.parent), None)
        overwrites = None
        if entry.overwrites is not None:
            overwrites = tuple(
                sorted((self._overwrite(place, each, roles) for each in entry.overwrites), key=lambda each: each.id)
            )
            if overwrites == tuple(sorted(before.overwrites, key=lambda each: each.id)):
                overwrites = before.overwrites
        given = {
            "name": entry.name,
            "topic": entry.topic,
            "position": entry.position,
            "nsfw": entry.nsfw,
            "rate_limit_per_user": entry.rate_limit_per_user,
            "parent_id": parent,
            "overwrites": overwrites,
        }
        return msgspec.structs.replace(before, **{name: value for name, value in given.items() if value is not None})

    def _overwrite(self, place: str, entry: OverwriteEntry, roles: dict[str, Role]) -> Overwrite:
        allow, deny = number(entry.allow, place), number(entry.deny, place)
        if entry.role is not None:
            return Overwrite(id=roles[entry.role].id, type=0, allow=allow, deny=deny)
        person = self._people[entry.user or entry.member or ""]
        return Overwrite(id=person.id, type=1, allow=allow, deny=deny)

    # -- members

    async def _members_of(self, guild_id: int) -> dict[int, Member]:
        found: dict[int, Member] = {}
        after = 0
        while page := await self._store.members(guild_id, after=after, limit=_PAGE):
            found.update((member.user_id, member) for member, _ in page)
            after = page[-1][0].user_id
        return found

    async def _join(
        self,
        place: str,
        guild_id: int,
        batch: Sequence[tuple[str, _Joiner]],
        roles: dict[str, Role],
        members: dict[int, Member],
        begun: Begun,
    ) -> None:
        """Add the members of one batch, or give them the file's roles, in one commit with what was begun."""
        ops, events = begun
        made = 0
        for name, joiner in batch:
            user = self._people[name]
            before = members.get(user.id)
            wanted = None if joiner.roles is None else tuple(sorted({roles[each].id for each in joiner.roles}))
            member = before or Member(guild_id=guild_id, user_id=user.id, joined_at=self._clock())
            if wanted is not None and wanted != tuple(sorted(member.roles)):
                member = msgspec.structs.replace(member, roles=wanted)
            if joiner.nick is not None:
                member = msgspec.structs.replace(member, nick=joiner.nick)
            if before is None:
                ops += rows.member_ops(member)
                events.append(guild_events.member_add(member, user))
                made += 1
            elif member != before:
                ops += rows.member_update_ops(member)
                events.append(guild_events.member_update(member, user))
                self._report.changed += 1
        await self._commit(ops, events, f"{place}.members")
        self._report.members_made += made
        self._step(len(batch))

    async def _commit(self, ops: Sequence[Op], events: Sequence[Event], place: str) -> None:
        if not ops:
            return
        try:
            await self._store.commit(ops, events)
        except Conflict as error:
            raise WorldFileError(f"{place}: an id or a name is taken in the store ({error})") from None


class _Joiner(msgspec.Struct):
    roles: list[str] | None = None
    nick: str | None = None


def _joiners(world: WorldFile, guild: GuildEntry) -> dict[str, _Joiner]:
    """Return who shall be in a guild, by name: its owner, its members and the crowds that join it."""
    found = {guild.owner: _Joiner()}
    for entry in guild.members:
        found[entry.user] = _Joiner(entry.roles, entry.nick)
    for crowd in world.generate:
        if guild.name in crowd.join:
            for user in crowd.each():
                found.setdefault(user.username, _Joiner())
    return found


def _find_channel(place: str, entry: ChannelEntry, channels: Iterable[Channel]) -> Channel | None:
    if entry.id is not None:
        channel_id = number(entry.id, f"{place}.id")
        found = next((each for each in channels if each.id == channel_id), None)
        if found is not None and found.type != entry.type:
            raise WorldFileError(f"{place}.type: channel {channel_id} has type {found.type} in the store")
        return found
    return next((each for each in channels if each.name == entry.name and each.type == entry.type), None)
