"""Decoders: the real ones that clients use, each a program that checks a folder of dumped streams (decode.py)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_THERE = 3
"""The exit code of a decoder that is not installed."""


class MissingError(Exception):
    """The decoder cannot run here; the text says why."""


class WrongError(Exception):
    """A stream does not decode to its payloads; the text says where."""


@dataclass(frozen=True)
class Report:
    """What a decoder has read and compared."""

    messages: int
    payload_bytes: int
    stream_bytes: int


@dataclass(frozen=True)
class Decoder:
    """One decoder. `used_by` names libraries that read their gateway with it."""

    name: str
    transport: str
    program: tuple[str, ...]
    used_by: str

    def check(self, folder: Path, limit: int, told: Callable[[int], None] = lambda messages: None) -> Report:
        """Decode up to `limit` messages of the folder's streams; `told` hears how far it is.

        Raises:
            MissingError: it is not installed.
            WrongError: a message is not its payload.
        """
        if shutil.which(self.program[0]) is None:
            raise MissingError(f"`{self.program[0]}` is not on the PATH")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        command = [*self.program, str(folder), str(limit)]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            last = ""
            for last in process.stdout:
                if last.strip().isdigit():
                    told(int(last))
            reason = process.stderr.read().strip()
        if process.returncode == NOT_THERE:
            raise MissingError(reason)
        if process.returncode != 0:
            raise WrongError(f"{self.name}: {reason[-2000:]}")
        return Report(**json.loads(last))


def _python(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.streams.decode", name)


def _node(name: str) -> tuple[str, ...]:
    return ("node", "tests/clients/js/decode_stream.cjs", name)


DECODERS = [
    Decoder("python-zlib", "zlib", _python("zlib"), "discord.py, hikari"),
    Decoder("node-zlib", "zlib", _node("node-zlib"), "oceanic.js"),
    Decoder("zlib-sync", "zlib", _node("zlib-sync"), "discord.js, oceanic.js"),
    Decoder("pako", "zlib", _node("pako"), "eris"),
    Decoder("java-inflater", "zlib", ("java", "tests/streams/Decode.java"), "JDA"),
    Decoder("python-zstandard", "zstd", _python("zstandard"), "discord.py"),
    Decoder("node-zstd", "zstd", _node("node-zstd"), "oceanic.js"),
    Decoder("zstd-napi", "zstd", _node("zstd-napi"), "oceanic.js"),
    Decoder("fzstd", "zstd", _node("fzstd"), "clients in browsers"),
]


def of(transport: str) -> list[Decoder]:
    """The decoders of `zlib` or `zstd`."""
    return [decoder for decoder in DECODERS if decoder.transport == transport]
