"""Servers: starts what is measured, each as its own process on its own cpu, and ends it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "bench" / "peers"
SERVER_CPU, CLIENT_CPU = 0, 1
START_S = 120.0
EVENT_BYTES = 336
PATIENCE_MS = 600_000
"""What a server grants for handshake and identify: on one busy cpu a storm's last may be late."""
GO_BIN = ROOT / ".build" / "peers.d" / "bin"
NEEDED = {
    "ws": PEERS / "node_modules" / "ws",
    "bun": PEERS / "node_modules" / ".bin" / "bun",
    "centrifugo": GO_BIN / "centrifugo",
}
MODULES = {"litestar": "litestar", "picows": "picows", "socketio": "socketio", "websockets": "websockets"}


class Skipped(Exception):
    """A peer that is not on this machine; the message says why."""


@dataclass(frozen=True)
class Started:
    """A server that accepts: its pid, its WebSocket port, how to publish and what else the generator must know."""

    pid: int
    port: int
    publish: tuple[str, ...]


def pinned(cpu: int) -> Callable[[], None] | None:
    """What a child does first: stay on one cpu. None where there is only one."""
    if (os.cpu_count() or 1) < 2:
        return None
    return lambda: os.sched_setaffinity(0, {cpu})


def _spawn(command: Sequence[str], log: IO[bytes], more: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("TOCSIN_")} | dict(more or {})
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
def core(guilds: int = 1, hold_s: float = 3, patience_ms: int = PATIENCE_MS) -> Iterator[Started]:
    """The Rust core alone (bench/host.py), one worker; asked to, it holds the GIL for `hold_s` seconds."""
    command = [sys.executable, "-m", "bench.host", "--guilds", str(guilds), "--bytes", str(EVENT_BYTES)]
    command += ["--hold", str(hold_s), "--patience-ms", str(patience_ms)]
    with _running(command) as said:
        yield _with_control(said)


@contextlib.contextmanager
def peer(name: str) -> Iterator[Started]:
    """Another WebSocket server with the same payload.

    Raises:
        Skipped: it is not installed here.
    """
    why = missing(name)
    if why:
        raise Skipped(why)
    if name == "centrifugo":
        with _centrifugo() as started:
            yield started
        return
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


def missing(name: str) -> str | None:
    """Why a peer cannot run here, or None."""
    reason = ROOT / ".build" / "peers.d" / f"{name}.skipped"
    needed = NEEDED.get(name)
    if needed is not None and not needed.exists():
        return reason.read_text().strip() if reason.exists() else f"{needed.relative_to(ROOT)} is not there"
    if name in MODULES and importlib.util.find_spec(MODULES[name]) is None:
        return f"the package {MODULES[name]} is not installed"
    return None


@contextlib.contextmanager
def _centrifugo() -> Iterator[Started]:
    """Centrifugo: unidirectional WebSocket, in-memory engine without history, published to by its server API."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    config = {
        "http_server": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
        "client": {"insecure": True, "connection_limit": 0, "ping_interval": "600s", "pong_timeout": "60s"},
        "http_api": {"insecure": True},
        "uni_websocket": {"enabled": True},
        "channel": {"without_namespace": {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}},
    }
    head, end = '{"channel":"all","pub":{"data":{"content":"', '"}}}'
    content = "x" * (EVENT_BYTES - len(head) - len(end))
    body = json.dumps({"channel": "all", "data": {"content": content}}, separators=(",", ":"))
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder, tempfile.TemporaryFile() as log:
        Path(folder, "config.json").write_text(json.dumps(config))
        command = [str(NEEDED["centrifugo"]), "--config", str(Path(folder, "config.json"))]
        process = _spawn(command, log, {"GOMAXPROCS": "1"})
        try:
            until = time.monotonic() + START_S
            while not accepts(port):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise RuntimeError(f"centrifugo did not start:\n{log.read()[-4000:].decode(errors='replace')}")
                time.sleep(0.02)
            publish = ("--http", str(port), "--post-path", "/api/publish", "--post-body", body)
            greet = ("--path", "/connection/uni_websocket", "--hello", '{"subs":{"all":{}}}', "--opens-with", "{")
            yield Started(process.pid, port, (*publish, *greet))
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


def accepts(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def node(world: dict[str, Any], patience_ms: int = PATIENCE_MS) -> Iterator[Started]:
    """`tocsin serve` with one gateway worker, its own data folder, no rate limits."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        seed, ready = Path(folder, "world.json"), Path(folder, "ready.json")
        seed.write_text(json.dumps(world))
        command = [
            sys.executable, "-m", "tocsin", "serve", "--data", folder, "--seed", str(seed), "--ready-file", str(ready),
            "--http-port", "0", "--gateway-port", "0", "--workers", "1", "--drain-spread-ms", "0",
            "--message-rate-limit", "0", "--global-rate-limit", "0", "--identify-max-concurrency", "100000",
            "--session-start-limit", "1000000", "--send-limit", "1000000",
            "--handshake-timeout-ms", str(patience_ms), "--identify-timeout-ms", str(patience_ms),
            "--heartbeat-interval-ms", str(min(patience_ms, 41_250)), "--log-level", "error",
        ]  # fmt: skip
        with _running(command, ready) as said:
            http, gateway = (int(said[key].rsplit(":", 1)[1].strip("/")) for key in ("http", "gateway"))
            publish = ("--http", str(http), "--channel", "3001", "--author", "ada-token")
            yield Started(said["pid"], gateway, publish)


def _with_control(said: dict[str, Any]) -> Started:
    return Started(said["pid"], said["port"], ("--control", str(said["control"]), *said.get("flags", ())))


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
