"""Fixtures of the API tests: the app over a real SQLite store (`tests/support/api_world.py` has the world)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.api_world import Api, Clock, MakeApi, RecordingBus, world_ops
from tests.support.postgres_server import database_of
from tocsin.config import Settings
from tocsin.gateway.patterns import compile_patterns
from tocsin.model.snowflake import SnowflakeFactory
from tocsin.service.context import Context
from tocsin.service.services import build_services
from tocsin.service.world import World
from tocsin.store import open_store
from tocsin.store.base import Store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of the test's own: SQLite, or with TOCSIN_TEST_DATABASE=postgresql that."""
    with database_of(request, os.environ.get("TOCSIN_TEST_DATABASE", ""), f"sqlite:///{tmp_path}/tocsin.db") as url:
        yield url


@pytest.fixture
async def store(database: str, clock: Clock) -> AsyncIterator[Store]:
    found = open_store(Settings(database=database), clock)
    await found.open()
    await found.commit(world_ops(clock()))
    yield found
    await found.close()


@pytest.fixture
async def make_api(store: Store, clock: Clock) -> AsyncIterator[MakeApi]:
    """Build the API over the small world with settings of one's own."""
    made: list[Api] = []

    async def make(settings: Settings) -> Api:
        world = World(store, clock)
        bus = RecordingBus()
        store.on_commit[:] = [world.on_commit, bus.publish]
        snowflakes = SnowflakeFactory(0, clock, floor=await store.highest_snowflake())
        services = build_services(Context(settings, store, bus, world, snowflakes, clock, patterns=compile_patterns))
        made.append(Api(services, bus, clock))
        return made[-1]

    yield make
    for api in made:
        await api.client.aclose()


@pytest.fixture
async def api(make_api: MakeApi, tmp_path: Path) -> Api:
    """The API with rate limits off."""
    return await make_api(Settings(global_rate_limit=0, message_rate_limit=0, data=str(tmp_path)))
