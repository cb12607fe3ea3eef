"""The halves of a node, each a real process: API workers post, a gateway delivers."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient
from tests.support.redis_server import RedisServer
from tests.support.server import UNLIMITED, WORLD, Server, start_server

GENERAL = "3001"
PUBLIC = "ws://gateway.example:443"
PATIENCE_S = 30.0


class Halves(NamedTuple):
    api: Server
    gateway: Server


@pytest.fixture
def halves(tmp_path: Path, redis: RedisServer) -> Iterator[Halves]:
    """Two API workers, told of a balancer in front of the gateways, and one gateway."""
    shared = (*UNLIMITED, f"--database=sqlite:///{tmp_path / 'shared.db'}", f"--bus={redis.url}")
    servers: list[Server] = []
    try:
        api = (*shared, "--node-id=api", "--node-number=10", f"--public-gateway-url={PUBLIC}")
        servers.append(start_server(tmp_path / "api", *api, world=WORLD, verb="api"))
        gateway = (*shared, "--node-id=g1", "--node-number=1")
        servers.append(start_server(tmp_path / "gateway", *gateway, world=None, verb="gateway"))
        yield Halves(*servers)
    finally:
        for server in servers:
            server.kill()


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def post(api: str, content: str) -> str:
    """Send a message over a connection of its own, so that any worker may take it, and return its id."""
    made: str = ApiClient(api, "ada-token").ok("POST", f"/channels/{GENERAL}/messages", {"content": content})["id"]
    return made


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_workers_post_and_a_gateway_delivers_in_one_order(halves: Halves) -> None:
    with RawClient(halves.gateway.gateway) as client:
        client.open()
        client.identify("dora-token", intents=1 | 1 << 9 | 1 << 15)
        client.read_until(0, "GUILD_CREATE")
        said: list[str] = []
        numbers: set[int] = set()
        # Whichever worker the kernel gives a connection to; both take some before long.
        while len(said) < 20 or len(numbers) < 2:
            said.append(str(len(said)))
            numbers.add((int(post(halves.api.api, said[-1])) >> 12) & 0x3FF)
            assert len(said) < 2000
        assert numbers == {10, 11}
        assert [client.read_until(0, "MESSAGE_CREATE")["d"]["content"] for _ in said] == said


def test_a_permission_taken_at_a_worker_is_gone_at_the_other_and_at_the_gateway(halves: Halves) -> None:
    with RawClient(halves.gateway.gateway) as client:
        client.open()
        client.identify("dora-token", intents=1 | 1 << 9 | 1 << 15)
        client.read_until(0, "GUILD_CREATE")
        post(halves.api.api, "before")
        assert client.read_until(0, "MESSAGE_CREATE")["d"]["content"] == "before"
        owner = ApiClient(halves.api.api, "ada-token")
        owner.ok("PUT", f"/channels/{GENERAL}/permissions/1004", {"type": 1, "deny": "1024", "allow": "0"})
        for _ in range(10):
            post(halves.api.api, "secret")
        assert client.read_until(0)["t"] == "CHANNEL_DELETE"
        for _ in range(10):
            status = ApiClient(halves.api.api, "dora-token").call("GET", f"/channels/{GENERAL}/messages")[0]
            assert status == 403
        owner.ok("DELETE", f"/channels/{GENERAL}/permissions/1004")
        assert client.read_until(0)["t"] == "CHANNEL_CREATE"
        post(halves.api.api, "after")
        assert client.read_until(0, "MESSAGE_CREATE")["d"]["content"] == "after"


def test_a_worker_names_the_public_gateway_and_a_gateway_has_no_message_api(halves: Halves) -> None:
    assert json.loads(get(f"{halves.api.api}/gateway")[1]) == {"url": PUBLIC}
    assert halves.api.gateway == PUBLIC
    assert json.loads(get(f"{halves.gateway.api}/gateway")[1]) == {"url": halves.gateway.gateway}
    for path in ("/healthz", "/readyz", "/metrics", "/schema"):
        assert get(halves.api.http + path)[0] == 200, path
        assert get(halves.gateway.http + path)[0] == 200, path
    at_gateway = ApiClient(halves.gateway.api, "ada-token")
    assert at_gateway.call("GET", f"/channels/{GENERAL}")[0] == 404
    assert at_gateway.call("POST", f"/channels/{GENERAL}/messages", {"content": "no"})[0] == 404
    assert at_gateway.ok("GET", "/gateway")["url"] == halves.gateway.gateway


def test_no_worker_takes_sessions(halves: Halves) -> None:
    ours = children(halves.api.process.pid)
    assert len(ours) == 2
    port = int(halves.api.http.rsplit(":", 1)[1])
    for pid in ours:
        assert listening(pid) == {port}


def listening(pid: int) -> set[int]:
    """Return the TCP ports a process listens on."""
    inodes = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(each))
        if found:
            inodes.add(found[1])
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and parts[9] in inodes:
                ports.add(int(parts[1].rsplit(":", 1)[1], 16))
    return ports


def test_a_worker_that_dies_is_started_again(halves: Halves) -> None:
    before = set(children(halves.api.process.pid))
    os.kill(min(before), signal.SIGKILL)
    until = time.monotonic() + PATIENCE_S
    ids: set[int] = set()
    while len(ids) < 2:
        assert time.monotonic() < until
        try:
            ids.add((int(post(halves.api.api, "still here")) >> 12) & 0x3FF)
        except OSError:
            continue  # what the dead one had accepted
    after = set(children(halves.api.process.pid))
    assert len(after) == 2
    assert len(after & before) == 1


def test_both_halves_end_with_0_and_take_their_files_along(halves: Halves) -> None:
    ours = children(halves.api.process.pid)
    assert halves.gateway.stop() == 0
    assert halves.api.stop() == 0
    for server in halves:
        assert not (server.data / "node.json").exists()
        assert not (server.data / "ready.json").exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in ours)


def test_workers_end_when_nobody_looks_after_them_any_more(halves: Halves) -> None:
    ours = children(halves.api.process.pid)
    halves.api.kill()
    until = time.monotonic() + PATIENCE_S
    while any(alive(pid) for pid in ours):
        assert time.monotonic() < until
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_only_what_has_sessions_writes_of_them(halves: Halves, redis: RedisServer) -> None:
    with RawClient(halves.gateway.gateway) as bell:
        bell.open()
        bell.identify("bell-token", intents=1 | 1 << 9)
        post(halves.api.api, "heard")
        bell.read_until(0, "MESSAGE_CREATE")
        tags = {key.split(b":")[-2] for key in redis.call("KEYS", "*:journal:*").split() if b":journal:" in key}
    assert len(tags) == 1
