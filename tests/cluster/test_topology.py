"""The cluster of compose.yaml as plain processes, with its settings: gateways, API workers, and haproxy before them."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.api_client import ApiClient
from tests.support.postgres_server import PostgresServer
from tests.support.raw_client import DroppedError, RawClient, op
from tests.support.redis_server import RedisServer
from tests.support.server import UNLIMITED, WORLD, Server, start_server

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "docs/examples/cluster/haproxy.cfg"
GENERAL = "3001"
PATIENCE_S = 30.0
INTENTS = 1 | 1 << 9 | 1 << 15

pytestmark = pytest.mark.timeout(120)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Cluster:
    """The services of compose.yaml that run tocsin; addresses, the folders and the time of a drain are the test's."""

    def __init__(self, folder: Path, database: str, redis: str) -> None:
        self.folder = folder
        self.services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
        self.names = [name for name in self.services if name.startswith(("api-", "gateway-"))]
        self.ports = {(name, port): free_port() for name in (*self.names, "balancer") for port in (8080, 8081)}
        self.servers: dict[str, Server] = {}
        self._given = {
            "database": database,
            "bus": redis,
            "content": str(folder / "content"),
            "public-http-url": f"http://127.0.0.1:{self.ports['balancer', 8080]}",
            "public-gateway-url": f"ws://127.0.0.1:{self.ports['balancer', 8081]}",
            "drain-spread-ms": "500",
        }

    def _words(self, name: str) -> tuple[str, list[str]]:
        """The verb and the flags of a service."""
        verb, *flags = self.services[name]["command"]
        settings = self.services[name]["environment"]
        named = {key.removeprefix("TOCSIN_").lower().replace("_", "-"): value for key, value in settings.items()}
        return verb, [*flags, *(f"--{key}={value}" for key, value in (named | self._given).items())]

    def migrate(self) -> None:
        """Run the service that makes the schema."""
        verb, flags = self._words("migrate")
        command = [sys.executable, "-m", "tocsin", verb, flags[0], f"--database={self._given['database']}"]
        subprocess.run(command, check=True, cwd=self.folder, capture_output=True)

    def start(self, name: str) -> None:
        """Start a service, where it was before if it was."""
        verb, flags = self._words(name)
        flags += [f"--http-port={self.ports[name, 8080]}"]
        if verb == "gateway":
            flags += [f"--gateway-port={self.ports[name, 8081]}"]
        world = None if self.servers else WORLD
        self.servers[name] = start_server(self.folder / name, *UNLIMITED, *flags, world=world, verb=verb)

    def api(self, name: str) -> str:
        """The API's base URL at a service."""
        return f"http://127.0.0.1:{self.ports[name, 8080]}/api/v10"

    def gateway(self, name: str) -> str:
        """The gateway's URL at a service."""
        return f"ws://127.0.0.1:{self.ports[name, 8081]}"

    def status(self, name: str, path: str) -> int:
        """What a service itself answers; 0 for nothing."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name, 8080]}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def connections(self) -> dict[str, int]:
        """How many connections each gateway has that runs."""
        counts = {}
        for name in self.servers:
            if name.startswith("gateway"):
                url = f"http://127.0.0.1:{self.ports[name, 8080]}/metrics"
                with urllib.request.urlopen(url, timeout=5) as answer:
                    found = re.search(r"^tocsin_connections (\d+)", answer.read().decode(), re.MULTILINE)
                assert found is not None
                counts[name] = int(found[1])
        return counts

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.servers.pop(name).kill()

    @contextlib.contextmanager
    def ending(self, name: str) -> Iterator[threading.Thread]:
        """SIGTERM; while the block runs it ends, with 0, in a thread."""
        codes: list[int] = []
        thread = threading.Thread(target=lambda: codes.append(self.servers[name].stop()))
        thread.start()
        try:
            yield thread
        finally:
            thread.join()
        del self.servers[name]
        assert codes == [0]


@pytest.fixture
def cluster(tmp_path: Path, redis: RedisServer, postgres: PostgresServer) -> Iterator[Cluster]:
    with postgres.database(empty=True) as database:
        found = Cluster(tmp_path, database, redis.url)
        try:
            found.migrate()
            first, *others = sorted(found.names)
            found.start(first)
            with ThreadPoolExecutor() as starting:
                list(starting.map(found.start, others))
            yield found
        finally:
            for server in found.servers.values():
                server.kill()


@contextlib.contextmanager
def balancer(cluster: Cluster) -> Iterator[None]:
    """Run haproxy with its configuration, addresses and limits aside."""
    ports = cluster.ports
    text = CONFIG.read_text()
    for name in cluster.names:
        text = text.replace(f"{name}:8080", f"127.0.0.1:{ports[name, 8080]}")
        there = f"127.0.0.1:{ports[name, 8081]} check port {ports[name, 8080]}"
        text = text.replace(f"{name}:8081 check port 8080", there)
    text = re.sub(r"bind :(\d+)", lambda found: f"bind 127.0.0.1:{ports['balancer', int(found[1])]}", text)
    text = re.sub(r"maxconn \d+", "maxconn 200", text)
    config = cluster.folder / "haproxy.cfg"
    config.write_text(text)
    with (cluster.folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(["haproxy", "-db", "-f", config], stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_S
        for port in (8080, 8081):
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports["balancer", port]), 1):
                    break
                assert process.poll() is None, (cluster.folder / "haproxy.log").read_text()
                assert time.monotonic() < until
        yield
    finally:
        process.kill()
        process.wait()


class Client:
    """dora, once more: a session that comes back through the door it came in by."""

    def __init__(self, cluster: Cluster, door: str = "balancer") -> None:
        before = cluster.connections()
        self.heard: list[str] = []
        self.raw = RawClient(cluster.gateway(door))
        self.raw.open()
        ready = self.raw.identify("dora-token", intents=INTENTS)
        self.session: str = ready["session_id"]
        self.resume_url: str = ready["resume_gateway_url"]
        self.s = 1
        self.read_until("GUILD_CREATE")
        after = cluster.connections()
        (self.home,) = (name for name in after if after[name] != before[name])

    def close(self) -> None:
        """End the connection without a word."""
        self.raw.socket.close()

    def read_until(self, name: str) -> None:
        """Read up to an event; keep the messages. An op 7 or 9 or the connection's end is `DroppedError`."""
        while True:
            payload = self.raw.read_payload()
            if payload["op"] in (7, 9):
                raise DroppedError
            if payload["op"] != 0:
                continue
            assert payload["s"] == self.s + 1
            self.s = payload["s"]
            if payload["t"] == "MESSAGE_CREATE":
                self.heard.append(payload["d"]["content"])
            if payload["t"] == name:
                return

    def hear(self, said: list[str]) -> None:
        """Read until as much was heard as was said; it must be that."""
        while len(self.heard) < len(said):
            self.read_until("MESSAGE_CREATE")
        assert self.heard == said

    def leave(self) -> None:
        """Read until it is sent away or dropped."""
        with contextlib.suppress(DroppedError):
            self.read_until("nothing that there is")
        self.close()

    def come_back(self) -> None:
        """Resume by the URL that READY named, as often as there is nobody behind it."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.raw = RawClient(self.resume_url)
                self.raw.send(self.raw.request())
                if self.raw.read_head()[0] == 101:
                    self.raw.send(op(6, {"token": "dora-token", "session_id": self.session, "seq": self.s}))
                    self.read_until("RESUMED")
                    return
            except (DroppedError, OSError):
                pass
            self.close()
            assert time.monotonic() < until


def test_what_either_api_takes_both_gateways_tell(cluster: Cluster) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(Client(cluster, f"gateway-{number}"))) for number in (1, 2)]
        said: list[str] = []
        for number in range(20):
            speak(cluster.api(f"api-{number % 2 + 1}"), said)
        for client in clients:
            client.hear(said)
    for name, server in cluster.servers.items():
        ready = json.loads((server.data / "ready.json").read_text())
        assert ready["node"] == name
        assert ready["pid"] == server.process.pid


def speak(api: str, said: list[str]) -> None:
    """Post one more message as ada."""
    said.append(f"message {len(said)}")
    ApiClient(api, "ada-token").ok("POST", f"/channels/{GENERAL}/messages", {"content": said[-1]})


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no haproxy here")
def test_behind_the_balancer_an_api_and_gateways_may_go_and_nobody_misses_anything(cluster: Cluster) -> None:
    api, said = cluster.api("balancer"), list[str]()
    with balancer(cluster), contextlib.ExitStack() as stack:
        # Nobody outside reads figures or controls nodes.
        assert [cluster.status("balancer", path) for path in ("/metrics", "/_tocsin/faults")] == [404, 404]
        clients = [stack.enter_context(contextlib.closing(Client(cluster))) for _ in range(4)]
        assert {client.resume_url for client in clients} == {cluster.gateway("balancer")}
        assert cluster.connections() == {"gateway-1": 2, "gateway-2": 2}
        # An API ends under load: what it had not taken goes to the other.
        with cluster.ending("api-1") as ending:
            while ending.is_alive() or len(said) < 20:
                speak(api, said)
        for client in clients:
            client.hear(said)
        # A gateway drains: it says so before it ends, and its sessions go on at the other.
        leaving = [client for client in clients if client.home == "gateway-1"]
        with cluster.ending("gateway-1") as ending:
            while cluster.status("gateway-1", "/readyz") != 503:
                assert ending.is_alive()
            for client in leaving:
                client.leave()
                speak(api, said)
                client.come_back()
        for client in clients:
            client.hear(said)
        assert cluster.connections() == {"gateway-2": 4}
        # It is back, and the other one is killed, which the balancer has not noticed when the clients knock.
        cluster.start("gateway-1")
        until = time.monotonic() + PATIENCE_S
        while not cluster.connections()["gateway-1"]:
            assert time.monotonic() < until
            knock = RawClient(cluster.gateway("balancer"))
            stack.callback(knock.socket.close)
            knock.open()
            time.sleep(0.05)  # it looks every two seconds
        newcomer = stack.enter_context(contextlib.closing(Client(cluster)))
        assert newcomer.home == "gateway-1"
        cluster.kill("gateway-2")
        speak(api, said)
        for client in clients:
            client.leave()
            client.come_back()
            client.hear(said)
        newcomer.hear(said[-1:])
        assert cluster.connections()["gateway-1"] >= 5
