"""Fixtures that all tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.server import UNLIMITED, Server, running_server

# The same examples in every run: a new one that fails belongs to the change that finds it, not to the next one.
settings.register_profile("tocsin", derandomize=True)
settings.load_profile("tocsin")


@pytest.fixture(autouse=True)
def _logs_end_with_the_test() -> Iterator[None]:
    """A command that ran in the test's process wrote its logs to a stream that ends with the test."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        root = logging.getLogger()
        ours = structlog.stdlib.ProcessorFormatter
        root.handlers[:] = [each for each in root.handlers if not isinstance(each.formatter, ours)]


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
