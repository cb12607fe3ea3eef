"""FaultProxy: a TCP relay that is slow, narrow, deaf or cut off on purpose, in each direction by itself.

`python -m tests.cluster.faultproxy --target HOST:PORT|PATH` runs one in a process of its own, which prints a line of
JSON with its `port` and its `control` port: `POST /faults` with the members of `Faults` in JSON, `POST /reset`,
`POST /half_close`, `GET /` for its counters.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import msgspec

UP, DOWN = "up", "down"
"""From who connected to the target, and back."""

READ_BYTES = 16_384
HELD_READS = 64
"""Reads of a direction that are on their way at most; beyond them the sender's own buffers fill."""


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to the octets of one direction. 0 means not at all.

    `jitter_ms` comes on top of `latency_ms`, evenly spread, and never changes the order. `chop` is the largest write.
    `cut_after` octets of a connection go through, then both ends get an RST. In a `black_hole` nothing goes through,
    not even an end, until it is over; as TCP would have it, nothing is lost then.
    """

    latency_ms: float = 0
    jitter_ms: float = 0
    rate_bytes_s: float = 0
    chop: int = 0
    cut_after: int = 0
    black_hole: bool = False


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a proxy does. `refuse`: new connections get an RST at once."""

    up: Way = Way()
    down: Way = Way()
    refuse: bool = False


FINE = Faults()
DEAF = Way(black_hole=True)


class _Link:
    """One connection through the proxy and its two pumps."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.ends = (near, far)
        self.passed = {UP: 0, DOWN: 0}

    def reset(self) -> None:
        """RST to both ends."""
        for end in self.ends:
            reset(end)

    def half_close(self, way: str) -> None:
        """End one direction as its sender would, whatever the sender does."""
        with contextlib.suppress(OSError):
            self.ends[1 if way == UP else 0].write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with an RST."""
    with contextlib.suppress(OSError, AttributeError):
        link: socket.socket = writer.get_extra_info("socket")
        if link.family != socket.AF_UNIX:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class FaultProxy:
    """Relays to `target`, a (host, port) or the path of a Unix socket, for an `async with` block.

    Args:
        seed: of the jitter; alike seeds and traffic give alike pauses.
    """

    def __init__(self, target: tuple[str, int] | str, seed: int = 0) -> None:
        self.target = target
        self.faults = FINE
        self.connections = 0
        self.refused = 0
        self._dice = random.Random(seed)
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def passed(self) -> dict[str, int]:
        """The octets that went through the open connections, each way."""
        return {way: sum(link.passed[way] for link in self._links) for way in (UP, DOWN)}

    def set(self, faults: Faults) -> None:
        """Do this from now on, with what is on its way too."""
        self.faults = faults
        self._changed.set()
        self._changed = asyncio.Event()

    def reset(self) -> int:
        """RST to both ends of every connection; return how many there were."""
        met = len(self._links)
        for link in list(self._links):
            link.reset()
        return met

    def half_close(self, way: str) -> int:
        """End one direction of every connection; the other goes on. Return how many there were."""
        for link in self._links:
            link.half_close(way)
        return len(self._links)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.faults.refuse:
            self.refused += 1
            reset(near)
            return
        try:
            if isinstance(self.target, str):
                far_reader, far = await asyncio.open_unix_connection(self.target)
            else:
                far_reader, far = await asyncio.open_connection(*self.target)
        except OSError:
            reset(near)
            return
        link = _Link(near, far)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(link, UP, near_reader, far))
                pumps.create_task(self._pump(link, DOWN, far_reader, near))
        except* (OSError, EOFError):
            link.reset()
        finally:
            self._links.discard(link)
            for end in link.ends:
                end.close()

    def _way(self, name: str) -> Way:
        return self.faults.up if name == UP else self.faults.down

    async def _pump(self, link: _Link, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy one direction. What was read waits its time in a queue, so that a delay narrows nothing."""
        waiting: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue(HELD_READS)
        reading = asyncio.create_task(self._read(name, reader, waiting))
        try:
            while True:
                due, data = await waiting.get()
                if data is None:
                    raise EOFError
                pause = due - asyncio.get_running_loop().time()
                if pause > 0:
                    await asyncio.sleep(pause)
                while self._way(name).black_hole:
                    await self._changed.wait()
                if not data:
                    link.half_close(name)
                    return
                await self._pass(link, name, data, writer)
        finally:
            reading.cancel()

    async def _read(
        self, name: str, reader: asyncio.StreamReader, waiting: asyncio.Queue[tuple[float, bytes | None]]
    ) -> None:
        """Give each read its time. b"" is the sender's end, None its RST."""
        due = 0.0
        while True:
            try:
                data = await reader.read(READ_BYTES)
            except OSError:
                await waiting.put((due, None))
                return
            way, now = self._way(name), asyncio.get_running_loop().time()
            delay = (way.latency_ms + way.jitter_ms * self._dice.random()) / 1000 if data else 0.0
            due = max(due, now + delay)
            if way.rate_bytes_s:
                due += len(data) / way.rate_bytes_s
            await waiting.put((due, data))
            if not data:
                return

    async def _pass(self, link: _Link, name: str, data: bytes, writer: asyncio.StreamWriter) -> None:
        way = self._way(name)
        left = way.cut_after - link.passed[name] if way.cut_after else len(data)
        whole = data[: max(0, left)]
        size = way.chop or len(whole)
        for start in range(0, len(whole), size or 1):
            writer.write(whole[start : start + size])
            await writer.drain()
            if way.chop:
                await asyncio.sleep(0)
        link.passed[name] += len(whole)
        if len(whole) < len(data) or (way.cut_after and link.passed[name] >= way.cut_after):
            raise EOFError


# -- in a process of its own


async def _answer(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One control request."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        verb, path, _ = head.split(" ", 2)
        length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
        body = await reader.readexactly(length)
        status, met = "200 OK", 0
        try:
            match verb, path:
                case "POST", "/faults":
                    proxy.set(msgspec.json.decode(body, type=Faults))
                case "POST", "/reset":
                    met = proxy.reset()
                case "POST", "/half_close":
                    met = proxy.half_close(json.loads(body)["way"])
                case "GET", "/":
                    pass
                case _:
                    status = "404 Not Found"
        except (ValueError, KeyError, TypeError):
            status = "400 Bad Request"
        told = json.dumps({"met": met, "connections": proxy.connections, "refused": proxy.refused, **proxy.passed})
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(told)}\r\nConnection: close\r\n\r\n{told}".encode())
        await writer.drain()
    except (OSError, EOFError, ValueError):
        pass  # whoever asked has gone, or it was no request
    finally:
        writer.close()


async def _run(target: tuple[str, int] | str, seed: int) -> None:
    async with FaultProxy(target, seed) as proxy:
        control = await asyncio.start_server(lambda reader, writer: _answer(proxy, reader, writer), "127.0.0.1", 0)
        print(json.dumps({"port": proxy.port, "control": control.sockets[0].getsockname()[1]}), flush=True)
        # Its own end is that of who started it.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        control.close()


class ProxyProcess:
    """A proxy in a process of its own, steered over its control port. Blocking."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, control: int) -> None:
        self.port = port
        self._process = process
        self._control = f"http://127.0.0.1:{control}"

    def _call(self, path: str, body: bytes | None) -> dict[str, Any]:
        request = urllib.request.Request(self._control + path, data=body, method="GET" if body is None else "POST")
        with urllib.request.urlopen(request, timeout=10) as reply:
            told: dict[str, Any] = json.loads(reply.read())
        return told

    def set(self, faults: Faults) -> None:
        """Do this from now on."""
        self._call("/faults", msgspec.json.encode(faults))

    def reset(self) -> int:
        """RST to both ends of every connection; return how many there were."""
        met: int = self._call("/reset", b"")["met"]
        return met

    def counters(self) -> dict[str, Any]:
        """What it has seen."""
        return self._call("/", None)

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextlib.contextmanager
def running_proxy(target: tuple[str, int] | str, seed: int = 0) -> Iterator[ProxyProcess]:
    """A proxy's process for a `with` block."""
    named = target if isinstance(target, str) else f"{target[0]}:{target[1]}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.faultproxy", "--target", named, "--seed", str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    proxy = ProxyProcess(process, told["port"], told["control"])
    try:
        yield proxy
    finally:
        proxy.stop()


def main() -> int:
    """Run one until standard input ends."""
    parser = argparse.ArgumentParser(
        prog="faultproxy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", required=True, help="HOST:PORT, or the path of a Unix socket")
    parser.add_argument("--seed", type=int, default=0, help="of the jitter")
    options = parser.parse_args()
    host, _, port = options.target.rpartition(":")
    asyncio.run(_run((host, int(port)) if host else options.target, options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
