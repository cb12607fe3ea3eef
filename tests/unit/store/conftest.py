"""The stores under test. A second database joins here, and every test that takes `store` runs on it too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.api_world import Clock
from tests.support.postgres_server import database_of
from tocsin.config import Settings
from tocsin.store import Store, open_store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of the test's own."""
    with database_of(request, request.param, f"sqlite:///{tmp_path}/data/tocsin.db") as url:
        yield url


@pytest.fixture
def make_store(database: str, clock: Clock) -> Callable[[], Store]:
    """Makes stores over one and the same database, not yet opened."""
    return lambda: open_store(Settings(database=database), clock)


@pytest.fixture
async def store(make_store: Callable[[], Store]) -> AsyncIterator[Store]:
    found = make_store()
    await found.open()
    yield found
    await found.close()
