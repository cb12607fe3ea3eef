"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.server import UNLIMITED, Server, running_server

# The same examples in every run: a new one that fails belongs to the change that finds it, not to the next one.
settings.register_profile("tocsin", derandomize=True)
settings.load_profile("tocsin")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Server]:
    """A `tocsin serve` of one's own, without rate limits, that must drain and exit 0 at the end."""
    with running_server(tmp_path / "data", *UNLIMITED) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for all tests that only need databases in it."""
    with running_postgres() as server:
        yield server
