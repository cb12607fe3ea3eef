"""The stores under test. A second database joins here, and every test that takes `store` runs on it too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.api_world import Clock
from tocsin.config import Settings
from tocsin.store import Store, open_store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[], Store]:
    """Makes stores over one and the same database, not yet opened."""
    urls = {"sqlite": f"sqlite:///{tmp_path}/data/tocsin.db"}
    return lambda: open_store(Settings(database=urls[request.param]), clock)


@pytest.fixture
async def store(make_store: Callable[[], Store]) -> AsyncIterator[Store]:
    found = make_store()
    await found.open()
    yield found
    await found.close()
