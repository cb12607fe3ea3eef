"""Observer: a light gateway session that comes back whatever happens, and keeps what it was told, life by life.

A life is one session id, from READY to its end, over any number of connections. It ends only in words: op 9 without
`d`, or a close code that says so; anything else is resumed.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import time
from array import array
from collections import Counter
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from tests.support.raw_client import CLOSE, TEXT, frame, op, take_frames, take_head

ENDING_CODES = frozenset({4003, 4004, 4007, 4009, 4010, 4011, 4012, 4013, 4014})
"""Close codes after which a client identifies anew (protocol.md §2); after others it resumes."""

INTENTS = 1 | 1 << 9 | 1 << 15
MEMBERS = 1 << 1
MOVERS_FROM = 30_000_000
"""Ids of the accounts that join and leave, or are given other names, and are none of the observers'."""

ANSWER_S = 10.0
"""How long a connection may take to be answered before another is tried."""

AGAIN_S = 0.05
_TIMELESS = 1 << 40
"""Marks below are not made as ids are."""

DISCORD_EPOCH_MS = 1_420_070_400_000


class _Payload(msgspec.Struct):
    op: int
    d: msgspec.Raw = msgspec.Raw(b"null")
    s: int | None = None
    t: str | None = None


class _Hello(msgspec.Struct):
    heartbeat_interval: int


class _Ready(msgspec.Struct):
    session_id: str


class _User(msgspec.Struct):
    id: str


class _Subject(msgspec.Struct):
    id: str = "0"


class _Member(msgspec.Struct):
    user: _User
    nick: str | None = None


_payload = msgspec.json.Decoder(_Payload).decode
_subject = msgspec.json.Decoder(_Subject).decode
_member = msgspec.json.Decoder(_Member).decode


def mark_of(name: str, body: bytes | msgspec.Raw) -> int:
    """Return what stands for a member's event among messages' ids, 0 for one that is not judged.

    An account joins and leaves once. A name is a number that is made as an id is.
    """
    member = _member(body)
    user = int(member.user.id)
    if user < MOVERS_FROM:
        return 0
    match name:
        case "GUILD_MEMBER_ADD":
            return 2 * user
        case "GUILD_MEMBER_REMOVE":
            return 2 * user + 1
        case _:
            return int(member.nick or 0)


def created_s(snowflake: int) -> float:
    """Return when an id was made, in Unix seconds."""
    return ((snowflake >> 22) + DISCORD_EPOCH_MS) / 1000


class Life:
    """One session id. `ids`: the messages in the order they came; `end`: what ended it, "" while it lives.

    `faults` holds what was wrong with its sequence numbers; `ready_s` is when its guild was there, in Unix seconds.
    """

    def __init__(self, session_id: str, home: str) -> None:
        self.session_id, self.home = session_id, home
        self.ids = array("Q")
        self.ready_s = 0.0
        self.end = ""
        self.s = 0
        self.faults: list[str] = []

    def take(self, s: int | None) -> None:
        """Count a dispatch."""
        if s != self.s + 1:
            self.faults.append(f"s {s} after {self.s}")
        self.s = max(self.s, s or 0)


class Outage(msgspec.Struct, frozen=True):
    """Time without a session's events. `how`: "resumed", or what ended the life before it identified anew."""

    lost_s: float
    back_s: float
    how: str
    elsewhere: bool


class Places(Protocol):
    """Where gateways are now."""

    def gateways(self) -> list[str]:
        """Return the URLs of the nodes that a balancer would choose from."""
        ...


class Record:
    """What all observers of a run saw together. `live_ms`: from a message's id to its arrival, while attached."""

    def __init__(self) -> None:
        self.outages: list[Outage] = []
        self.live_ms = array("f")
        self.deliveries = 0
        self.stale = 0
        self.refusals = 0
        self.sight_changes: list[tuple[str, int, float]] = []
        self.closes: Counter[int] = Counter()
        self.clocks_moved = False
        """Ids say no more when they were made."""
        self.begun: dict[int, float] = {}
        """When the writing of each acknowledged message began, Unix seconds."""

    def made_s(self, message: int) -> float | None:
        """Return when a message or a change was made, in Unix seconds, as far as is known."""
        return self.begun.get(message) if self.clocks_moved or message < _TIMELESS else created_s(message)


class _Link(asyncio.Protocol):
    """One connection: octets to payloads. `session` is the id of the session that it carries."""

    def __init__(self, owner: Observer, url: str) -> None:
        self.owner, self.url = owner, url
        self.transport: asyncio.Transport | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.back_s = 0.0
        self.beat: asyncio.TimerHandle | None = None
        self.beat_s = 0.0
        self.acked = True
        self.stalled = False
        self.session = ""
        self._buffer = bytearray()
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /?v=10&encoding=json HTTP/1.1\r\nHost: {urlsplit(self.url).netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.finish()

    def finish(self) -> None:
        """Nothing more is expected of this connection; whoever waits for its end goes on."""
        if self.beat is not None:
            self.beat.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    def abort(self) -> None:
        """End it without a word."""
        if self.transport is not None:
            self.transport.abort()
        self.finish()

    def send(self, code: int, d: object) -> None:
        """Send a payload."""
        if self.transport is not None:
            self.transport.write(op(code, d))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._upgraded:
            head = take_head(buffer)
            if head is None:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.owner.record.refusals += 1
                self.abort()
                return
            self._upgraded = True
        for kind, body in take_frames(buffer):
            if kind == TEXT:
                self.owner.on_payload(self, _payload(body))
            elif kind == CLOSE:
                self.owner.on_close(self, int.from_bytes(body[:2], "big"))
                self.send_close()
                break

    def send_close(self) -> None:
        """Answer a close, and end."""
        if self.transport is not None:
            self.transport.write(frame(CLOSE, b"\x0f\xa0"))
            self.transport.close()
        self.finish()


class Observer:
    """One client of one account, in one guild. Runs until `stop`.

    Args:
        guild: the guild it is in, and whose messages it counts.
        scatter: whether it resumes at any node, not at the one that READY named.
        members: whether it is told of members, and counts what it is told.
    """

    def __init__(
        self,
        places: Places,
        record: Record,
        token: str,
        guild: int,
        dice: random.Random,
        *,
        scatter: bool = False,
        members: bool = False,
    ) -> None:
        self._intents = INTENTS | MEMBERS if members else INTENTS
        self.places, self.record, self.token, self.guild, self.scatter = places, record, token, guild, scatter
        self.lives: list[Life] = []
        self.link: _Link | None = None
        self.last_id = 0
        self._dice = dice
        self._old: list[_Link] = []
        self._task: asyncio.Task[None] | None = None
        self._lost_s = 0.0
        self._because = ""
        self._at = ""
        self._up = asyncio.Event()

    # -- what a run does

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End it, without ending its session in words."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for link in (self.link, *self._old):
            if link is not None:
                link.abort()

    @property
    def up(self) -> bool:
        """Whether its session is attached and has its guild."""
        return self._up.is_set()

    async def until_up(self) -> None:
        """Wait for that."""
        await self._up.wait()

    @property
    def home(self) -> str:
        """The URL of the node it is connected to, or was last."""
        return self._at

    def cut(self) -> None:
        """Drop the connection without a word."""
        if self.link is not None:
            self.link.abort()

    def forget(self) -> None:
        """Drop the connection, and identify anew."""
        self._end("forgotten")
        self.cut()

    def read(self, on: bool) -> None:
        """Stop reading, or go on."""
        link = self.link
        if link is not None and link.transport is not None and not link.transport.is_closing():
            link.stalled, link.acked = not on, True
            (link.transport.resume_reading if on else link.transport.pause_reading)()

    # -- connecting

    async def _run(self) -> None:
        while True:
            link = await self._connect()
            if link is None:
                await asyncio.sleep(AGAIN_S * (1 + self._dice.random()))
                continue
            self.link = link
            self._expect_answer(link)
            await link.ended
            self._down(time.time())

    def _expect_answer(self, link: _Link) -> None:
        asyncio.get_running_loop().call_later(ANSWER_S, self._hurry, link)

    def _hurry(self, link: _Link) -> None:
        if link is self.link and not self.up and not link.ended.done():
            link.abort()

    def _down(self, lost_s: float) -> None:
        if self._up.is_set():
            self._up.clear()
            self._lost_s = lost_s
            self._because = "resumed"

    async def _connect(self) -> _Link | None:
        choices = self.places.gateways()
        if not choices:
            return None
        resuming = bool(self.lives) and not self.lives[-1].end
        url = self._dice.choice(choices)
        if resuming and not self.scatter and self.lives[-1].home in choices:
            url = self.lives[-1].home
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        link = _Link(self, url)
        try:
            async with asyncio.timeout(ANSWER_S):
                await asyncio.get_running_loop().create_connection(lambda: link, parts.hostname, parts.port)
        except (OSError, TimeoutError):
            return None
        return link

    def _greet(self, link: _Link) -> None:
        if self.lives and not self.lives[-1].end:
            life = self.lives[-1]
            link.send(6, {"token": self.token, "session_id": life.session_id, "seq": life.s})
        else:
            properties = {"os": "linux", "browser": "nemesis", "device": "nemesis"}
            link.send(2, {"token": self.token, "intents": self._intents, "properties": properties})

    # -- what comes

    def on_payload(self, link: _Link, payload: _Payload) -> None:
        """One payload of one of its connections."""
        if link is not self.link:
            # It has a connection that came later. Once that one has the session, this one must be silent.
            taken_over = self._up.is_set() and link.session == self.lives[-1].session_id
            self.record.stale += payload.op == 0 and taken_over
            return
        match payload.op:
            case 0:
                self._on_dispatch(link, payload)
            case 1:
                link.send(1, self.lives[-1].s if self.lives else None)
            case 7:
                link.abort()
            case 9:
                if payload.d != b"true":
                    self._end("op 9")
                self._expect_answer(link)
                asyncio.get_running_loop().call_later(AGAIN_S * self._dice.random(), self._greet, link)
            case 10:
                interval = msgspec.json.decode(payload.d, type=_Hello).heartbeat_interval / 1000
                self._greet(link)
                self._later(link, interval * self._dice.random(), interval)
            case 11:
                link.acked = True

    def _later(self, link: _Link, delay_s: float, interval_s: float) -> None:
        link.beat = asyncio.get_running_loop().call_later(delay_s, self._beat, link, interval_s)

    def _beat(self, link: _Link, interval_s: float) -> None:
        # Who reads nothing sees no acknowledgement, and goes on sending.
        if not link.acked and not link.stalled:
            self._leave(link)
            return
        link.acked, link.beat_s = False, time.time()
        link.send(1, self.lives[-1].s if self.lives else None)
        self._later(link, interval_s, interval_s)

    def _leave(self, link: _Link) -> None:
        """No answer to the last heartbeat: connect anew, and keep an eye on this one."""
        self._down(link.beat_s)
        self._old.append(link)
        link.finish()

    def on_close(self, link: _Link, code: int) -> None:
        """The node said goodbye."""
        self.record.closes[code] += 1
        if link is self.link and code in ENDING_CODES:
            self._end(f"close {code}")

    def _end(self, why: str) -> None:
        if self.lives and not self.lives[-1].end:
            self.lives[-1].end = why
            if not self._lost_s:
                self._lost_s = time.time()
            self._because = why
            self._up.clear()

    def _on_dispatch(self, link: _Link, payload: _Payload) -> None:
        if payload.t == "READY":
            ready = msgspec.json.decode(payload.d, type=_Ready)
            self.lives.append(Life(ready.session_id, link.url))
            self.lives[-1].take(payload.s)
            return
        life = self.lives[-1]
        if life.end:
            life.faults.append(f"{payload.t} after {life.end}")
            return
        life.take(payload.s)
        match payload.t:
            case "MESSAGE_CREATE":
                self._on_message(link, life, int(_subject(payload.d).id))
            case "GUILD_MEMBER_ADD" | "GUILD_MEMBER_REMOVE" | "GUILD_MEMBER_UPDATE":
                if mark := mark_of(payload.t, payload.d):
                    life.ids.append(mark)
                    self.record.deliveries += 1
            case "RESUMED":
                self._back(link, life)
            case "GUILD_CREATE" if not life.ready_s:
                life.ready_s = time.time()
                self._back(link, life)
            case "CHANNEL_DELETE" | "CHANNEL_CREATE":
                self.record.sight_changes.append((payload.t, int(_subject(payload.d).id), time.time()))

    def _on_message(self, link: _Link, life: Life, message: int) -> None:
        life.ids.append(message)
        self.last_id = message
        self.record.deliveries += 1
        made = created_s(message)
        if link.back_s and made >= link.back_s and not self.record.clocks_moved:
            self.record.live_ms.append((time.time() - made) * 1000)

    def _back(self, link: _Link, life: Life) -> None:
        now = time.time()
        link.back_s = now
        if self._lost_s:
            self.record.outages.append(Outage(self._lost_s, now, self._because, link.url != self._at))
        self._lost_s, self._because, self._at = 0.0, "", link.url
        life.home = link.url
        link.session = life.session_id
        self._up.set()


async def all_up(observers: list[Observer], patience_s: float, told: Callable[[int], None] = lambda _: None) -> bool:
    """Wait until every session is attached; return whether they all are in time."""
    try:
        async with asyncio.timeout(patience_s):
            for number, each in enumerate(observers):
                await each.until_up()
                told(number + 1)
    except TimeoutError:
        return False
    return True
