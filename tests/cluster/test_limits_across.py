"""Limits of session starts and of requests count over all nodes and API workers, and each one's own without Redis."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient, op
from tests.support.redis_server import RedisServer
from tests.support.server import UNLIMITED, WORLD, Server, running_pair, start_server
from tocsin.bus.windows import RedisWindows
from tocsin.model.windows import Answer, Report

PATIENCE_S = 30.0
WINDOW_MS = 600_000


@pytest.fixture
def limited(tmp_path: Path, redis: RedisServer) -> Iterator[tuple[Server, Server]]:
    """A day of five starts, of which two may be at a time."""
    limits = ("--session-start-limit=5", "--identify-max-concurrency=2", "--identify-window-ms=600000")
    shared = (*UNLIMITED, *limits, f"--database=sqlite:///{tmp_path / 'shared.db'}", f"--bus={redis.url}")
    with running_pair(tmp_path, *shared) as pair:
        yield pair


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


# -- requests


class Told(NamedTuple):
    """What the answer to a POST says of its bucket."""

    status: int
    remaining: int
    reset_ms: int


@pytest.fixture
def counting(tmp_path: Path, redis: RedisServer) -> Iterator[tuple[Server, Server]]:
    """Six messages in ten minutes."""
    limits = ("--message-rate-limit=6", f"--message-rate-window-ms={WINDOW_MS}", "--global-rate-limit=100000")
    shared = (*limits, f"--database=sqlite:///{tmp_path / 'shared.db'}", f"--bus={redis.url}")
    with running_pair(tmp_path, *shared) as pair:
        yield pair


def post(server: Server, token: str = "ada-token", channel: str = "3001") -> Told:
    """Send a message over a connection of its own."""
    link = http.client.HTTPConnection(urlsplit(server.http).netloc, timeout=20)
    try:
        headers = {"Authorization": token, "Content-Type": "application/json"}
        link.request("POST", f"/api/v10/channels/{channel}/messages", json.dumps({"content": "x"}), headers)
        answer = link.getresponse()
        body = json.loads(answer.read())
        remaining, reset = answer.headers["x-ratelimit-remaining"], answer.headers["x-ratelimit-reset"]
        if answer.status == 429:
            assert body["retry_after"] == float(answer.headers["x-ratelimit-reset-after"])
        return Told(answer.status, int(remaining), round(float(reset) * 1000))
    finally:
        link.close()


def figure(server: Server, name: str) -> int:
    link = http.client.HTTPConnection(urlsplit(server.http).netloc, timeout=20)
    try:
        link.request("GET", "/metrics")
        found = re.search(rf"^{name} (\d+)$", link.getresponse().read().decode(), re.MULTILINE)
        assert found is not None
        return int(found[1])
    finally:
        link.close()


def settle(*servers: Server) -> None:
    """Wait until everything that was counted is told, and what was answered is taken over."""
    until = time.monotonic() + PATIENCE_S
    while any(figure(server, "tocsin_rate_limit_windows_due") for server in servers):
        assert time.monotonic() < until
        time.sleep(0.005)


def test_requests_at_both_nodes_are_counted_together_and_their_window_ends_at_once(
    counting: tuple[Server, Server],
) -> None:
    first, second = counting
    assert [post(first).remaining for _ in range(3)] == [5, 4, 3]
    settle(first)
    # The first request at a node is answered before it has heard of others.
    assert post(second)[:2] == (200, 5)
    settle(second)
    assert post(second)[:2] == (200, 1)
    settle(second)
    last = post(second)
    assert last[:2] == (200, 0)
    refused = post(second)
    assert refused[:2] == (429, 0)
    # One more that the first node lets in before it hears of the other's three: all that it may.
    settle(second)
    over = post(first)
    assert over[:2] == (200, 2)
    settle(first)
    late = post(first)
    assert late[:2] == (429, 0)
    assert abs(late.reset_ms - refused.reset_ms) < 1000
    # Others, and other channels, have windows of their own.
    assert post(first, "dora-token")[:2] == (200, 5)
    assert post(second, channel="3002")[:2] == (200, 5)


def test_a_nodes_window_ends_when_redis_says(counting: tuple[Server, Server], redis: RedisServer) -> None:
    first, second = counting
    post(first)
    settle(first)
    [key] = re.findall(rb"\{tocsin:windows\}:[0-9a-f]{16}:1001:3001", redis.call("KEYS", "*"))
    ends_ms = round(time.time() * 1000) + 2 * WINDOW_MS
    assert redis.call("PEXPIREAT", key.decode(), str(ends_ms)) == b":1\r\n"
    for server in (first, second):
        post(server)
        settle(server)
        assert abs(post(server).reset_ms - ends_ms) < 1000


def test_each_node_counts_requests_by_itself_while_redis_is_away(
    counting: tuple[Server, Server], redis: RedisServer
) -> None:
    first, second = counting
    assert post(first)[:2] == post(second)[:2] == (200, 5)
    settle(first, second)
    redis.kill()
    for server in counting:
        assert [post(server).status for _ in range(7)].count(200) >= 4
        until = time.monotonic() + PATIENCE_S
        while not figure(server, "tocsin_rate_limit_alone"):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert figure(server, "tocsin_rate_limit_failures_total") >= 1
    redis.start()
    settle(first, second)
    for server in counting:
        # One may be let in before the other node's count is known again.
        assert 429 in (post(server).status, post(server).status)
        assert figure(server, "tocsin_rate_limit_alone") == 0


def test_api_workers_count_together(tmp_path: Path, redis: RedisServer) -> None:
    limits = ("--message-rate-limit=40", f"--message-rate-window-ms={WINDOW_MS}", "--global-rate-limit=100000")
    flags = (f"--database=sqlite:///{tmp_path / 'shared.db'}", f"--bus={redis.url}", "--node-number=10")
    api = start_server(
        tmp_path / "api", *limits, *flags, "--public-gateway-url=ws://gateway.example:443", world=WORLD, verb="api"
    )
    try:
        let_in, asked = 0, 0
        while (answer := post(api)).status == 200 or asked < 200:
            asked += 1
            let_in += answer.status == 200
            assert asked < 2000
        # Each worker may have let in what came to it before it heard that the other had let in the last; one request
        # comes after another here, so that is hardly any. Each by itself would have let in 40.
        assert 40 <= let_in < 60
    finally:
        api.kill()


def test_who_spoke_in_a_slow_channel_at_one_node_has_to_wait_at_the_other(counting: tuple[Server, Server]) -> None:
    ApiClient(counting[0].api, "ada-token").ok("PATCH", "/channels/3001", {"rate_limit_per_user": 600})
    here, there = (ApiClient(each.api, "dora-token") for each in counting)
    here.ok("POST", "/channels/3001/messages", {"content": "once"})
    status, body = there.call("POST", "/channels/3001/messages", {"content": "twice"})
    assert (status, body["code"]) == (429, 20016)
    assert 0 < body["retry_after"] <= 600
    # Whoever may pass over it does, at both.
    for server in counting:
        ApiClient(server.api, "ada-token").ok("POST", "/channels/3001/messages", {"content": "again"})


# -- what Redis does with what it is told


def report(own: int, *, age_ms: int = 0, agreed_ms: int = 0, key: str = "w:1:2") -> Report:
    return Report(key, own, WINDOW_MS, age_ms, agreed_ms)


async def one(windows: RedisWindows, told: Report) -> Answer:
    answers = await windows.tell([told])
    assert answers is not None
    [answer] = answers
    return answer


async def test_redis_adds_up_what_processes_tell_however_often_they_do(redis: RedisServer) -> None:
    here, there = RedisWindows(redis.url, "p"), RedisWindows(redis.url, "p")
    try:
        first = await one(here, report(3, age_ms=1000))
        assert first.total == 3
        assert WINDOW_MS - PATIENCE_S * 1000 < first.left_ms <= WINDOW_MS - 1000
        for _ in range(2):
            joined = await one(there, report(2))
            assert (joined.total, joined.agreed_ms) == (5, first.agreed_ms)
        assert (await one(here, report(4, agreed_ms=first.agreed_ms))).total == 6
        # Of an earlier window, or of one that is over: not counted.
        later = await one(here, report(9, agreed_ms=first.agreed_ms - 5000))
        assert (later.total, later.agreed_ms) == (6, first.agreed_ms)
        assert await one(here, report(9, agreed_ms=1000, key="w:1:3")) == Answer(0, 0, 0)
        assert await one(here, report(9, age_ms=WINDOW_MS, key="w:1:3")) == Answer(0, 0, 0)
        both = await here.tell([report(1, key="w:1:4"), report(2, key="w:1:5")])
        assert both is not None
        assert [each.total for each in both] == [1, 2]
        # It forgot everything: the window goes on until its end.
        redis.call("FLUSHALL")
        again = await one(there, report(2, agreed_ms=first.agreed_ms))
        assert (again.total, again.agreed_ms) == (2, first.agreed_ms)
        assert (await one(here, report(4, agreed_ms=first.agreed_ms))).total == 6
        redis.kill()
        assert await here.tell([report(4)]) is None
    finally:
        await here.stop()
        await there.stop()
