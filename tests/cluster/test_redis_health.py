"""What a node and the doctor say of their Redis."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.api_client import ApiClient
from tests.support.full_disk import FullDisk
from tests.support.redis_server import RedisServer, running_redis
from tests.support.server import UNLIMITED, WORLD, start_server
from tocsin.cli.doctor import Finding, examine

PATIENCE_S = 30.0


def ready(http: str) -> int:
    try:
        with urllib.request.urlopen(f"{http}/readyz", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def wait_for(http: str, status: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while ready(http) != status:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_node_whose_redis_is_away_is_not_ready_until_it_is_back(tmp_path: Path, redis: RedisServer) -> None:
    server = start_server(tmp_path / "node", *UNLIMITED, f"--bus={redis.url}", "--bus-away-ms=200", world=WORLD)
    try:
        assert ready(server.http) == 200
        redis.kill()
        wait_for(server.http, 503)
        redis.start()
        wait_for(server.http, 200)
    finally:
        server.kill()


def test_a_redis_whose_disk_is_full_is_away_until_it_has_room_though_nothing_is_said_meanwhile(tmp_path: Path) -> None:
    disk = FullDisk()
    flags = ("--appendonly", "yes", "--appendfsync", "everysec")
    with running_redis(tmp_path / "redis", *flags, environment=disk.environment()) as redis:
        server = start_server(tmp_path / "node", *UNLIMITED, f"--bus={redis.url}", "--bus-away-ms=200", world=WORLD)
        try:
            api = ApiClient(server.api, "ada-token")
            disk.fill(redis.folder)
            # Whatever Redis had room for: in the end it takes no writes.
            until = time.monotonic() + PATIENCE_S
            while ready(server.http) == 200:
                # Typing is dropped where it cannot be said, and leaves nothing to say later.
                api.ok("POST", "/channels/3001/typing")
                assert time.monotonic() < until
            disk.free()
            wait_for(server.http, 200)
            log = (server.data / "server.log").read_text()
            assert "MISCONF" in log
            assert "No space left on device" in log
        finally:
            server.kill()


def findings(tmp_path: Path, url: str, **more: object) -> list[Finding]:
    found = examine(None, {"data": str(tmp_path), "http_port": 0, "gateway_port": 0, "bus": url, **more})
    return [each for each in found if each.name == "redis"]


def test_the_doctor_says_what_a_redis_is_and_how_fast(tmp_path: Path, redis: RedisServer) -> None:
    found = findings(tmp_path, redis.url)
    assert [each.verdict for each in found] == ["ok"] * 4
    text = " | ".join(each.what for each in found)
    for part in ("version ", "evicts nothing", "answers in ", "functions can be loaded"):
        assert part in text
    server = start_server(tmp_path / "node", f"--bus={redis.url}", world=WORLD)
    server.kill()
    assert "functions are loaded" in findings(tmp_path, redis.url)[-1].what


def test_the_doctor_finds_a_redis_that_evicts_or_is_not_there(tmp_path: Path) -> None:
    with running_redis(tmp_path / "evicts", "--maxmemory-policy", "allkeys-lru") as redis:
        wrong = [each for each in findings(tmp_path, redis.url) if each.verdict == "wrong"]
        assert ["allkeys-lru" in each.what for each in wrong] == [True]
        url = redis.url
    [gone] = findings(tmp_path, url)
    assert gone.verdict == "wrong"
    assert "--bus" in gone.mend
