"""Cluster: nodes over one Redis and one SQLite file, each a process of its own, for the benches of the bus."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.crowd import LIMITS, SEED_S, Node
from bench.servers import CLIENT_CPU, SERVER_CPU, START_S
from bench.testing_cost import cpu_ms
from tests.support.redis_server import RedisServer, running_redis
from tocsin.testing.server import launch

PORTS = 20
"""How many are tried."""
GUILD, CHANNEL = "2001", "3001"
FLAGS = (*LIMITS, "--workers=1", "--drain-spread-ms=0", "--log-level=warning", "--log-format=json")


def world(sessions: int, tokens: str = "load-{n}") -> dict[str, Any]:
    """A guild of ada's with so many bots, each for one session; channel 3001 is everybody's."""
    crowd = {"users": sessions, "username": "load-{n}", "token": tokens, "bot": True, "intents": "all", "join": ["Lab"]}
    channels = [{"id": str(int(CHANNEL) + number), "name": f"room-{number}", "type": 0} for number in range(20)]
    return {
        "users": [{"id": "1001", "username": "ada", "token": "ada-token"}],
        "guilds": [{"id": GUILD, "name": "Lab", "owner": "ada", "channels": channels}],
        "generate": [crowd],
    }


def pin(pid: int, cpu: int) -> None:
    """Keep all threads of a process, and those that they will start, on one cpu."""
    if (os.cpu_count() or 1) > 1:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {cpu})


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
    return port


class Redis:
    """A running `redis-server`, reached over TCP as in a cluster, on the generators' cpu."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        # Another program may have the port by the time that Redis asks for it.
        ports = (free_port() for _ in range(PORTS))
        port = next((port for port in ports if server.call("CONFIG", "SET", "port", str(port)).startswith(b"+OK")), 0)
        if not port:
            raise RuntimeError("no port for Redis")
        self.url = f"redis://127.0.0.1:{port}"
        self.pid = int(self.info("server")["process_id"])
        pin(self.pid, CLIENT_CPU)

    def info(self, section: str) -> dict[str, str]:
        """A section of INFO."""
        lines = self._server.call("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))

    def cpu_us(self) -> float:
        """CPU microseconds of its threads so far."""
        return cpu_ms(self.pid) * 1e3

    def commands(self) -> dict[str, tuple[int, float]]:
        """Calls and microseconds by command so far; what Functions call counts in both."""
        found = {}
        for name, text in self.info("commandstats").items():
            stats = dict(each.split("=") for each in text.split(","))
            found[name.removeprefix("cmdstat_")] = (int(stats["calls"]), float(stats["usec"]))
        return found


class Cluster:
    """The nodes by their numbers, from 1 on, and how to start and end one."""

    def __init__(self, folder: Path, redis: Redis | None, flags: tuple[str, ...]) -> None:
        self.redis = redis
        self.nodes: dict[int, Node] = {}
        self.folder = folder
        self.offered: set[int] = set()
        """Those that a balancer would name."""
        self._flags = flags
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, number: int, seed: dict[str, Any] | None = None, *more: str, verb: str = "serve") -> Node:
        """Start a node, or with `verb` half of one; the first one seeds the world."""
        data = self.folder / f"node-{number}"
        data.mkdir(exist_ok=True)
        flags = [*FLAGS, "--http-port=0", "--gateway-port=0", *self._flags, *more]
        flags.append(f"--database=sqlite:///{self.folder / 'shared.db'}")
        if self.redis is not None:
            flags += [f"--bus={self.redis.url}", f"--node-id=n{number}", f"--node-number={number}"]
        if seed is not None:
            (data / "world.json").write_text(json.dumps(seed))
            flags.append(f"--seed={data / 'world.json'}")
        # As one that was installed: with its byte code, which the first node leaves for the others.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(self.folder / "byte-code")
        start_s = START_S if seed is None else SEED_S
        process, ready = launch(data, *flags, verb=verb, start_s=start_s, environment=environment)
        self._processes[number] = process
        pin(process.pid, SERVER_CPU)
        self.nodes[number] = Node(process.pid, ready)
        return self.nodes[number]

    def kill(self, number: int) -> None:
        """SIGKILL."""
        self._processes[number].kill()
        self._processes.pop(number).wait()
        del self.nodes[number]

    def drain(self, number: int) -> None:
        """SIGTERM, and wait for its exit."""
        self._processes[number].send_signal(signal.SIGTERM)
        code = self._processes.pop(number).wait(SEED_S)
        del self.nodes[number]
        if code:
            raise RuntimeError(f"node {number} ended with {code}")

    def end(self) -> None:
        """Kill what runs."""
        for number in list(self._processes):
            self.kill(number)


@contextlib.contextmanager
def cluster(
    seed: dict[str, Any],
    count: int,
    *flags: str,
    bus: bool = True,
    redis_flags: tuple[str, ...] = (),
) -> Iterator[Cluster]:
    """So many nodes, on the servers' cpu, until the block ends. Without a bus it is one, without Redis."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-bus-")))
        redis = None
        if bus:
            redis = Redis(stack.enter_context(running_redis(folder / "redis", "--appendonly", "no", *redis_flags)))
        made = Cluster(folder, redis, flags)
        stack.callback(made.end)
        for number in range(1, count + 1):
            made.start(number, seed if number == 1 else None)
        yield made
