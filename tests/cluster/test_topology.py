"""The cluster of compose.yaml as plain processes: two gateways, two API workers, Redis, and a balancer."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient
from tests.support.redis_server import RedisServer
from tests.support.server import UNLIMITED, WORLD, Server, start_server

CONFIG = Path(__file__).parents[2] / "docs/examples/cluster/haproxy.cfg"
GENERAL = "3001"
PATIENCE_S = 30.0


@pytest.fixture
def cluster(tmp_path: Path, redis: RedisServer) -> Iterator[dict[str, Server]]:
    shared = (*UNLIMITED, f"--database=sqlite:///{tmp_path / 'shared.db'}", f"--bus={redis.url}")
    public = "--public-gateway-url=ws://127.0.0.1:1"
    servers: dict[str, Server] = {}
    try:
        for name, number in (("api-1", 11), ("api-2", 12), ("gateway-1", 1), ("gateway-2", 2)):
            flags = (*shared, f"--content={tmp_path / 'content'}", f"--node-id={name}", f"--node-number={number}")
            verb = name.split("-")[0]
            more = (public, "--workers=1") if verb == "api" else ("--workers=1",)
            world = None if servers else WORLD
            servers[name] = start_server(tmp_path / name, *flags, *more, world=world, verb=verb)
        yield servers
    finally:
        for server in servers.values():
            server.kill()


def place(url: str) -> str:
    return url.split("//")[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def balancer(cluster: dict[str, Server], folder: Path) -> Iterator[tuple[str, str]]:
    """Run haproxy with its configuration, addresses aside; give the URLs of the API and of the gateway."""
    text = CONFIG.read_text()
    for name, server in cluster.items():
        if name.startswith("api"):
            text = text.replace(f"{name}:8080", place(server.http))
        else:
            port = server.http.rsplit(":", 1)[1]
            text = text.replace(f"{name}:8081 check port 8080", f"{place(server.gateway)} check port {port}")
    ports = {8080: free_port(), 8081: free_port()}
    text = re.sub(r"bind :(\d+)", lambda found: f"bind 127.0.0.1:{ports[int(found[1])]}", text)
    text = re.sub(r"maxconn \d+", "maxconn 200", text)
    config = folder / "haproxy.cfg"
    config.write_text(text)
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(["haproxy", "-db", "-f", config], stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_S
        for number in ports.values():
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", number), 1):
                    break
                assert process.poll() is None, (folder / "haproxy.log").read_text()
                assert time.monotonic() < until
        yield f"http://127.0.0.1:{ports[8080]}/api/v10", f"ws://127.0.0.1:{ports[8081]}"
    finally:
        process.kill()
        process.wait()


def identified(url: str) -> tuple[RawClient, str]:
    """Return a client of dora's and where its gateway says that it is."""
    client = RawClient(url)
    client.open()
    at: str = client.identify("dora-token", intents=1 | 1 << 9 | 1 << 15)["resume_gateway_url"]
    client.read_until(0, "GUILD_CREATE")
    return client, at


def say(api: str, content: str) -> None:
    ApiClient(api, "ada-token").ok("POST", f"/channels/{GENERAL}/messages", {"content": content})


def test_what_either_api_takes_both_gateways_tell(cluster: dict[str, Server]) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(identified(cluster[f"gateway-{number}"].gateway)[0]) for number in (1, 2)]
        said = [str(number) for number in range(20)]
        for number in said:
            say(cluster[f"api-{int(number) % 2 + 1}"].api, number)
        for client in clients:
            assert [client.read_until(0, "MESSAGE_CREATE")["d"]["content"] for _ in said] == said


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no haproxy here")
def test_behind_the_balancer_an_api_and_a_gateway_may_go_and_nobody_misses_anything(
    cluster: dict[str, Server], tmp_path: Path
) -> None:
    with balancer(cluster, tmp_path) as (api, gateway), contextlib.ExitStack() as stack:
        # Nobody outside reads figures or controls nodes.
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(api.replace("/api/v10", "/metrics"), timeout=10)
        clients = [identified(gateway) for _ in range(4)]
        for client, _ in clients:
            stack.enter_context(client)
        leaving = [client for client, at in clients if at == cluster["gateway-1"].gateway]
        staying = [client for client, at in clients if at == cluster["gateway-2"].gateway]
        assert leaving, "the balancer sent all to one"
        assert staying, "the balancer sent all to one"
        say(api, "before")
        for client, _ in clients:
            assert client.read_until(0, "MESSAGE_CREATE")["d"]["content"] == "before"
        # An API ends under load: what it had not taken goes to the other.
        ending = threading.Thread(target=cluster["api-1"].stop)
        ending.start()
        said: list[str] = []
        while ending.is_alive() or len(said) < 20:
            said.append(f"during {len(said)}")
            say(api, said[-1])
        ending.join()
        for client, _ in clients:
            assert [client.read_until(0, "MESSAGE_CREATE")["d"]["content"] for _ in said] == said
        # A gateway drains: its clients are sent away and come in by the same door, at the other.
        ending = threading.Thread(target=cluster["gateway-1"].stop)
        ending.start()
        for client in leaving:
            client.read_until(7)
            client.socket.close()
        ending.join()
        back = [identified(gateway) for _ in leaving]
        for client, at in back:
            stack.enter_context(client)
            assert at == cluster["gateway-2"].gateway
        say(api, "after")
        for client in (*staying, *(client for client, _ in back)):
            assert client.read_until(0, "MESSAGE_CREATE")["d"]["content"] == "after"


def test_the_ready_files_name_what_each_process_is(cluster: dict[str, Server]) -> None:
    for name, server in cluster.items():
        ready = json.loads((server.data / "ready.json").read_text())
        assert ready["node"] == name
        assert ready["pid"] == server.process.pid
