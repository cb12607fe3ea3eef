"""Whatever happens to a guild, each session is told of exactly the channels and threads it may view; the index agrees.

A model client keeps its channels as a library does: from GUILD_CREATE, then by CHANNEL_CREATE and CHANNEL_DELETE.
Threads go with their parent, and come by THREAD_LIST_SYNC, THREAD_CREATE and THREAD_UPDATE.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.api_world import ADA, BELL, CARL, DORA, EDDY, LAB, Clock, world_ops
from tests.support.gateway_rig import Rig, Told
from tocsin.config import Settings
from tocsin.model.entities import Channel, Guild, Member, Overwrite, Role, Thread, ThreadMember
from tocsin.model.event import Event
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import Permission
from tocsin.service import guild_events, thread_events
from tocsin.store import open_store, rows
from tocsin.store.base import Delete, Op, Select, Store, ThreadQuery

VIEW = int(Permission.VIEW_CHANNEL)
GRANTS = (0, VIEW, VIEW | int(Permission.MANAGE_THREADS), int(Permission.ADMINISTRATOR))
USERS = {"ada": ADA, "bell": BELL, "carl": CARL, "dora": DORA, "eddy": EDDY}
STEPS = 60


class Client:
    """What a library keeps of the guild."""

    def __init__(self) -> None:
        self.channels: set[int] | None = None  # None: not in the guild
        self.threads: dict[int, int] = {}  # thread -> its parent

    def sync(self, d: Any) -> None:
        parents = {int(each) for each in d["channel_ids"]}
        self.threads = {each: parent for each, parent in self.threads.items() if parent not in parents}
        self.threads |= {int(each["id"]): int(each["parent_id"]) for each in d["threads"]}

    def take_thread(self, name: str, d: Any) -> None:
        assert self.channels is not None, f"{name} of a guild it is not in"
        if name == "THREAD_LIST_SYNC":
            self.sync(d)
            return
        thread_id = int(d["id"])
        if name in ("THREAD_CREATE", "THREAD_UPDATE"):
            assert int(d["parent_id"]) in self.channels, f"{name} under a channel it has not"
            self.threads[thread_id] = int(d["parent_id"])
            if d["thread_metadata"]["archived"]:
                del self.threads[thread_id]
        elif name == "THREAD_DELETE":
            # Of an archived one too, which a library does not keep.
            assert int(d["parent_id"]) in self.channels, "THREAD_DELETE under a channel it has not"
            self.threads.pop(thread_id, None)
        else:
            assert thread_id in self.threads, f"{name} of a thread it has not"

    def take(self, told: list[Told]) -> None:
        for name, d in told:
            if name == "SESSIONS_REPLACE":
                continue  # of no guild
            if name.startswith("THREAD_"):
                self.take_thread(name, d)
                continue
            channel_id = int(d["id"]) if name.startswith("CHANNEL_") else 0
            if name == "GUILD_CREATE":
                assert self.channels is None, "GUILD_CREATE of a guild it is in"
                self.channels = {int(each["id"]) for each in d["channels"]}
                self.threads = {int(each["id"]): int(each["parent_id"]) for each in d["threads"]}
            elif name == "GUILD_DELETE":
                assert self.channels is not None, "GUILD_DELETE of a guild it is not in"
                self.channels = None
                self.threads = {}
            elif name == "CHANNEL_CREATE":
                assert self.channels is not None
                assert channel_id not in self.channels, "CHANNEL_CREATE of a channel it has"
                self.channels.add(channel_id)
            elif name == "CHANNEL_DELETE":
                assert self.channels is not None
                assert channel_id in self.channels, "CHANNEL_DELETE of a channel it has not"
                self.channels.discard(channel_id)
                self.threads = {each: parent for each, parent in self.threads.items() if parent != channel_id}
            elif name == "CHANNEL_UPDATE":
                assert self.channels is not None
                assert channel_id in self.channels, "CHANNEL_UPDATE of a channel it has not"
            elif name != "READY":
                assert self.channels is not None, f"{name} of a guild it is not in"


class Story:
    """Random changes of the small world's guild, committed as the services commit them."""

    def __init__(self, rig: Rig, store: Store, seed: int) -> None:
        self.rig = rig
        self.store = store
        self.random = random.Random(seed)
        self.clients: dict[int, tuple[int, Client]] = {}
        self._next_id = 9000

    async def step(self) -> str:
        steps = (
            self.identify,
            self.identify,
            self.make_channel,
            self.drop_channel,
            self.change_overwrites,
            self.change_overwrites,
            self.make_role,
            self.change_role,
            self.drop_role,
            self.change_roles,
            self.change_roles,
            self.join_or_leave,
            self.change_owner,
            self.make_thread,
            self.make_thread,
            self.archive_or_open,
            self.drop_thread,
            self.move_thread_member,
            self.move_thread_member,
            self.close,
        )
        chosen = self.random.choice(steps)
        await chosen()
        return chosen.__name__

    async def snapshot(self) -> Any:
        return await self.store.guild(LAB, with_members=True)

    async def commit(self, ops: list[Op], *events: Event) -> None:
        await self.store.commit(ops, events)
        if self.random.random() < 0.8:  # else several changes meet in one go
            await self.rig.settle()

    async def identify(self) -> None:
        name = self.random.choice(list(USERS))
        self.rig.clock.advance(10_000)
        intents = 0x331FFFF if name == "bell" else 1 if name == "eddy" else ...
        key = await self.rig.identify(name, intents=intents)
        self.clients[key] = (USERS[name], Client())

    async def close(self) -> None:
        if self.clients:
            key = self.random.choice(list(self.clients))
            await self.rig.settle()
            self.rig.close(key)
            del self.clients[key]

    def overwrites(self, roles: list[Role]) -> tuple[Overwrite, ...]:
        targets = [(role.id, 0) for role in roles] + [(user_id, 1) for user_id in USERS.values()]
        chosen = self.random.sample(targets, self.random.randrange(4))
        return tuple(
            Overwrite(id=target, type=kind, **({"allow": VIEW} if self.random.random() < 0.5 else {"deny": VIEW}))
            for target, kind in chosen
        )

    async def make_channel(self) -> None:
        roles = (await self.snapshot()).roles
        self._next_id += 1
        made = Channel(id=self._next_id, guild_id=LAB, type=0, name="made", overwrites=self.overwrites(roles))
        await self.commit(rows.channel_ops(made), guild_events.channel_create(made))

    async def drop_channel(self) -> None:
        channels = (await self.snapshot()).channels
        if channels:
            channel = self.random.choice(channels)
            under = await self.store.threads(ThreadQuery(parent_id=channel.id))
            ops = [*rows.channel_delete_ops(channel.id), *rows.threads_delete_ops([each.id for each in under])]
            await self.commit(ops, guild_events.channel_delete(channel))

    async def change_overwrites(self) -> None:
        found = await self.snapshot()
        if found.channels:
            channel = self.random.choice(found.channels)
            after = msgspec.structs.replace(channel, overwrites=self.overwrites(found.roles))
            await self.commit(rows.channel_update_ops(after), guild_events.channel_update(after))

    async def make_thread(self) -> None:
        found = await self.snapshot()
        parents = [each for each in found.channels if each.type == 0]
        if parents:
            self._next_id += 1
            parent, owner = self.random.choice(parents), self.random.choice(found.members).user_id
            thread = Thread(
                id=self._next_id,
                guild_id=LAB,
                type=self.random.choice((11, 12)),
                name="thread",
                parent_id=parent.id,
                owner_id=owner,
                member_count=1,
            )
            first = ThreadMember(thread_id=thread.id, user_id=owner, guild_id=LAB, joined_at=self.rig.clock())
            ops = [*rows.thread_ops(thread), *rows.thread_member_ops(first)]
            await self.commit(ops, thread_events.thread_create(thread, [first]))

    async def places(self, thread: Thread) -> list[ThreadMember]:
        where = {"thread_id": thread.id}
        return await self.store.find(Select(entity=ThreadMember, table="thread_members", where=where))

    async def archive_or_open(self) -> None:
        threads = await self.store.threads(ThreadQuery(guild_id=LAB))
        if threads:
            thread = self.random.choice(threads)
            after = msgspec.structs.replace(thread, archived=self.random.random() < 0.5, name="other")
            event = thread_events.thread_update(after, await self.places(thread))
            await self.commit(rows.thread_update_ops(thread, after), event)

    async def drop_thread(self) -> None:
        threads = await self.store.threads(ThreadQuery(guild_id=LAB))
        if threads:
            thread = self.random.choice(threads)
            event = thread_events.thread_delete(thread, await self.places(thread))
            await self.commit(rows.threads_delete_ops([thread.id]), event)

    async def move_thread_member(self) -> None:
        threads = await self.store.threads(ThreadQuery(guild_id=LAB, archived=False))
        found = await self.snapshot()
        if not threads:
            return
        thread, member = self.random.choice(threads), self.random.choice(found.members)
        user = next(each for each in found.users if each.id == member.user_id)
        if any(each.user_id == user.id for each in await self.places(thread)):
            op = Delete("thread_members", {"thread_id": thread.id, "user_id": user.id})
            event = thread_events.members_update(thread, thread.member_count - 1, removed=[user.id])
            await self.commit([op], event)
        else:
            place = ThreadMember(thread_id=thread.id, user_id=user.id, guild_id=LAB, joined_at=self.rig.clock())
            event = thread_events.members_update(thread, thread.member_count + 1, [(place, member, user)])
            await self.commit(rows.thread_member_ops(place), event)

    async def make_role(self) -> None:
        self._next_id += 1
        role = Role(id=self._next_id, guild_id=LAB, name="r", permissions=self.random.choice(GRANTS), position=1)
        await self.commit(rows.role_ops(role), guild_events.role_create(role))

    async def change_role(self) -> None:
        role = self.random.choice((await self.snapshot()).roles)
        after = msgspec.structs.replace(role, permissions=self.random.choice(GRANTS[: 3 if role.id == LAB else 4]))
        await self.commit(rows.role_ops(after), guild_events.role_update(after))

    async def drop_role(self) -> None:
        roles = [each for each in (await self.snapshot()).roles if each.id != LAB]
        if roles:
            role = self.random.choice(roles)
            await self.commit(rows.role_delete_ops(LAB, role.id), guild_events.role_delete(role))

    async def change_roles(self) -> None:
        found = await self.snapshot()
        member = self.random.choice(found.members)
        user = next(each for each in found.users if each.id == member.user_id)
        choices = [each.id for each in found.roles if each.id != LAB]
        roles = tuple(self.random.sample(choices, min(len(choices), self.random.randrange(3))))
        after = msgspec.structs.replace(member, roles=roles)
        await self.commit(rows.member_update_ops(after), guild_events.member_update(after, user))

    async def join_or_leave(self) -> None:
        found = await self.snapshot()
        user = await self.store.user(self.random.choice(list(USERS.values())))
        assert user is not None
        if user.id == found.guild.owner_id:
            return
        if any(each.user_id == user.id for each in found.members):
            await self.commit(rows.member_delete_ops(LAB, user.id), guild_events.member_remove(LAB, user))
        else:
            member = Member(guild_id=LAB, user_id=user.id, joined_at=self.rig.clock())
            await self.commit(rows.member_ops(member), guild_events.member_add(member, user))

    async def change_owner(self) -> None:
        found = await self.snapshot()
        guild = Guild(id=LAB, name="Lab", owner_id=self.random.choice(found.members).user_id)
        await self.commit(rows.guild_update_ops(guild), guild_events.guild_update(guild, found.roles, found.emojis))

    @staticmethod
    def in_sight(state: GuildState, member: Member, thread: Thread) -> bool:
        """protocol.md §7.1 rule 5, said once more."""
        held = int(state.permissions(member, state.channels[thread.parent_id or 0], 0))
        is_in = member.user_id in state.thread_members[thread.id]
        return bool(held & VIEW) and (thread.type != 12 or is_in or bool(held & int(Permission.MANAGE_THREADS)))

    async def check(self) -> None:
        await self.rig.settle()
        live = self.rig.guilds.get(LAB)
        for key, (user_id, client) in self.clients.items():
            client.take(self.rig.told(key))
            if live is None:
                continue
            member = live.state.members.get(user_id)
            if member is None:
                assert client.channels is None
                assert self.rig.sees(key) == set()
                continue
            allowed = {each.id for each in live.state.channels.values() if live.state.can_view(member, each)}
            threads = {each.id for each in live.state.threads.values() if self.in_sight(live.state, member, each)}
            assert client.channels == allowed
            assert set(client.threads) == threads
            assert self.rig.sees(key) == allowed | threads
        if live is not None:
            found = await self.snapshot()
            assert set(live.state.channels) == {each.id for each in found.channels}
            assert {each.id: each.member_count for each in live.state.threads.values()} == {
                each.id: each.member_count for each in found.threads
            }
            assert {each.user_id: set(each.roles) for each in live.state.members.values()} == {
                each.user_id: set(each.roles) for each in found.members
            }
        assert self.rig.core.refused == {}
        assert self.rig.core.ended == {}


@pytest.mark.parametrize("seed", range(12))
async def test_each_session_knows_exactly_the_channels_and_threads_it_may_view(tmp_path: Path, seed: int) -> None:
    clock = Clock()
    settings = Settings(database=f"sqlite:///{tmp_path}/tocsin.db", session_start_limit=100_000, presence_coalesce_ms=0)
    store = open_store(settings, clock)
    await store.open()
    await store.commit(world_ops(clock()))
    rig = Rig(store, clock, settings)
    story = Story(rig, store, seed)
    told: list[str] = []
    try:
        for _ in range(STEPS):
            for _ in range(story.random.randrange(1, 4)):
                told.append(await story.step())
            await story.check()
        assert sum(rig.core.certain.values()) > 0, "the policy vouched for nothing"
    except AssertionError as error:
        raise AssertionError(f"seed {seed} after {told[-4:]}: {error}") from error
    finally:
        await rig.stop()
        await store.close()
