"""Servers: starts what is measured, each as its own process on its own cpu, and ends it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "bench" / "peers"
SERVER_CPU, CLIENT_CPU = 0, 1
START_S = 120.0
EVENT_BYTES = 336
HOLD_S = 3
"""How long bench/host.py holds the GIL when it is asked to."""


@dataclass(frozen=True)
class Started:
    """A server that accepts: its pid, its WebSocket port and how to publish."""

    pid: int
    port: int
    publish: tuple[str, ...]


def pinned(cpu: int) -> Callable[[], None] | None:
    """What a child does first: stay on one cpu. None where there is only one."""
    if (os.cpu_count() or 1) < 2:
        return None
    return lambda: os.sched_setaffinity(0, {cpu})


def _spawn(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("TOCSIN_")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "python")])
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, env=env, preexec_fn=pinned(SERVER_CPU)
    )


@contextlib.contextmanager
def _running(command: Sequence[str], ready: Path | None = None) -> Iterator[dict[str, Any]]:
    """Run a server until the block ends; yield what it says once it accepts.

    Raises:
        RuntimeError: it ended or said nothing in time; its log is in the message.
    """
    with tempfile.TemporaryFile() as log:
        process = _spawn(command, log)
        assert process.stdout is not None
        try:
            if ready is None:
                line = process.stdout.readline()
            else:
                until = time.monotonic() + START_S
                while not ready.exists() and process.poll() is None and time.monotonic() < until:
                    time.sleep(0.02)
                line = ready.read_bytes() if ready.exists() else b""
            if not line:
                log.seek(0)
                raise RuntimeError(f"{command[0]} did not start:\n{log.read()[-4000:].decode(errors='replace')}")
            yield json.loads(line)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@contextlib.contextmanager
def floor(load: Path) -> Iterator[Started]:
    """The floor: prebuilt frames, one send each."""
    with _running([str(load), "floor", "--bytes", str(EVENT_BYTES)]) as said:
        yield _with_control(said)


@contextlib.contextmanager
def core(guilds: int = 1) -> Iterator[Started]:
    """The Rust core alone (bench/host.py), one worker."""
    command = [sys.executable, "-m", "bench.host", "--guilds", str(guilds), "--bytes", str(EVENT_BYTES)]
    with _running(command) as said:
        yield _with_control(said)


@contextlib.contextmanager
def peer(name: str) -> Iterator[Started]:
    """Another WebSocket server with the same payload."""
    if name == "ws":
        command = ["node", str(PEERS / "peer_ws.cjs"), str(EVENT_BYTES)]
    elif name == "bun":
        command = [
            str(PEERS / "node_modules" / ".bin" / "bun"),
            str(PEERS / "peer_bun.js"),
            str(EVENT_BYTES),
        ]
    else:
        command = [sys.executable, "-m", f"bench.peers.peer_{name}", str(EVENT_BYTES)]
    with _running(command) as said:
        yield _with_control(said)


@contextlib.contextmanager
def node(world: dict[str, Any]) -> Iterator[Started]:
    """`tocsin serve` with one gateway worker, its own data folder, no rate limits."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        seed, ready = Path(folder, "world.json"), Path(folder, "ready.json")
        seed.write_text(json.dumps(world))
        command = [
            sys.executable, "-m", "tocsin", "serve", "--data", folder, "--seed", str(seed), "--ready-file", str(ready),
            "--http-port", "0", "--gateway-port", "0", "--workers", "1", "--drain-spread-ms", "0",
            "--message-rate-limit", "0", "--global-rate-limit", "0", "--identify-max-concurrency", "100000",
            "--session-start-limit", "1000000", "--handshake-timeout-ms", "600000",
            "--identify-timeout-ms", "600000", "--log-level", "error",
        ]  # fmt: skip
        with _running(command, ready) as said:
            http, gateway = (int(said[key].rsplit(":", 1)[1].strip("/")) for key in ("http", "gateway"))
            publish = ("--http", str(http), "--channel", "3001", "--author", "ada-token")
            yield Started(said["pid"], gateway, publish)


def _with_control(said: dict[str, Any]) -> Started:
    return Started(said["pid"], said["port"], ("--control", str(said["control"])))


def world(users: int, guilds: int = 1, channels: int = 1) -> dict[str, Any]:
    """A world of bots that are all in all guilds; ada owns them. The first channel is 3001."""
    return {
        "users": [{"username": "ada", "token": "ada-token"}],
        "guilds": [
            {
                "name": f"Lab {guild}",
                "owner": "ada",
                "channels": [
                    {"id": str(3001 + guild * 100 + channel), "name": f"room-{channel}"} for channel in range(channels)
                ],
            }
            for guild in range(guilds)
        ],
        "generate": [
            {
                "users": users,
                "username": "load-{n}",
                "token": "load-{n}",
                "bot": True,
                "intents": "all",
                "join": [f"Lab {guild}" for guild in range(guilds)],
            }
        ],
    }
