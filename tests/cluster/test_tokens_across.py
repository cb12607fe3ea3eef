"""A token revoked at one node is good at none: sessions of all end with the same code, and no API takes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cluster.test_two_nodes import session
from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient
from tests.support.redis_server import RedisServer
from tests.support.server import Server


def close_code(client: RawClient) -> int:
    """Read past what was under way."""
    while True:
        opcode, payload = client.read_frame()
        if opcode == 8:
            return int.from_bytes(payload[:2], "big")


def test_logging_out_at_one_node_ends_the_tokens_sessions_at_both(nodes: tuple[Server, Server]) -> None:
    here, there = (ApiClient(each.api, "dora-token") for each in nodes)
    # Both keep who the token is.
    assert here.ok("GET", "/users/@me") == there.ok("GET", "/users/@me")
    with (
        session(nodes[0], "dora-token") as first,
        session(nodes[1], "dora-token") as second,
        session(nodes[1], "ada-token") as other,
    ):
        here.ok("POST", "/auth/logout")
        assert close_code(first) == close_code(second) == 4004
        assert there.call("GET", "/users/@me")[0] == 401
        ApiClient(nodes[1].api, "ada-token").ok("POST", "/channels/3001/messages", {"content": "still here"})
        other.read_until(0, "MESSAGE_CREATE")


def test_a_token_revoked_while_redis_is_away_ends_its_sessions_when_it_is_back(
    nodes: tuple[Server, Server], redis: RedisServer
) -> None:
    with session(nodes[1], "dora-token") as there:
        redis.kill()
        ApiClient(nodes[0].api, "dora-token").ok("POST", "/auth/logout")
        redis.start()
        assert close_code(there) == 4004


def test_a_token_revoked_by_a_node_that_dies_untold_ends_its_sessions_too(
    nodes: tuple[Server, Server], redis: RedisServer
) -> None:
    with session(nodes[1], "dora-token") as there:
        redis.kill()
        ApiClient(nodes[0].api, "dora-token").ok("POST", "/auth/logout")
        nodes[0].kill()
        redis.start()
        assert close_code(there) == 4004


def revoke(token: str, data: Path, database: str, bus: str) -> subprocess.CompletedProcess[str]:
    flags = (f"--data={data}", f"--database={database}", f"--bus={bus}")
    command = [sys.executable, "-m", "tocsin", "token", "revoke", token, *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def test_the_command_revokes_at_all_nodes_over_redis_where_none_runs(
    nodes: tuple[Server, Server], redis: RedisServer, database: str, tmp_path: Path
) -> None:
    there = [ApiClient(each.api, "dora-token") for each in nodes]
    assert there[0].ok("GET", "/users/@me") == there[1].ok("GET", "/users/@me")
    with session(nodes[0], "dora-token") as first, session(nodes[1], "dora-token") as second:
        done = revoke("dora-token", tmp_path / "elsewhere", database, redis.url)
        assert (done.returncode, done.stdout) == (0, "revoked\n"), done.stderr
        assert close_code(first) == close_code(second) == 4004
        assert [each.call("GET", "/users/@me")[0] for each in there] == [401, 401]
    again = revoke("dora-token", tmp_path / "elsewhere", database, redis.url)
    assert again.returncode == 1
    assert "no such token" in again.stderr


def test_the_command_says_that_nodes_were_not_told_and_they_find_out_when_redis_is_back(
    nodes: tuple[Server, Server], redis: RedisServer, database: str, tmp_path: Path
) -> None:
    with session(nodes[1], "dora-token") as there:
        redis.kill()
        done = revoke("dora-token", tmp_path / "elsewhere", database, redis.url)
        assert done.returncode == 1
        assert "the nodes were not told" in done.stderr
        redis.start()
        assert close_code(there) == 4004
