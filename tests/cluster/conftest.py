"""Two nodes, each a real process, over one Redis and one database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres_server import database_of
from tests.support.redis_server import RedisServer, running_redis
from tests.support.server import UNLIMITED, Server, running_pair


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """What the nodes share: SQLite, or what a test's parameter asks for."""
    with database_of(request, getattr(request, "param", "sqlite"), f"sqlite:///{tmp_path / 'shared.db'}") as url:
        yield url


@pytest.fixture
def nodes(tmp_path: Path, redis: RedisServer, database: str) -> Iterator[tuple[Server, Server]]:
    """The first one has seeded the world."""
    with running_pair(tmp_path, *UNLIMITED, f"--database={database}", f"--bus={redis.url}") as pair:
        yield pair
