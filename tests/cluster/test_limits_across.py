"""Limits of session starts count over both nodes, and each node's own while Redis is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient, op
from tests.support.redis_server import RedisServer
from tests.support.server import UNLIMITED, WORLD, Server, start_server


@pytest.fixture
def limited(tmp_path: Path, redis: RedisServer) -> Iterator[tuple[Server, Server]]:
    """A day of five starts, of which two may be at a time."""
    servers: list[Server] = []
    limits = ("--session-start-limit=5", "--identify-max-concurrency=2", "--identify-window-ms=600000")
    shared = (*UNLIMITED, *limits, f"--database=sqlite:///{tmp_path / 'shared.db'}", f"--bus={redis.url}")
    try:
        for number in (1, 2):
            flags = (*shared, f"--node-id=n{number}", f"--node-number={number}")
            servers.append(start_server(tmp_path / f"node-{number}", *flags, world=WORLD if number == 1 else None))
        yield servers[0], servers[1]
    finally:
        for server in servers:
            server.kill()


def starts(server: Server) -> bool:
    """Identify as bell; return whether it is let in rather than told op 9."""
    with RawClient(server.gateway) as client:
        client.open()
        properties = {"os": "linux", "browser": "tests", "device": "tests"}
        client.send(op(2, {"token": "bell-token", "intents": 1, "properties": properties}))
        payload = client.read_payload()
        assert payload["op"] in (0, 9)
        return bool(payload["op"] == 0)


def remaining(server: Server) -> int:
    left: int = ApiClient(server.api, "Bot bell-token").ok("GET", "/gateway/bot")["session_start_limit"]["remaining"]
    return left


def test_starts_at_both_nodes_are_counted_together(limited: tuple[Server, Server]) -> None:
    first, second = limited
    assert remaining(first) == remaining(second) == 5
    assert starts(first)
    assert starts(second)
    assert not starts(first)
    assert not starts(second)
    assert remaining(first) == remaining(second) == 3


def test_while_redis_is_away_each_node_counts_by_itself(limited: tuple[Server, Server], redis: RedisServer) -> None:
    first, second = limited
    assert starts(first)
    redis.kill()
    # The count of what was let in here goes on.
    assert remaining(first) == 4
    assert remaining(second) == 5
    redis.start()
