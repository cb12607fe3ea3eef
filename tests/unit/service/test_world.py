"""World sees every committed change at once, and answers who may do what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.support.api_world import (
    ADA,
    CARL,
    DORA,
    GENERAL,
    LAB,
    STAFF_ONLY,
    STAFF_ROLE,
    Clock,
    world_ops,
)
from tocsin.config import Settings
from tocsin.errors import MissingAccess, MissingPermissions, NotFound
from tocsin.model.entities import Channel, Member, Role, Thread, ThreadMember
from tocsin.model.event import Event
from tocsin.model.permissions import Permission
from tocsin.service import events, guild_events, thread_events
from tocsin.service.world import World
from tocsin.store import open_store, rows
from tocsin.store.base import Delete, Op, Store, Update

SEND = int(Permission.SEND_MESSAGES)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    clock = Clock()
    found = open_store(Settings(database=f"sqlite:///{tmp_path}/tocsin.db"), clock)
    await found.open()
    await found.commit(world_ops(clock()))
    yield found
    await found.close()


@pytest.fixture
async def world(store: Store) -> World:
    found = World(store, Clock())
    store.on_commit.append(found.on_commit)
    return found


async def member_of(store: Store, user_id: int) -> Member:
    found = await store.member(LAB, user_id)
    assert found is not None
    return found


async def test_what_there_is_not_is_unknown_and_what_one_may_not_see_is_refused(world: World) -> None:
    with pytest.raises(NotFound, match="Unknown Channel"):
        await world.channel_access(9, ADA)
    with pytest.raises(NotFound, match="Unknown Guild"):
        await world.guild_access(9, ADA)
    for channel, user in ((STAFF_ONLY, CARL), (GENERAL, DORA), (GENERAL, 9)):
        with pytest.raises(MissingAccess):
            await world.channel_access(channel, user)
    with pytest.raises(MissingAccess):
        await world.guild_access(LAB, DORA)
    with pytest.raises(MissingPermissions):
        await world.require(GENERAL, CARL, int(Permission.MANAGE_MESSAGES))
    with pytest.raises(MissingPermissions):
        await world.require_guild(LAB, CARL, int(Permission.BAN_MEMBERS))
    assert (await world.require_guild(LAB, ADA, int(Permission.BAN_MEMBERS))).member.user_id == ADA


async def test_a_role_given_opens_a_channel_and_taken_closes_it(world: World, store: Store) -> None:
    with pytest.raises(MissingAccess):
        await world.channel_access(STAFF_ONLY, CARL)
    user = await store.user(CARL)
    assert user is not None
    carl = msgspec.structs.replace(await member_of(store, CARL), roles=(STAFF_ROLE,))
    await store.commit(rows.member_update_ops(carl), [guild_events.member_update(carl, user)])
    assert (await world.channel_access(STAFF_ONLY, CARL)).channel.id == STAFF_ONLY
    await store.commit(rows.role_delete_ops(LAB, STAFF_ROLE), [guild_events.role_delete(await role(world))])
    with pytest.raises(MissingAccess):
        await world.channel_access(STAFF_ONLY, CARL)
    assert (await world.member(LAB, CARL)) == msgspec.structs.replace(carl, roles=())


async def role(world: World) -> Role:
    guild = await world.guild(LAB)
    assert guild is not None
    return guild.roles[STAFF_ROLE]


async def test_a_changed_role_counts_at_once(world: World, store: Store) -> None:
    guild = await world.guild(LAB)
    assert guild is not None
    mute = msgspec.structs.replace(guild.roles[LAB], permissions=int(Permission.VIEW_CHANNEL))
    await world.require(GENERAL, CARL, SEND)
    await store.commit(rows.role_ops(mute), [guild_events.role_update(mute)])
    with pytest.raises(MissingPermissions):
        await world.require(GENERAL, CARL, SEND)


async def test_channels_come_and_go(world: World, store: Store) -> None:
    assert await world.channel(3999) is None
    made = Channel(id=3999, guild_id=LAB, type=0, name="new")
    await store.commit(rows.channel_ops(made), [guild_events.channel_create(made)])
    assert (await world.channel_access(3999, CARL)).channel == made
    await store.commit(rows.channel_delete_ops(3999), [guild_events.channel_delete(made)])
    with pytest.raises(NotFound):
        await world.channel_access(3999, CARL)


async def test_members_come_and_go_and_are_counted(world: World, store: Store) -> None:
    guild = await world.guild(LAB)
    user = await store.user(DORA)
    assert guild is not None
    assert user is not None
    before = guild.member_count
    dora = Member(guild_id=LAB, user_id=DORA, joined_at=1)
    await store.commit(rows.member_ops(dora), [guild_events.member_add(dora, user)])
    assert (await world.guild_access(LAB, DORA)).guild.member_count == before + 1
    await store.commit(rows.member_delete_ops(LAB, DORA), [guild_events.member_remove(LAB, user)])
    with pytest.raises(MissingAccess):
        await world.guild_access(LAB, DORA)
    guild = await world.guild(LAB)
    assert guild is not None
    assert guild.member_count == before


async def test_a_deleted_guild_is_unknown_with_all_its_channels(world: World, store: Store) -> None:
    await world.channel_access(GENERAL, ADA)
    await store.commit(rows.guild_delete_ops(LAB, [GENERAL, STAFF_ONLY]), [guild_events.guild_delete(LAB)])
    with pytest.raises(NotFound, match="Unknown Channel"):
        await world.channel_access(GENERAL, ADA)
    with pytest.raises(NotFound, match="Unknown Guild"):
        await world.guild_access(LAB, ADA)


async def test_a_renamed_user_is_known_by_the_new_name(world: World, store: Store) -> None:
    user = await world.user(CARL)
    assert user is not None
    told: list[int] = []
    world.on_user_change.append(told.append)
    renamed = msgspec.structs.replace(user, username="karl")
    await store.commit(
        [Update("users", {"id": CARL}, {"username": "karl"})], [events.user_update(CARL, {"id": "1003"})]
    )
    assert await world.user(CARL) == renamed
    assert (await world.users([CARL, ADA, CARL, 9])).keys() == {CARL, ADA}
    assert told == [CARL]


async def test_a_change_while_the_guild_is_being_read_is_not_lost(world: World, store: Store) -> None:
    made = Channel(id=3999, guild_id=LAB, type=0, name="new")
    reading = asyncio.ensure_future(world.guild(LAB))
    await asyncio.sleep(0)
    await store.commit(rows.channel_ops(made), [guild_events.channel_create(made)])
    await reading
    guild = await world.guild(LAB)
    assert guild is not None
    assert 3999 in guild.channels


async def test_messages_move_the_last_message_forward_only(world: World, store: Store) -> None:
    guild = await world.guild(LAB)
    assert guild is not None
    channel = guild.channels[GENERAL]
    for message_id, expected in ((50, 50), (40, 50), (60, 60)):
        event = events.in_channel("MESSAGE_CREATE", channel, {"id": str(message_id)})
        await store.commit([], [event])
        found = await world.channel(GENERAL)
        assert found is not None
        assert found.last_message_id == expected


async def test_a_dm_is_for_its_recipients(world: World, store: Store) -> None:
    dm = Channel(id=3999, type=1, recipients=(ADA, CARL))
    await store.commit(rows.channel_ops(dm))
    access = await world.channel_access(3999, ADA)
    assert (access.guild, access.member) == (None, None)
    assert access.permissions & SEND
    assert await world.permissions_in(dm, DORA) == 0
    with pytest.raises(MissingAccess):
        await world.channel_access(3999, DORA)


async def test_threads_are_followed_by_their_events_bodies_alone(store: Store, world: World) -> None:
    """As another node's events come: without the channel that they are of."""
    thread = Thread(id=7001, guild_id=LAB, type=12, name="t", parent_id=GENERAL, owner_id=ADA)
    first = ThreadMember(thread_id=7001, user_id=ADA, guild_id=LAB, joined_at=1)
    await store.commit(rows.thread_ops(thread), [thread_events.thread_create(thread, [first])])
    await store.commit(rows.thread_member_ops(first))
    user = await world.user(CARL)
    assert user is not None

    async def seen_by(user_id: int) -> bool:
        try:
            await world.channel_access(7001, user_id)
        except MissingAccess:
            return False
        return True

    async def commit(ops: list[Op], event: Event) -> None:
        listeners, store.on_commit[:] = list(store.on_commit), []
        await store.commit(ops, [event])
        store.on_commit[:] = listeners
        world.on_commit([msgspec.structs.replace(event, channel_id=0)])

    assert (await seen_by(ADA), await seen_by(CARL)) == (True, False)
    place = ThreadMember(thread_id=7001, user_id=CARL, guild_id=LAB, joined_at=2)
    added = thread_events.members_update(thread, 2, [(place, await member_of(store, CARL), user)])
    await commit(rows.thread_member_ops(place), added)
    assert await seen_by(CARL)
    found = await world.channel(7001)
    assert isinstance(found, Thread)
    assert found.member_count == 2
    renamed = msgspec.structs.replace(thread, name="other")
    await commit(rows.thread_update_ops(thread, renamed), thread_events.thread_update(renamed, [first, place]))
    found = await world.channel(7001)
    assert found is not None
    assert found.name == "other"
    gone = Delete("thread_members", {"thread_id": 7001, "user_id": CARL})
    await commit([gone], thread_events.members_update(thread, 1, removed=[CARL]))
    assert not await seen_by(CARL)
    await commit(rows.threads_delete_ops([7001]), thread_events.thread_delete(thread, [first]))
    assert await world.channel(7001) is None
