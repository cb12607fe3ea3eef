"""Seeding makes what a world file says, twice as well as once, and tells the listeners."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_world_file import DESIGN, change
from tocsin.config import Settings
from tocsin.errors import WorldFileError
from tocsin.model.event import Event
from tocsin.model.intents import PRIVILEGED
from tocsin.model.permissions import DEFAULT
from tocsin.model.snowflake import SnowflakeFactory
from tocsin.service.auth import digest_of
from tocsin.service.world_file import parse_world_file
from tocsin.service.world_seed import SeedReport, seed_world
from tocsin.store import open_store
from tocsin.store.base import Store


def now() -> int:
    return 1_795_000_000_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    found = open_store(Settings(database=f"sqlite:///{tmp_path}/tocsin.db"), now)
    await found.open()
    yield found
    await found.close()


@pytest.fixture
def heard(store: Store) -> list[Event]:
    events: list[Event] = []
    store.on_commit.append(events.extend)
    return events


async def seed(store: Store, world: dict[str, Any], **options: Any) -> SeedReport:
    snowflakes = SnowflakeFactory(0, now, floor=await store.highest_snowflake())
    parsed = parse_world_file(json.dumps(world).encode())
    return await seed_world(parsed, store=store, snowflakes=snowflakes, clock=now, **options)


async def test_the_example_of_the_design_is_seeded(store: Store, heard: list[Event]) -> None:
    report = await seed(store, DESIGN)
    assert (report.users_made, report.guilds_made, report.members_made) == (5, 1, 5)
    assert (report.users, report.guilds) == ({"ada": "1001", "bell": "1002"}, {"Lab": "2001"})
    guild = await store.guild(2001, with_members=True)
    assert guild is not None
    assert (guild.guild.owner_id, guild.member_count) == (1001, 5)
    assert {member.user_id: member.roles for member in guild.members} == {
        1001: (),
        1002: (2101,),
        500001: (),
        500002: (),
        500003: (),
    }
    roles = {role.id: role for role in guild.roles}
    assert (roles[2001].name, roles[2001].permissions) == ("@everyone", DEFAULT)
    assert (roles[2101].name, roles[2101].permissions, roles[2101].position) == ("staff", 8192, 1)
    channels = {channel.id: channel for channel in guild.channels}
    assert [(o.id, o.type, o.allow, o.deny) for o in sorted(channels[3002].overwrites, key=lambda o: o.id)] == [
        (2001, 0, 0, 1024),
        (2101, 0, 1024, 0),
    ]
    application = await store.application_of_bot(1002)
    assert application is not None
    assert (application.intents, application.owner_id) == (int(PRIVILEGED), 1001)
    ada = await store.user_by_token(digest_of("ada-token"))
    assert ada is not None
    assert ada.id == 1001
    assert [event.name for event in heard] == ["GUILD_CREATE"] + ["GUILD_MEMBER_ADD"] * 4
    assert all(event.state and event.seq for event in heard)


async def test_seeding_again_changes_nothing_and_says_nothing(store: Store, heard: list[Event]) -> None:
    for world in (DESIGN, change("generate.0.first_id", None), change("guilds.0.id", None)):
        await seed(store, world)
        heard.clear()
        assert (await seed(store, world)).changed == 0
        report = await seed(store, world)
        assert (report.users_made, report.guilds_made, report.members_made, report.changed) == (0, 0, 0, 0)
        assert heard == []


async def test_what_differs_from_the_file_is_changed_with_an_event_each(store: Store, heard: list[Event]) -> None:
    await seed(store, DESIGN)
    heard.clear()
    world = change("guilds.0.roles.0.permissions", "8")
    world["guilds"][0]["roles"].append({"name": "guest"})
    world["guilds"][0]["channels"].append({"name": "Talk", "type": 4})
    world["guilds"][0]["channels"][0].update(topic="hello", parent="Talk")
    world["guilds"][0]["channels"][1]["overwrites"].append({"member": "load-1", "allow": 1024})
    world["guilds"][0]["members"] = [{"user": "bell", "roles": ["guest"]}, {"user": "ada", "roles": ["staff"]}]
    world["users"][1]["intents"] = ["MESSAGE_CONTENT"]
    world["users"].append({"username": "carl"})
    world["guilds"][0]["members"].append({"user": "carl", "nick": "Carlo"})
    report = await seed(store, world)
    assert sorted(event.name for event in heard) == [
        "CHANNEL_CREATE",
        "CHANNEL_UPDATE",
        "CHANNEL_UPDATE",
        "GUILD_MEMBER_ADD",
        "GUILD_MEMBER_UPDATE",
        "GUILD_MEMBER_UPDATE",
        "GUILD_ROLE_CREATE",
        "GUILD_ROLE_UPDATE",
    ]
    assert (report.users_made, report.members_made, report.changed) == (1, 1, 8)
    general = await store.channel(3001)
    assert general is not None
    assert general.topic == "hello"
    assert general.parent_id is not None
    bell, application = await store.member(2001, 1002), await store.application_of_bot(1002)
    assert bell is not None
    assert application is not None
    assert application.intents == 1 << 15
    guild = await store.guild(2001, with_members=False)
    assert guild is not None
    assert bell.roles == tuple(role.id for role in guild.roles if role.name == "guest")


async def test_a_file_that_contradicts_the_store_is_refused(store: Store) -> None:
    await seed(store, DESIGN)
    for world, message in [
        (change("users.0.id", "999"), r"users\[0\]\.id: 'ada' is user 1001 in the store, not 999"),
        (change("users.0.bot", True), r"users\[0\]\.bot: 'ada' is a person in the store"),
        ({"users": [{"username": "eve", "token": "ada-token"}]}, r"users\[0\]\.token: it is the token of 'ada'"),
        ({"users": [{"username": "eve", "id": 1001}]}, r"users\[0\]\.id: user 1001 is 'ada' in the store"),
        (change("guilds.0.owner", "bell"), r"guilds\[0\]\.owner: guild 2001 has another owner"),
        (change("guilds.0.channels.0.type", 2), r"guilds\[0\]\.channels\[0\]\.type: channel 3001 has type 0"),
    ]:
        with pytest.raises(WorldFileError, match=message):
            await seed(store, world)


async def test_a_crowd_of_five_thousand_takes_seconds_and_reports_its_progress(store: Store) -> None:
    steps: list[tuple[int, int]] = []
    began = time.monotonic()
    report = await seed(store, change("generate.0.users", 5000), on_progress=lambda *step: steps.append(step))
    assert time.monotonic() - began < 30
    assert report.members_made == 5002
    assert steps[-1] == (10004, 10004)
    assert steps == sorted(steps)
    guild = await store.guild(2001, with_members=False)
    assert guild is not None
    assert guild.member_count == 5002
