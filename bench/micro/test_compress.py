"""Compression of a stream of messages, a flush after each: what a message costs for 1, 10 and 100 connections, and what
a connection's state takes."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import itertools
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.payloads import bodies
from tocsin import _core

BODIES = bodies(2000)
"""More than the largest window holds, so that the second turn finds nothing of the first."""
WARM = 20
"""Messages before the first that counts: a context that has seen nothing is another thing."""
PAGE = os.sysconf("SC_PAGE_SIZE")

Send = Callable[[list[bytes], bytes], list[bytes]]
"""From each connection's head and the body that all get to what each connection is sent."""


def zlib_contexts(level: int, window: int, memory: int, connections: int) -> Send:
    contexts = [zlib.compressobj(level, zlib.DEFLATED, window, memory) for _ in range(connections)]
    return lambda heads, body: [
        context.compress(head + body) + context.flush(zlib.Z_SYNC_FLUSH)
        for context, head in zip(contexts, heads, strict=True)
    ]


def zstd_contexts(connections: int) -> Send:
    contexts = [zstandard.ZstdCompressor(level=3).compressobj() for _ in range(connections)]
    return lambda heads, body: [
        context.compress(head + body) + context.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for context, head in zip(contexts, heads, strict=True)
    ]


def tocsin_streams(transport: str, compression: str, connections: int) -> Send:
    shared = _core.SharedBodies()
    streams = [_core.Compressor(transport, compression=compression) for _ in range(connections)]

    def send(heads: list[bytes], body: bytes) -> list[bytes]:
        shared.begin(1)
        return shared.compress(streams, heads, body)

    return send


WAYS: dict[str, Callable[[int], Send]] = {
    "tocsin-zlib": functools.partial(tocsin_streams, "zlib-stream", "shared"),
    "tocsin-zstd": functools.partial(tocsin_streams, "zstd-stream", "shared"),
    "tocsin-zlib-per-connection": functools.partial(tocsin_streams, "zlib-stream", "connection"),
    "tocsin-zstd-per-connection": functools.partial(tocsin_streams, "zstd-stream", "connection"),
    "zlib-6": functools.partial(zlib_contexts, 6, 15, 8),
    "zlib-1": functools.partial(zlib_contexts, 1, 15, 8),
    "zlib-6-w12": functools.partial(zlib_contexts, 6, 12, 5),
    "zstd-3": zstd_contexts,
}
"""What has no `tocsin` in its name has a context of CPython's zlib or of python-zstandard for each connection."""

CONNECTIONS_TO_WEIGH = {"tocsin-zlib": 4000, "tocsin-zstd": 1000, "zstd-3": 25}
"""How many connections to divide the memory by; 200 unless told. Their bodies lately sent count too."""


def decoded(way: str, messages: list[bytes]) -> bytes:
    if "zlib" in way:
        return zlib.decompressobj().decompress(b"".join(messages))
    return zstandard.ZstdDecompressor().decompressobj().decompress(b"".join(messages))


def resident_bytes() -> int:
    """What this process holds, after giving back what it can."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def bytes_per_connection(way: str) -> int:
    """What a connection's compressor adds to the process once its window is full."""
    count = CONNECTIONS_TO_WEIGH.get(way, 200)
    before = resident_bytes()
    send = WAYS[way](count)
    for s, body in enumerate(BODIES[:50]):
        send([b'{"s":%d,' % s] * count, body)
    taken = resident_bytes() - before
    del send
    return max(0, taken) // count


@pytest.mark.benchmark(group="compress one message of a stream for each connection")
@pytest.mark.parametrize("connections", [1, 10, 100])
@pytest.mark.parametrize("way", WAYS)
def test_compress_a_message(benchmark: BenchmarkFixture, way: str, connections: int) -> None:
    if benchmark.enabled and connections == 100:
        benchmark.extra_info["bytes per connection"] = bytes_per_connection(way)
    send = WAYS[way](connections)
    # The first and the last connection are read: between them are more of the same.
    sent: list[bytes] = []
    out: dict[int, list[bytes]] = {0: [], connections - 1: []}
    turn, sequence = itertools.cycle(BODIES), itertools.count(1)

    def one() -> None:
        head, body = b'{"s":%d,' % next(sequence), next(turn)
        found = send([head] * connections, body)
        sent.append(head + body)
        for at, kept in out.items():
            kept.append(found[at])

    for _ in range(WARM):
        one()
    benchmark(one)
    for messages in out.values():
        assert decoded(way, messages) == b"".join(sent)
    octets = sum(map(len, out[0][WARM:]))
    benchmark.extra_info["connections"] = connections
    benchmark.extra_info["bytes per message"] = round(octets / len(sent[WARM:]))
    benchmark.extra_info["ratio"] = round(sum(map(len, sent[WARM:])) / octets, 2)
