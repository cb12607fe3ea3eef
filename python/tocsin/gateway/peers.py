"""Peers: the other nodes, as far as this one hears of them over the bus; no clocks and no keys of their own (ADR 0018).

Every node follows a topic of all nodes and one of its own, which are users that nobody is. Each beats on the first. A
peer of which nothing was heard for `LEASE_BEATS` beats of this node's own, counted as they come back over the bus, is
gone: while Redis is away, or this node was frozen, no beat comes back and nobody is given up.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import structlog

from tocsin.model.event import Event, Scope, ScopeKind

BEAT_S = 2.0
LEASE_BEATS = 4
"""A node that was killed is given up after four to five beats: 8 to 10 s."""

TOPICS = 1 << 63
"""From here on an id of a user's scope is a topic; snowflakes stay below."""

NAME = "TOCSIN_PEER"
COMING = "TOCSIN_COMING"
"""Goes before an event of what is a person's own, in its scope: it waits until whoever identifies has it (ADR 0018)."""

REVOCATIONS_KEPT = 1024
NAMES_KEPT = 256

log = structlog.get_logger("tocsin.peers")


class Note(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a node tells others. `hello`: it is new, or its inbox is; `bye`: it ends. The rest is its listeners' own."""

    node: str
    beat: int = 0
    number: int = 0  # of the latest revocation said
    hello: bool = False
    bye: bool = False
    revoked: list[tuple[int, str]] = []
    wants: list[int] = []  # guilds whose state at the others it asks for
    ticket: int = 0  # names an asking, and its answer
    answer: bytes = b""
    count: list[int] = []  # guilds of which it asks who is online
    counted: dict[int, int] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Note).decode


def last_word(name: str, user_id: int, token_digest: bytes) -> Event:
    """Return what tells all nodes of a token that was revoked, from somebody who then is gone."""
    return _said(ALL, Note(node=name, revoked=[(user_id, _text(token_digest))], bye=True))


def _said(topic: int, note: Note) -> Event:
    return Event(name=NAME, scope=Scope(ScopeKind.USER, topic), body=_encode(note), users=(topic,), state=True)


def _text(token_digest: bytes) -> str:
    return base64.b64encode(token_digest).decode()


class Coming(msgspec.Struct):
    """An event that is on its way, and to whom."""

    users: list[int]
    name: str
    body: msgspec.Raw


_decode_coming = msgspec.json.Decoder(Coming).decode


def coming(event: Event) -> Event:
    """Return what goes before an event that READY shows the state of, and no policy sees."""
    told = Coming([int(each) for each in event.users], event.name, msgspec.Raw(event.body))
    return Event(name=COMING, scope=event.scope, body=_encode(told), users=event.users, state=True)


def what_comes(body: bytes) -> Coming:
    """Return what is coming.

    Raises:
        msgspec.MsgspecError: it cannot be read.
    """
    return _decode_coming(body)


class Link(Protocol):
    """The bus as peers use it."""

    def publish_ephemeral(self, event: Event) -> None: ...  # noqa: D102
    async def follow(self, *scopes: Scope) -> None: ...  # noqa: D102


class Listener(Protocol):
    """Who is told of the peers. Synchronous; whatever it raises is logged."""

    def on_gone(self, node: str) -> None:
        """A peer is gone, with all it had."""
        ...

    def on_joined(self, node: str) -> None:
        """A peer is there, or again: what it holds is not known yet."""
        ...

    def on_lost(self) -> None:
        """This node may have missed what others said, and they what it said."""
        ...

    def on_wanted(self, node: str, guild_ids: Sequence[int]) -> bytes:
        """Return what this node has of the guilds."""
        ...

    def on_counted(self, guild_ids: Sequence[int]) -> dict[int, int]:
        """Return how many are online in those of the guilds that this node holds."""
        ...

    def on_answer(self, node: str, answer: bytes) -> None:
        """A peer said what it has."""
        ...


class Peers:
    """The table of peers, and what is said among them.

    Args:
        name: this node's, new at each start.
        link: the bus.
        revoked: ends the sessions of a user that were begun with the token of this digest.
        missed: looks whether there were revocations that were not heard.
    """

    def __init__(
        self, name: str, link: Link, revoked: Callable[[int, bytes], None], missed: Callable[[], None]
    ) -> None:
        self.name = name
        self.listener: Listener | None = None
        self._link = link
        self._revoked = revoked
        self._missed_some = missed
        self.on_hello: Callable[[], None] = _nobody
        """Called when a peer is new, or was away: some of what it said may be lost."""
        self._missed: dict[str, int] = {}  # peer -> own beats since it was heard
        self._silent: set[str] = set()  # those that owe an answer
        self._ended: dict[str, None] = {}  # names are never used again
        self._unsaid: list[tuple[int, str]] = []  # revocations since the last beat that came back
        self._beats = 0
        self._sent = 0
        self._tickets: dict[int, tuple[set[str], asyncio.Event, dict[int, int]]] = {}
        self._last_ticket = 0
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._missed)

    def __contains__(self, node: str) -> bool:
        return node in self._missed

    # -- life

    def start(self) -> None:
        """Begin to beat, once the topics are followed."""
        self._task = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Say farewell, so that nobody has to wait for the lease."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        self._say(ALL, Note(node=self.name, bye=True))

    async def _beat(self) -> None:
        await self._link.follow(Scope(ScopeKind.USER, ALL), Scope(ScopeKind.USER, topic_of(self.name)))
        self._say(ALL, Note(node=self.name, hello=True))
        while True:
            self._beats += 1
            self._say(ALL, Note(node=self.name, beat=self._beats, number=self._sent, revoked=list(self._unsaid)))
            await asyncio.sleep(BEAT_S)

    def rejoin(self) -> None:
        """The inbox is new, or the bus back: something may have been missed on either side."""
        if self._task is None:
            return
        self._say(ALL, Note(node=self.name, hello=True))
        self._tell(self._missed_some)
        if self.listener is not None:
            self._tell(self.listener.on_lost)

    # -- saying

    def revoke(self, user_id: int, token_digest: bytes) -> None:
        """Let all nodes end what was begun with a token. Said again at each beat until one came back."""
        self._unsaid.append((user_id, _text(token_digest)))
        del self._unsaid[:-REVOCATIONS_KEPT]
        self._sent += 1
        self._say(ALL, Note(node=self.name, number=self._sent, revoked=list(self._unsaid)))

    async def ask(self, guild_ids: Sequence[int], wait_s: float) -> None:
        """Ask every peer for what it has of the guilds; return when all have answered, or the time is up.

        Who answers later is heard too.
        """
        if not await self._ask(Note(node=self.name, wants=list(guild_ids)), wait_s):
            self.ask_all(guild_ids)

    async def count(self, guild_ids: Sequence[int], wait_s: float) -> dict[int, int]:
        """Return how many are online in guilds, by those who hold them and answer in time."""
        found: dict[int, int] = {}
        await self._ask(Note(node=self.name, count=list(guild_ids)), wait_s, found)
        return found

    async def _ask(self, note: Note, wait_s: float, found: dict[int, int] | None = None) -> bool:
        """Ask those who use to answer, and wait for them; False when there are none."""
        wanted = self._missed.keys() - self._silent
        if not wanted:
            return False
        self._last_ticket += 1
        ticket, answered = self._last_ticket, asyncio.Event()
        self._tickets[ticket] = (wanted, answered, {} if found is None else found)
        self._say(ALL, msgspec.structs.replace(note, ticket=ticket))
        try:
            async with asyncio.timeout(wait_s):
                await answered.wait()
        except TimeoutError:
            log.warning("peers did not answer", peers=sorted(wanted))
            # They may be dead: the others of a storm need not wait for them too.
            self._silent |= wanted
        finally:
            del self._tickets[ticket]
        return True

    def ask_one(self, node: str, guild_ids: Sequence[int]) -> None:
        """Ask one peer, without waiting."""
        self._say(topic_of(node), Note(node=self.name, wants=list(guild_ids)))

    def ask_all(self, guild_ids: Sequence[int]) -> None:
        """Ask every peer, without waiting."""
        self._say(ALL, Note(node=self.name, wants=list(guild_ids)))

    def _say(self, topic: int, note: Note) -> None:
        self._link.publish_ephemeral(_said(topic, note))

    # -- hearing

    def hear(self, body: bytes) -> None:
        """Take what a node said, this one included. Never raises."""
        try:
            note = _decode(body)
        except msgspec.MsgspecError:
            log.warning("unreadable note of a peer")
            return
        if note.node == self.name:
            self._came_back(note)
            return
        for user_id, digest in note.revoked:
            self._tell(self._revoked, user_id, base64.b64decode(digest))
        if note.bye:
            self._ended[note.node] = None
            if len(self._ended) > NAMES_KEPT:
                del self._ended[next(iter(self._ended))]
            self._give_up(note.node, "it ended")
            return
        if not self.heard_of(note.node):
            return
        if note.hello:
            # So that it knows this one before its next beat.
            self._say(topic_of(note.node), Note(node=self.name, number=self._sent))
            self._tell(self.on_hello)
        if self.listener is not None:
            if note.wants:
                self._tell(self._answer, self.listener, note)
            if note.answer:
                self._tell(self.listener.on_answer, note.node, note.answer)
            if note.count:
                self._tell(self._count, self.listener, note)
        if note.ticket and not note.wants and not note.count:
            waiting = self._tickets.get(note.ticket)
            if waiting is not None:
                for guild_id, number in note.counted.items():
                    waiting[2][guild_id] = max(waiting[2].get(guild_id, 0), number)
            self._answered(note.ticket, note.node)

    def heard_of(self, node: str) -> bool:
        """Note that a peer lives; False of one that said farewell, whose words may come late."""
        if node in self._ended:
            return False
        fresh = node not in self._missed
        self._missed[node] = 0
        self._silent.discard(node)
        if fresh:
            log.info("peer", node=node)
            if self.listener is not None:
                self._tell(self.listener.on_joined, node)
        return True

    def _answer(self, listener: Listener, note: Note) -> None:
        answer = Note(node=self.name, ticket=note.ticket, answer=listener.on_wanted(note.node, note.wants))
        self._say(topic_of(note.node), answer)

    def _count(self, listener: Listener, note: Note) -> None:
        answer = Note(node=self.name, ticket=note.ticket, counted=listener.on_counted(note.count))
        self._say(topic_of(note.node), answer)

    def _answered(self, ticket: int, node: str) -> None:
        waiting = self._tickets.get(ticket)
        if waiting is not None:
            waiting[0].discard(node)
            if not waiting[0]:
                waiting[1].set()

    def _came_back(self, note: Note) -> None:
        """One's own words are over the bus: so are those of whoever still lives."""
        if note.number == self._sent:
            self._unsaid.clear()
        if note.beat != self._beats:
            return  # no beat, or one that waited for Redis; others' may wait still
        for node in list(self._missed):
            self._missed[node] += 1
            if self._missed[node] > LEASE_BEATS:
                self._give_up(node, "nothing heard")

    def _give_up(self, node: str, why: str) -> None:
        if self._missed.pop(node, None) is None:
            return
        self._silent.discard(node)
        log.info("peer gone", node=node, why=why)
        for ticket in list(self._tickets):
            self._answered(ticket, node)
        if self.listener is not None:
            self._tell(self.listener.on_gone, node)

    @staticmethod
    def _tell(call: Callable[..., object], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception:
            log.exception("not taken")


def topic_of(name: str) -> int:
    """Return the id of a node's own topic, or of the topic of all."""
    return TOPICS | int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")


ALL = topic_of("")


def _nobody() -> None:
    """Nobody minds."""
