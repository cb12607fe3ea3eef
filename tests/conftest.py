"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import UNLIMITED, Server, running_server


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Server]:
    """A `tocsin serve` of one's own, without rate limits, that must drain and exit 0 at the end."""
    with running_server(tmp_path / "data", *UNLIMITED) as server:
        yield server
