"""Decode: dumped streams, read with a real decoder of Python and compared payload by payload.

A folder holds a connection's stream as `<n>.stream`, one record per message of the socket, and what each has to decode
to as `<n>.expect`, one record per payload. A record is a length of 32 bits, big end first, and as many octets.

`python -m tests.streams.decode DECODER FOLDER LIMIT` and its siblings for Node and Java compare up to LIMIT messages
over all streams, in the order of their numbers. They print how far they are every 20,000 messages and then one JSON
object: `messages`, `payload_bytes`, `stream_bytes`. They exit with 1 if a message is not its payload.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import zstandard

EVERY = 20_000
_LENGTH = struct.Struct("!I")

Decode = Callable[[bytes], bytes]


def zlib_decoder() -> Decode:
    """CPython's zlib, as discord.py, hikari and Pycord use it."""
    return zlib.decompressobj().decompress


def zstd_decoder() -> Decode:
    """python-zstandard, as discord.py uses it."""
    return zstandard.ZstdDecompressor().decompressobj().decompress


DECODERS: dict[str, Callable[[], Decode]] = {"zlib": zlib_decoder, "zstandard": zstd_decoder}


def records(path: Path) -> Iterator[bytes]:
    """The records of a file.

    Raises:
        ValueError: it ends in the middle of one.
    """
    with path.open("rb", buffering=1 << 20) as file:
        while head := file.read(4):
            if len(head) < 4:
                raise ValueError(f"{path} ends in the middle of a record")
            (length,) = _LENGTH.unpack(head)
            record = file.read(length)
            if len(record) < length:
                raise ValueError(f"{path} ends in the middle of a record")
            yield record


def write_records(path: Path, found: Iterable[bytes]) -> None:
    """Write records as `records` reads them."""
    with path.open("wb") as file:
        for record in found:
            file.write(_LENGTH.pack(len(record)) + record)


def write_stream(folder: Path, number: int, messages: Iterable[bytes], payloads: Iterable[bytes]) -> None:
    """Dump one connection."""
    write_records(folder / f"{number}.stream", messages)
    write_records(folder / f"{number}.expect", payloads)


def streams(folder: Path) -> list[Path]:
    """The streams of a folder, in the order of their numbers."""
    return sorted(folder.glob("*.stream"), key=lambda path: int(path.stem))


def compare(start: Callable[[], Decode], folder: Path, limit: int) -> Iterator[dict[str, int]]:
    """Decode every stream; yields the counts every 20,000 messages and at the end.

    Raises:
        ValueError: a message is not its payload; the text says which.
    """
    counts = {"messages": 0, "payload_bytes": 0, "stream_bytes": 0}
    for path in streams(folder):
        decode = start()
        expected = records(path.with_suffix(".expect"))
        for at, message in enumerate(records(path)):
            payload = decode(message)
            if payload != next(expected, None):
                raise ValueError(f"{path.name}: message {at} is not its payload")
            counts["messages"] += 1
            counts["payload_bytes"] += len(payload)
            counts["stream_bytes"] += len(message)
            if counts["messages"] % EVERY == 0:
                yield counts
            if counts["messages"] >= limit:
                break
        else:
            if next(expected, None) is not None:
                raise ValueError(f"{path.name} has fewer messages than payloads")
            continue
        break
    yield counts


def main() -> int:
    """Run one decoder over one folder."""
    name, folder, limit = sys.argv[1:]
    counts: dict[str, int] = {}
    try:
        for counts in compare(DECODERS[name], Path(folder), int(limit)):
            print(counts["messages"], flush=True)
    except (ValueError, zlib.error, zstandard.ZstdError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
