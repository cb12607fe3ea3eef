"""Ear: a raw session on a socket that keeps, in order, what it was told and when, in any encoding and compression.

Nothing of a client library is between the octets and the record: frames, sequence numbers and streams are checked here.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
import zlib
from array import array
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import zstandard

from tests.oracle.model import EXACT
from tests.support.etf_client import etf_op
from tests.support.raw_client import BINARY, CLOSE, TEXT, frame, op, take_frames, take_head
from tocsin._core import etf_to_json

TRANSPORTS = ("json", "json zlib-stream", "etf", "etf zlib-stream", "json zstd-stream")


class _Id(msgspec.Struct):
    id: str | int = 0


class _D(msgspec.Struct):
    """The members of any event's `d` that name what it is about."""

    id: str | int = 0
    guild_id: str | int | None = None
    channel_id: str | int | None = None
    user: _Id | None = None
    role: _Id | None = None
    role_id: str | int = 0
    channels: list[_Id] = []
    guilds: list[_Id] = []
    session_id: str = ""


class _Payload(msgspec.Struct):
    op: int
    d: msgspec.Raw = msgspec.Raw(b"null")
    s: int | None = None
    t: str | None = None


_payload = msgspec.json.Decoder(_Payload).decode
_d = msgspec.json.Decoder(_D).decode


class BrokenError(Exception):
    """The server broke the protocol, or ended the session."""


class Ear(asyncio.Protocol):
    """One session. `names`, `ids`, `guilds`, `channels` and `at` (perf_counter seconds) run side by side.

    `ids` holds the message, channel, role or user that the event is about; `first` the channels of each guild that
    READY promised, by guild; `told` those of the GUILD_CREATEs after that and of passive updates, by place.
    `passive`: the session looks at no guild, and its guilds are large.
    """

    def __init__(self, gateway: str, who: int, token: str, transport: str, identify: dict[str, Any]) -> None:
        self.gateway, self.who, self.token, self.transport, self.sent = gateway, who, token, transport, identify
        self.etf = transport.startswith("etf")
        self.names: list[str] = []
        self.ids, self.guilds, self.channels = array("Q"), array("Q"), array("Q")
        self.at = array("d")
        self.promised: set[int] = set()
        self.first: dict[int, frozenset[int]] = {}
        self.told: dict[int, frozenset[int]] = {}
        self.passive = False
        self.cuts = 0
        self.deliveries = 0
        self.wrong: str | None = None
        self._session_id = ""
        self._s = 0
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._answers = 0
        self._transport: asyncio.Transport | None = None
        self._leaving = False

    # -- what a test does

    async def open(self) -> None:
        """Identify, and wait for READY and every GUILD_CREATE that it promises (if GUILDS was asked for)."""
        await self._connect()
        self.send(2, {"token": self.token, "properties": {"os": "t", "browser": "t", "device": "t"}, **self.sent})
        await self._until(lambda: self._session_id != "" and (not self.sees_guilds or self.promised == {*self.first}))

    async def cut_and_resume(self) -> None:
        """Drop the TCP connection without a word, and resume on another."""
        assert self._transport is not None
        self._leaving = True
        self._transport.abort()
        self.cuts += 1
        await self._connect()
        answers = self._answers
        self.send(6, {"token": self.token, "session_id": self._session_id, "seq": self._s})
        await self._until(lambda: self._answers > answers)

    async def flush(self, home: int) -> None:
        """Wait for the answer to a request: all that was ordered before has come by then."""
        answers = self._answers
        self.send(31, {"guild_ids": [str(home)]})
        await self._until(lambda: self._answers > answers)

    async def until_told(self, name: str, about: int) -> None:
        """Wait for an event by name and subject, if it has not come yet."""
        await self._until(lambda: any(i == about and n == name for n, i in zip(self.names, self.ids, strict=True)))

    def close(self) -> None:
        """End the session."""
        if self._transport is not None:
            self._leaving = True
            self._transport.write(frame(CLOSE, b"\x03\xe8"))
            self._transport.close()

    @property
    def sees_guilds(self) -> bool:
        """Whether the session asked for GUILDS."""
        return bool(self.sent["intents"] & 1)

    def send(self, code: int, d: Any) -> None:
        """Send a payload."""
        assert self._transport is not None
        self._transport.write((etf_op if self.etf else op)(code, d))

    async def _until(self, done: Callable[[], bool]) -> None:
        if self.wrong:
            raise BrokenError(self.wrong)
        if not done():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((done, future))
            async with asyncio.timeout(60):
                await future

    # -- the wire

    async def _connect(self) -> None:
        parts = urlsplit(self.gateway)
        encoding, _, compress = self.transport.partition(" ")
        query = f"v=10&encoding={encoding}" + (f"&compress={compress}" if compress else "")
        self._buffer = bytearray()
        self._upgraded = False
        self._inflate: Callable[[bytes], bytes] | None = None
        if compress == "zlib-stream":
            self._inflate = zlib.decompressobj().decompress
        elif compress == "zstd-stream":
            self._inflate = zstandard.ZstdDecompressor().decompressobj().decompress
        hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hello = hello
        assert parts.hostname is not None
        assert parts.port is not None
        await asyncio.get_running_loop().create_connection(lambda: self, parts.hostname, parts.port)
        assert self._transport is not None
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /?{query} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        async with asyncio.timeout(60):
            await hello

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._leaving = False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._leaving:
            self._fail(f"the connection ended: {exc}")

    def _fail(self, reason: str) -> None:
        self.wrong = self.wrong or reason
        for future in (self._hello, *(future for _, future in self._waiting)):
            if not future.done():
                future.set_exception(BrokenError(reason))
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        if self._leaving:
            return
        try:
            self._feed(data, time.perf_counter())
        except Exception as error:  # a test must learn of it, and asyncio would only log it
            self._fail(f"{type(error).__name__}: {error}")

    def _feed(self, data: bytes, now: float) -> None:
        buffer = self._buffer
        buffer += data
        if not self._upgraded:
            head = take_head(buffer)
            if head is None:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise BrokenError(head.decode("latin-1"))
            self._upgraded = True
        for kind, body in take_frames(buffer):
            self._on_frame(kind, body, now)
        ready = [each for each in self._waiting if each[0]()]
        for each in ready:
            self._waiting.remove(each)
            if not each[1].done():
                each[1].set_result(None)

    def _on_frame(self, kind: int, data: bytes, now: float) -> None:
        if kind == CLOSE:
            raise BrokenError(f"close {int.from_bytes(data[:2], 'big')} {data[2:]!r}")
        if kind not in (TEXT, BINARY):
            raise BrokenError(f"a frame of kind {kind}")
        if self._inflate is not None:
            data = self._inflate(data)
        payload = _payload(etf_to_json(data) if self.etf else data)
        if payload.op == 0:
            self._on_dispatch(payload, now)
        elif payload.op == 10:
            if not self._hello.done():
                self._hello.set_result(None)
        elif payload.op == 1:
            self.send(1, self._s)
        elif payload.op != 11:
            raise BrokenError(f"op {payload.op}")

    def _on_dispatch(self, payload: _Payload, now: float) -> None:
        if payload.s != self._s + 1:
            raise BrokenError(f"s {payload.s} after {self._s}")
        self._s = payload.s
        name = payload.t or ""
        if name in ("SOUNDBOARD_SOUNDS", "RESUMED"):
            self._answers += 1
            return
        if name == "SESSIONS_REPLACE":
            return  # of no guild
        d = _d(payload.d)
        if name == "READY":
            self._session_id = d.session_id
            self.promised = {int(each.id) for each in d.guilds}
            return
        guild = int(d.id if name in ("GUILD_CREATE", "GUILD_DELETE", "GUILD_UPDATE") else d.guild_id or 0)
        if name == "GUILD_CREATE":
            channels = frozenset(int(each.id) for each in d.channels)
            if guild in self.promised and guild not in self.first:
                self.first[guild] = channels
                return
            self.told[len(self.names)] = channels
        elif name == "PASSIVE_UPDATE_V1":
            self.told[len(self.names)] = frozenset(int(each.id) for each in d.channels)
        about = d.id or d.role_id or (d.role and d.role.id) or (d.user and d.user.id) or 0
        self.deliveries += name in EXACT
        self.names.append(name)
        self.ids.append(int(about))
        self.guilds.append(guild)
        self.channels.append(int(d.channel_id or 0))
        self.at.append(now)
