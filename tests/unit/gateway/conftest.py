"""Fixtures: the small world of `tests/support/api_world.py` under the control side of a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_world import Clock, world_ops
from tests.support.gateway_rig import Rig
from tocsin.config import Settings
from tocsin.store import open_store


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = Clock()
    settings = Settings(database=f"sqlite:///{tmp_path}/tocsin.db", presence_coalesce_ms=0)
    store = open_store(settings, clock)
    await store.open()
    await store.commit(world_ops(clock()))
    rig = Rig(store, clock, settings)
    yield rig
    await rig.stop()
    await store.close()
