"""A real server for the gateway's tests; each session of tests shares one, on its own data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import UNLIMITED, WORLD, Server, running_server
from tests.support.town import Town

WITH_CROWD = {
    **WORLD,
    "guilds": [*WORLD["guilds"], {"id": "2002", "name": "Crowd", "owner": "ada", "members": [{"user": "bell"}]}],
    "generate": [
        {"users": 2400, "username": "face-{n}", "token": "face-token-{n}", "first_id": "500001", "join": ["Crowd"]}
    ],
}
"""The world and a guild that is large."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server"), *UNLIMITED, world=WITH_CROWD) as running:
        yield running


@pytest.fixture
def town(server: Server) -> Iterator[Town]:
    made = Town(server)
    yield made
    made.close()
