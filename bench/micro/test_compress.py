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

Heads = dict[int, bytes]
"""What precedes the body on each connection that gets the message, by the connection's number."""

Send = Callable[[Heads, bytes], list[bytes]]
"""From the heads and the body that all get to what each connection is sent, in the order of the heads."""


def zlib_contexts(level: int, window: int, memory: int, connections: int) -> Send:
    contexts = [zlib.compressobj(level, zlib.DEFLATED, window, memory) for _ in range(connections)]
    return lambda heads, body: [
        contexts[at].compress(head + body) + contexts[at].flush(zlib.Z_SYNC_FLUSH) for at, head in heads.items()
    ]


def zstd_contexts(connections: int) -> Send:
    contexts = [zstandard.ZstdCompressor(level=3).compressobj() for _ in range(connections)]
    return lambda heads, body: [
        contexts[at].compress(head + body) + contexts[at].flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for at, head in heads.items()
    ]


def tocsin_streams(transport: str, compression: str, connections: int) -> Send:
    shared = _core.SharedBodies()
    streams = [_core.Compressor(transport, compression=compression) for _ in range(connections)]

    def send(heads: Heads, body: bytes) -> list[bytes]:
        shared.begin(1)
        return shared.compress([streams[at] for at in heads], list(heads.values()), body)

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

CONNECTIONS_TO_WEIGH = {"tocsin-zlib": 4000, "tocsin-zstd": 4000, "zstd-3": 25}
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
        send(dict.fromkeys(range(count), b'{"s":%d,' % s), body)
    taken = resident_bytes() - before
    del send
    return max(0, taken) // count


def turns(connections: int) -> list[tuple[Heads, bytes]]:
    """Messages and who gets them: several connections have `s` of one to six digits and miss a tenth each, not the
    same, so that no stream is another's."""
    sequences = [itertools.count(10 ** (at % 6) + at) for at in range(connections)]
    return [
        (
            {
                at: b'{"s":%d,' % next(sequences[at])
                for at in range(connections)
                if connections == 1 or (number + 3 * at + at // 10) % 10
            },
            body,
        )
        for number, body in enumerate(BODIES)
    ]


@pytest.mark.benchmark(group="compress one message of a stream for each connection")
@pytest.mark.parametrize("connections", [1, 10, 100])
@pytest.mark.parametrize("way", WAYS)
def test_compress_a_message(benchmark: BenchmarkFixture, way: str, connections: int) -> None:
    if benchmark.enabled and connections == 100:
        benchmark.extra_info["bytes per connection"] = bytes_per_connection(way)
    send = WAYS[way](connections)
    sent: list[tuple[Heads, bytes, list[bytes]]] = []
    turn = itertools.cycle(turns(connections))

    def one() -> None:
        heads, body = next(turn)
        sent.append((heads, body, send(heads, body)))

    for _ in range(WARM):
        one()
    benchmark(one)
    streams: list[list[bytes]] = [[] for _ in range(connections)]
    payloads: list[list[bytes]] = [[] for _ in range(connections)]
    for heads, body, found in sent:
        for (at, head), message in zip(heads.items(), found, strict=True):
            streams[at].append(message)
            payloads[at].append(head + body)
    for messages, expected in zip(streams, payloads, strict=True):
        assert decoded(way, messages) == b"".join(expected)
    taken = [message for _, _, found in sent[WARM:] for message in found]
    given = sum(len(head) + len(body) for heads, body, _ in sent[WARM:] for head in heads.values())
    benchmark.extra_info["recipients"] = connections if connections == 1 else connections * 9 // 10
    benchmark.extra_info["bytes per message"] = round(sum(map(len, taken)) / len(taken))
    benchmark.extra_info["ratio"] = round(given / sum(map(len, taken)), 2)
