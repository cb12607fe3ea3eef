"""Fan-out: what it costs the node to bring one message to many sessions, and how long each delivery takes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

INTENTS = 1 | 1 << 9  # GUILDS and GUILD_MESSAGES: no presences
UPGRADE = (
    b"GET /?v=10&encoding=json HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def address(url: str) -> tuple[str, int]:
    """Host and port of a URL that has both."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def masked(payload: bytes) -> bytes:
    """A client's text frame with the zero mask."""
    head = (
        bytes([0x81, 0x80 | len(payload)])
        if len(payload) < 126
        else bytes([0x81, 0xFE, *len(payload).to_bytes(2, "big")])
    )
    return head + b"\0\0\0\0" + payload


class Client(asyncio.Protocol):
    """One session that only counts messages and notes when they came."""

    def __init__(self, token: str, bench: Bench) -> None:
        self._token = token
        self._bench = bench
        self._buffer = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head, head
            self._upgraded, self._buffer = True, rest
            d = {"token": self._token, "properties": {}, "intents": INTENTS}
            self._transport.write(masked(json.dumps({"op": 2, "d": d}).encode()))
        at = 0
        buffer = self._buffer
        while len(buffer) - at >= 4:
            length, start = buffer[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                if len(buffer) - at < 10:
                    break
                length, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if len(buffer) < start + length:
                break
            self._bench.frame(buffer[start : start + 48])
            at = start + length
        self._buffer = buffer[at:]

    def connection_lost(self, error: Exception | None) -> None:
        self._bench.lost += 1


class Bench:
    """Clients against one node."""

    def __init__(self, http: str, gateway: str, sessions: int) -> None:
        self._http, self._gateway = address(http), address(gateway)
        self._sessions = sessions
        self._wanted: tuple[bytes, int, asyncio.Event] = (b"", 0, asyncio.Event())
        self.lost = 0
        self.posted = 0.0
        self.latencies: list[float] = []

    def frame(self, head: bytes) -> None:
        """Count a frame by its first bytes: the head of a dispatch names its event."""
        mark, left, done = self._wanted
        if mark and mark in head:
            if mark == b"MESSAGE_CREATE":
                self.latencies.append(time.perf_counter() - self.posted)
            self._wanted = (mark, left - 1, done)
            if left == 1:
                done.set()

    def _want(self, mark: bytes, count: int) -> asyncio.Event:
        done = asyncio.Event()
        self._wanted = (mark, count, done)
        return done

    async def connect(self) -> None:
        """Open all sessions and wait for their guild."""
        loop = asyncio.get_running_loop()
        done = self._want(b"GUILD_CREATE", self._sessions)
        for n in range(1, self._sessions + 1):
            token = f"load-token-{n}"
            await loop.create_connection(partial(Client, token, self), *self._gateway)
        await asyncio.wait_for(done.wait(), 120)

    async def post(self, messages: int, at_once: int) -> None:
        """Post messages, `at_once` at a time, each time waiting for all deliveries."""
        streams = [await asyncio.open_connection(*self._http) for _ in range(at_once)]
        body = json.dumps({"content": "The quick brown fox jumps over the lazy dog. " * 2}).encode()
        head = (
            "POST /api/v10/channels/3001/messages HTTP/1.1\r\nHost: bench\r\nAuthorization: ada-token\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        for _ in range(messages // at_once):
            done = self._want(b"MESSAGE_CREATE", at_once * self._sessions)
            self.posted = time.perf_counter()
            for _, writer in streams:
                writer.write(head.encode() + body)
            await asyncio.wait_for(done.wait(), 60)
            for reader, _ in streams:
                reply = await reader.readuntil(b"\r\n\r\n")
                assert reply.startswith(b"HTTP/1.1 200"), reply
                (length,) = (
                    int(line[15:]) for line in reply.lower().split(b"\r\n") if line.startswith(b"content-length:")
                )
                await reader.readexactly(length)
        for _, writer in streams:
            writer.close()


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(node: dict[str, Any], sessions: int, messages: int) -> dict[str, Any]:
    """Connect, warm up, and measure one message at a time and sixteen at once."""
    bench = Bench(node["http"], node["gateway"], sessions)
    empty = rss_bytes(node["pid"])
    await bench.connect()
    figures: dict[str, Any] = {"rss_bytes_per_session": (rss_bytes(node["pid"]) - empty) // sessions}
    await bench.post(16, 1)
    for name, at_once in (("one_at_a_time", 1), ("sixteen_at_once", 16)):
        bench.latencies.clear()
        before, began = cpu_s(node["pid"]), time.perf_counter()
        await bench.post(messages, at_once)
        used, took = cpu_s(node["pid"]) - before, time.perf_counter() - began
        deliveries = len(bench.latencies)
        cuts = statistics.quantiles(bench.latencies, n=100)
        figures[name] = {
            "deliveries": deliveries,
            "node_cpu_s_per_million": round(used / deliveries * 1e6, 2),
            "deliveries_per_s": round(deliveries / took),
            "latency_ms": {"p50": round(cuts[49] * 1e3, 2), "p99": round(cuts[98] * 1e3, 2)},
        }
    assert bench.lost == 0, f"{bench.lost} sessions were lost"
    return figures


def run(sessions: int, messages: int) -> dict[str, Any]:
    """Run a node on a fresh data folder and measure it."""
    world = {
        "users": [{"username": "ada", "token": "ada-token"}],
        "guilds": [{"name": "Lab", "owner": "ada", "channels": [{"id": "3001", "name": "general"}]}],
        "generate": [{"users": sessions, "username": "load-{n}", "token": "load-token-{n}", "join": ["Lab"]}],
    }
    with tempfile.TemporaryDirectory() as folder:
        seed, ready = Path(folder, "world.json"), Path(folder, "ready.json")
        seed.write_text(json.dumps(world))
        command = [sys.executable, "-m", "tocsin", "serve", "--data", folder, "--seed", str(seed)]
        command += ["--http-port", "0", "--gateway-port", "0", "--ready-file", str(ready), "--drain-spread-ms", "0"]
        command += ["--message-rate-limit", "0", "--global-rate-limit", "0", "--workers", "2", "--log-level", "error"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                while not ready.exists():
                    assert process.poll() is None, "the node did not start"
                    time.sleep(0.02)
                return asyncio.run(measure(json.loads(ready.read_text()), sessions, messages))
            finally:
                process.send_signal(signal.SIGKILL)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=320)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "fanout.json")
    given = parser.parse_args()
    figures = run(given.sessions, given.messages)
    described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    result = {
        "bench": "fanout",
        "sessions": given.sessions,
        "commit": described.stdout.strip(),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()},
        "figures": figures,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
