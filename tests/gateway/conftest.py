"""A real server for the gateway's tests; each session of tests shares one, on its own data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import UNLIMITED, Server, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server"), *UNLIMITED) as running:
        yield running
