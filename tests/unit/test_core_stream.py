"""`tocsin._core.Compressor` and `SharedBodies`: streams that share their work, read with zlib and zstd."""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable

import pytest
import zstandard

from tocsin._core import Compressor, SharedBodies

WORDS = ["the", "of", "and", "to", "in", "is", "you", "that", "it", "he", "was", "naïve", "größer", "日本語", "🎉"]
TRANSPORTS = ["zlib-stream", "zstd-stream"]


def decoder(transport: str) -> Callable[[bytes], bytes]:
    if transport == "zlib-stream":
        return zlib.decompressobj().decompress
    return zstandard.ZstdDecompressor().decompressobj().decompress


def bodies(count: int) -> list[bytes]:
    dice = random.Random(11)
    return [b'"t":"X","d":"' + " ".join(dice.choices(WORDS, k=40)).encode() + b'"}' for _ in range(count)]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("compression", ["shared", "connection"])
def test_streams_that_miss_events_decode_to_what_they_were_given(transport: str, compression: str) -> None:
    shared, dice = SharedBodies(), random.Random(3)
    streams = [Compressor(transport, compression=compression, inspect=True) for _ in range(5)]
    decoders, sequences = [decoder(transport) for _ in streams], [itertools.count(1) for _ in streams]
    for body in bodies(400):
        shared.begin(2001)
        chosen = [at for at in range(5) if dice.random() < 0.7]
        heads = [b'{"s":%d,' % next(sequences[at]) for at in chosen]
        for at, head, found in zip(
            chosen, heads, shared.compress([streams[n] for n in chosen], heads, body), strict=True
        ):
            assert decoders[at](found) == head + body
        if dice.random() < 0.02:
            private = b'{"private":"' + dice.randbytes(20_000).hex().encode() + b'"}'
            assert decoders[0](streams[0].compress_private(shared, private)) == private
    assert not any(stream.is_broken for stream in streams)
    # A context of a connection's own shares nothing.
    assert (shared.memory_bytes > 0) == (compression == "shared")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_one_at_a_time_is_the_same_stream_as_all_at_once(transport: str) -> None:
    found = []
    for together in (True, False):
        shared, stream, out = SharedBodies(), Compressor(transport), b""
        for s, body in enumerate(bodies(50)):
            shared.begin(2001)
            head = b'{"s":%d,' % s
            out += shared.compress([stream], [head], body)[0] if together else stream.compress(shared, head, body)
        found.append(out)
    assert found[0] == found[1]


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="transport"):
        Compressor("br")
    with pytest.raises(ValueError, match="compression"):
        Compressor("zlib-stream", compression="none")
    shared, stream = SharedBodies(), Compressor("zlib-stream")
    with pytest.raises(ValueError, match="form"):
        stream.compress(shared, b"{", b"}", form=8)
    with pytest.raises(ValueError, match="head"):
        shared.compress([stream], [], b"}")
    with pytest.raises(RuntimeError):
        shared.compress([stream, stream], [b"{", b"{"], b"}")
    assert not stream.is_broken
