"""RedisBus: this node's interest in scopes over Redis Streams, and what makes good for what the bus could not carry.

Invariant: an inbox is read only once everything followed is registered with it, and what the outbox holds of the time
between it and the one before has been put in front (ADR 0014).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

import structlog

from tocsin.bus.local import Inbox, LocalBus
from tocsin.model.event import Event, Scope, ScopeKind

LOST = "TOCSIN_LOST"
"""Ends the sessions of those it names, who missed what nobody has any more; the gateway's own (`dispatcher.rs`)."""
SCOPES_PER_CALL = 500
SWEEP_S = 5.0
SETTLED_MS = 2_000
"""Age of an outbox row after which it should be on the bus, whoever wrote it."""
SWEPT_MS = 15_000
CATCHING_UP = 4
"""Scopes of which the outbox is read at a time."""
MARGIN_MS = 1_000
"""How far the clocks of nodes may be apart where rows are chosen by age."""

T = TypeVar("T")

log = structlog.get_logger("tocsin.bus")


class Wire(Protocol):
    """The core's part of the bus (`_core.Bus`)."""

    def register(self, ticket: int, incarnation: int, scopes: Sequence[tuple[int, int]], /) -> None: ...  # noqa: D102
    def begin(self, scope_kind: int, scope_id: int, after: int, over_hole: bool, /) -> None: ...  # noqa: D102
    def go_on(self, incarnation: int, /) -> None: ...  # noqa: D102


class Outbox(Protocol):
    """What the bus reads of the store."""

    async def outbox_after(  # noqa: D102
        self, scope: Scope, seq: int, limit: int = 1000, *, since_ms: int = 0
    ) -> list[Event]: ...
    async def outbox_since(self, created_ms: int, limit: int = 100_000) -> list[tuple[int, Event]]: ...  # noqa: D102


class RedisBus(LocalBus):
    """Implements `bus.base.Bus` and `bus.base.Interest`.

    Args:
        outgoing: returns the batch of what leaves for Redis in this loop turn.
        incoming: returns the batch of this node's own inbox.
        submit: hands that batch over now.
        outbox: where what was not carried is read from.
        clock: gives Unix milliseconds.
    """

    def __init__(
        self,
        outgoing: Callable[[], Inbox],
        incoming: Callable[[], Inbox],
        submit: Callable[[], None],
        outbox: Outbox,
        clock: Callable[[], int],
    ) -> None:
        super().__init__(outgoing)
        self._own = LocalBus(incoming)
        self._submit = submit
        self._outbox = outbox
        self._clock = clock
        self._wire: Wire | None = None
        self._incarnation = 0
        self._opened_ms = clock()
        self._followed: dict[Scope, int] = {}  # since when, Unix ms
        self._settled: dict[Scope, asyncio.Future[None]] = {}
        self._tickets: dict[int, asyncio.Future[bool]] = {}
        self._last_ticket = 0
        self._behind: dict[Scope, int] = {}  # the newest watermark that was told of
        self._catching_up = asyncio.Semaphore(CATCHING_UP)
        self._tasks: set[asyncio.Future[object]] = set()
        self._away = False
        self._away_since = 0
        self.on_rejoined: Callable[[], None] = _nobody
        """Called when a new inbox is registered, and what was missed of logs is in front: ephemeral events are lost."""

    # -- life

    def start(self, wire: Wire) -> None:
        """Begin; the core's notes go to `on_opened` and its like."""
        self._wire = wire
        self._spawn(self._sweep())

    async def stop(self) -> None:
        """End what is under way. The core's part is its owner's to stop."""
        self._wire = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for settled in self._settled.values():
            settled.cancel()
        for answer in self._tickets.values():
            answer.cancel()

    @property
    def away(self) -> bool:
        """Whether Redis cannot be reached."""
        return self._away

    def away_ms(self) -> int:
        """Return for how long Redis could not be reached; 0 if it can."""
        return max(self._clock() - self._away_since, 1) if self._away else 0

    @property
    def followed(self) -> int:
        """How many scopes' events come to this node."""
        return len(self._followed)

    @property
    def behind(self) -> int:
        """How many scopes are being published anew from the outbox."""
        return len(self._behind)

    def _spawn(self, work: Awaitable[object]) -> None:
        task: asyncio.Future[object] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- interest

    async def follow(self, *scopes: Scope) -> None:
        """Return when all later events of these guilds, and of what names these users, come to this node.

        While Redis is away this waits for it.
        """
        fresh = [scope for scope in scopes if scope not in self._followed]
        now = self._clock()
        for scope in fresh:
            self._followed[scope] = now
            self._settled[scope] = asyncio.get_running_loop().create_future()
        if fresh and self._incarnation:
            self._spawn(self._register(self._incarnation, fresh))
        for scope in scopes:
            settled = self._settled.get(scope)
            if settled is not None:
                await asyncio.shield(settled)

    async def _register(self, incarnation: int, scopes: Sequence[Scope]) -> bool:
        """Register scopes with an inbox; return whether it was there, and is the newest still."""
        answers = []
        for start in range(0, len(scopes), SCOPES_PER_CALL):
            if self._wire is None or incarnation != self._incarnation:
                return False
            self._last_ticket += 1
            answer = self._tickets[self._last_ticket] = asyncio.get_running_loop().create_future()
            some = [(int(scope.kind), scope.id) for scope in scopes[start : start + SCOPES_PER_CALL]]
            self._wire.register(self._last_ticket, incarnation, some)
            answers.append(answer)
        done = all([await answer for answer in answers]) and incarnation == self._incarnation
        if done:
            for scope in scopes:
                settled = self._settled.pop(scope, None)
                if settled is not None and not settled.done():
                    settled.set_result(None)
        # Otherwise the next inbox registers all that is followed.
        return done

    # -- what the core says

    def on_registered(self, ticket: int, done: bool) -> None:
        """A registration was answered."""
        answer = self._tickets.pop(ticket, None)
        if answer is not None and not answer.done():
            answer.set_result(done)

    def on_opened(self, incarnation: int, why: str) -> None:
        """The node has a new inbox."""
        log.info("inbox", incarnation=incarnation, why=why, scopes=len(self._followed))
        self._incarnation, self._opened_ms = incarnation, self._clock()
        for answer in self._tickets.values():
            if not answer.done():
                answer.set_result(False)
        self._tickets.clear()
        self._spawn(self._begin(incarnation, recover=why != "first"))

    async def _begin(self, incarnation: int, *, recover: bool) -> None:
        if not await self._register(incarnation, list(self._followed)):
            return
        if recover:
            await self._recover()
        if self._wire is not None and incarnation == self._incarnation:
            self._wire.go_on(incarnation)
            if recover:
                self.on_rejoined()

    async def _recover(self) -> None:
        """Put what the outbox holds of the followed scopes into the node's own inbox, which drops what it has seen."""
        if not self._followed:
            return
        rows = await self._retried(lambda: self._outbox.outbox_since(min(self._followed.values()) - MARGIN_MS))
        missed = [event for created, event in rows if self._concerns(event, created)]
        log.info("recovered", events=len(missed))
        self._own.publish(missed)
        # Before the inbox is read: it goes on where these end.
        self._submit()

    def _concerns(self, event: Event, created_ms: int) -> bool:
        # What was committed before a scope was followed is in what was read after.
        scopes = [event.scope] if event.guild_id else [Scope(ScopeKind.USER, each) for each in event.users]
        since = [self._followed[scope] for scope in scopes if scope in self._followed]
        return bool(since) and created_ms >= min(since) - MARGIN_MS

    async def _retried(self, read: Callable[[], Awaitable[T]]) -> T:
        pause = 0.1
        while True:
            try:
                return await read()
            except Exception:
                log.exception("outbox not read")
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    def on_behind(self, scope: Scope, watermark: int) -> None:
        """Rows of the scope's log after the watermark were never published, whoever wrote them; 0: how far it was
        published, nobody knows.
        """
        if scope not in self._behind:
            self._spawn(self._catch_up(scope, watermark))
        self._behind[scope] = watermark

    async def _catch_up(self, scope: Scope, watermark: int) -> None:
        try:
            seq = watermark
            while True:
                # Of a log that Redis does not know: what is older than this node's inbox was swept by others, or all
                # have recovered it, where another Redis had it.
                since = 0 if seq else self._opened_ms - SWEPT_MS
                events = await self._log_after(scope, seq, since)
                if not events:
                    break
                if seq == watermark and events[0].seq != watermark + 1 and self._wire is not None:
                    if watermark:
                        self._lose(scope, watermark, events)
                    self._wire.begin(int(scope.kind), scope.id, events[0].seq - 1, bool(watermark))
                self.publish(events)
                seq = events[-1].seq
        except Exception:
            log.exception("not caught up", scope=tuple(scope))
        finally:
            told = self._behind.pop(scope)
        if told != watermark:
            # What was published above was refused in its turn: by now Redis knows better.
            self.on_behind(scope, told)

    async def _log_after(self, scope: Scope, seq: int, since_ms: int) -> list[Event]:
        # After Redis lost its watermarks this is asked for every scope: they wait here, not for the database's readers.
        async with self._catching_up:
            return await self._retried(lambda: self._outbox.outbox_after(scope, seq, since_ms=since_ms))

    def _lose(self, scope: Scope, watermark: int, events: Sequence[Event]) -> None:
        """The outbox has forgotten what is missing: nodes find the hole and begin anew with the scope."""
        log.error("events lost", scope=tuple(scope), expected=watermark + 1, got=events[0].seq)
        if scope.kind is ScopeKind.CHANNEL:
            # Of a DM nodes find no hole: not all of it comes to each.
            people = {user for event in events for user in event.users}
            self.publish_ephemeral(Event(name=LOST, scope=scope, body=b"{}", users=tuple(sorted(people))))

    def on_away(self, why: str) -> None:
        """Redis cannot be reached, or can again when `why` is empty."""
        if why and not self._away:
            self._away_since = self._clock()
        self._away = bool(why)
        if why:
            log.warning("bus away", why=why)
        else:
            log.info("bus back")

    # -- what nobody published

    async def _sweep(self) -> None:
        """Publish again each scope's newest settled row: a writer that died after its commit left it to us."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                now = self._clock()
                rows = await self._outbox.outbox_since(now - SWEPT_MS)
                self.publish(list(_newest(event for created, event in rows if created <= now - SETTLED_MS)))
            except Exception:
                log.exception("sweep failed")


def _nobody() -> None:
    """Nobody minds."""


def _newest(events: Iterable[Event]) -> Iterable[Event]:
    """Return the last event of each scope; Redis drops those it has, and says where it is behind."""
    newest: dict[Scope, Event] = {}
    for event in events:
        found = newest.get(event.scope)
        if found is None or found.seq < event.seq:
            newest[event.scope] = event
    return newest.values()
