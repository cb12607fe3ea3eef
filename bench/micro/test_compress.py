"""Compression of a stream of messages, a flush after each: what zlib and zstd cost per message and context."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable

import pytest
import zstandard
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.payloads import stream

MESSAGES = stream(2000)
"""More than the largest window holds, so that the second turn finds nothing of the first."""
WARM = 20
"""Messages before the first that counts: a context that has seen nothing is another thing."""


def zlib_flush(level: int, window: int, memory: int) -> Callable[[bytes], bytes]:
    context = zlib.compressobj(level, zlib.DEFLATED, window, memory)
    return lambda message: context.compress(message) + context.flush(zlib.Z_SYNC_FLUSH)


def zstd_flush(level: int) -> Callable[[bytes], bytes]:
    context = zstandard.ZstdCompressor(level=level).compressobj()
    return lambda message: context.compress(message) + context.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


WAYS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "zlib-6": lambda: zlib_flush(6, 15, 8),
    "zlib-1": lambda: zlib_flush(1, 15, 8),
    "zlib-6-w12": lambda: zlib_flush(6, 12, 5),
    "zstd-3": lambda: zstd_flush(3),
    "zstd-1": lambda: zstd_flush(1),
}


@pytest.mark.benchmark(group="compress one message of a stream")
@pytest.mark.parametrize("way", WAYS)
def test_compress_a_message(benchmark: BenchmarkFixture, way: str) -> None:
    compress = WAYS[way]()
    sent = list(MESSAGES[:WARM])
    out = [compress(message) for message in sent]
    turn = itertools.cycle(MESSAGES)

    def one() -> None:
        message = next(turn)
        sent.append(message)
        out.append(compress(message))

    benchmark(one)
    if way.startswith("zlib"):
        found = zlib.decompressobj().decompress(b"".join(out))
    else:
        found = zstandard.ZstdDecompressor().decompressobj().decompress(b"".join(out))
    assert found == b"".join(sent)
    measured = out[WARM:]
    benchmark.extra_info["bytes per message"] = round(sum(map(len, measured)) / len(measured))
