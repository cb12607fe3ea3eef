"""Whatever happens to a guild, each session is told of exactly the channels it may view, and the index agrees.

A model client keeps its channels as a library does: from GUILD_CREATE, then by CHANNEL_CREATE and CHANNEL_DELETE.
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
from tocsin.model.entities import Channel, Guild, Member, Overwrite, Role
from tocsin.model.event import Event
from tocsin.model.permissions import Permission
from tocsin.service import guild_events
from tocsin.store import open_store, rows
from tocsin.store.base import Op, Store

VIEW = int(Permission.VIEW_CHANNEL)
GRANTS = (0, VIEW, VIEW | int(Permission.SEND_MESSAGES), int(Permission.ADMINISTRATOR))
USERS = {"ada": ADA, "bell": BELL, "carl": CARL, "dora": DORA, "eddy": EDDY}
STEPS = 60


class Client:
    """What a library keeps of the guild."""

    def __init__(self) -> None:
        self.channels: set[int] | None = None  # None: not in the guild

    def take(self, told: list[Told]) -> None:
        for name, d in told:
            channel_id = int(d["id"]) if name.startswith("CHANNEL_") else 0
            if name == "GUILD_CREATE":
                assert self.channels is None, "GUILD_CREATE of a guild it is in"
                self.channels = {int(each["id"]) for each in d["channels"]}
            elif name == "GUILD_DELETE":
                assert self.channels is not None, "GUILD_DELETE of a guild it is not in"
                self.channels = None
            elif name == "CHANNEL_CREATE":
                assert self.channels is not None
                assert channel_id not in self.channels, "CHANNEL_CREATE of a channel it has"
                self.channels.add(channel_id)
            elif name == "CHANNEL_DELETE":
                assert self.channels is not None
                assert channel_id in self.channels, "CHANNEL_DELETE of a channel it has not"
                self.channels.discard(channel_id)
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
            await self.commit(rows.channel_delete_ops(channel.id), guild_events.channel_delete(channel))

    async def change_overwrites(self) -> None:
        found = await self.snapshot()
        if found.channels:
            channel = self.random.choice(found.channels)
            after = msgspec.structs.replace(channel, overwrites=self.overwrites(found.roles))
            await self.commit(rows.channel_update_ops(after), guild_events.channel_update(after))

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
            assert client.channels == allowed
            assert self.rig.sees(key) == allowed
        if live is not None:
            found = await self.snapshot()
            assert set(live.state.channels) == {each.id for each in found.channels}
            assert {each.user_id: set(each.roles) for each in live.state.members.values()} == {
                each.user_id: set(each.roles) for each in found.members
            }
        assert self.rig.core.refused == {}
        assert self.rig.core.ended == {}


@pytest.mark.parametrize("seed", range(12))
async def test_each_session_knows_exactly_the_channels_it_may_view(tmp_path: Path, seed: int) -> None:
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
    except AssertionError as error:
        raise AssertionError(f"seed {seed} after {told[-4:]}: {error}") from error
    finally:
        await rig.stop()
        await store.close()
