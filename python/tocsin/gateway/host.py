"""Host: the boundary to `tocsin._core`. Requests come up on the loop; orders go down once per turn.

Every request is answered; a handler that fails is logged and never stops the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from tocsin import _core
from tocsin.bus.redis import RedisBus
from tocsin.gateway.batch import Batch
from tocsin.gateway.commands import Commands
from tocsin.gateway.departures import Departures
from tocsin.gateway.guilds import GuildRegistry
from tocsin.gateway.identify import Identifier
from tocsin.gateway.own_sessions import OwnSessions
from tocsin.gateway.peers import COMING, TOPICS, Peers, what_comes
from tocsin.gateway.policy import Policy
from tocsin.gateway.presence import PresenceBook
from tocsin.gateway.session import Sessions
from tocsin.gateway.takeover import Takeover
from tocsin.gateway.voice import Voice
from tocsin.model.event import Scope, ScopeKind

DRAIN_MAX = 256
PRESENCES_S = 0.005
"""Once a presence came, others that come alone are looked for so often, and wake nobody: in a storm the loop's turn,
the batch and the writes are shared by all of that time. A message that comes meanwhile waits for them: with 20 ms and
1,000 changes a second its p99 rose by a quarter, though a change cost 45 us instead of 70."""
PRESENCES_AT_ONCE = 4
"""About so many a turn, 0.2 ms: whoever posts a message does not wait for all that came meanwhile."""

_PRESENCE = 3

log = structlog.get_logger("tocsin.gateway")


class Host:
    """Reads the core's requests and hands each to its part."""

    def __init__(
        self,
        core: _core.Gateway,
        orders: Callable[[], Batch],
        sessions: Sessions,
        guilds: GuildRegistry,
        presences: PresenceBook,
        identifier: Identifier,
        policy: Policy,
        commands: Commands,
        voice: Voice,
        clock: Callable[[], int],
        bus: RedisBus | None,
        peers: Peers | None,
        takeover: Takeover | None,
        messages: Callable[[Sequence[tuple[int, int, int, bytes]]], None],
        departures: Departures,
        own_sessions: OwnSessions,
    ) -> None:
        self._core = core
        self._bus = bus
        self._peers = peers
        self._takeover = takeover
        self._messages = messages
        self._departures = departures
        self._own_sessions = own_sessions
        self._orders = orders
        self._sessions = sessions
        self._guilds = guilds
        self._presences = presences
        self._identifier = identifier
        self._policy = policy
        self._commands = commands
        self._voice = voice
        self._clock = clock
        self._identifies: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fd = -1
        self._storm: asyncio.TimerHandle | None = None
        self._goes_on = False

    def start(self) -> None:
        """Begin to take requests on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._fd = self._core.fileno()
        self._loop.add_reader(self._fd, self._on_readable)

    async def stop(self) -> None:
        """Take no more requests and give up on those under way."""
        if self._loop is None:
            return
        self._loop.remove_reader(self._fd)
        self._loop = None
        if self._storm is not None:
            self._storm.cancel()
        for task in list(self._identifies):
            task.cancel()
        await asyncio.gather(*self._identifies, return_exceptions=True)

    def _on_readable(self) -> None:
        if not self._goes_on:
            self._read()

    def _go_on(self) -> None:
        self._goes_on = False
        self._read()

    def _read(self) -> None:
        if self._loop is None:
            return
        flaps, handled, more = 0, 0, True
        while more and flaps < PRESENCES_AT_ONCE and handled < DRAIN_MAX:
            requests = self._core.drain(PRESENCES_AT_ONCE)
            more = len(requests) == PRESENCES_AT_ONCE
            handled += len(requests)
            for request in requests:
                flaps += request[0] == 2 and request[2] == _PRESENCE
                try:
                    self._handle(request)
                except Exception:
                    log.exception("request failed", kind=request[0])
        if flaps and self._storm is None:
            self._core.let_presences_wait(True)
            self._storm = self._loop.call_later(PRESENCES_S, self._look)
        if more and not self._goes_on:
            # Others get their turn before the rest.
            self._goes_on = True
            self._loop.call_soon(self._go_on)

    def _look(self) -> None:
        """Take the presences that waited; if there are none, the next one wakes the loop by itself."""
        self._storm = None
        self._core.let_presences_wait(False)
        self._on_readable()

    def _handle(self, request: _core.Request) -> None:
        if request[0] == 1:  # _core.IDENTIFY
            _, key, session_id, d, _, version = request
            task = asyncio.create_task(self._identifier.identify(key, session_id, d, version))
            self._identifies.add(task)
            task.add_done_callback(self._identifies.discard)
        elif request[0] == 2:  # _core.COMMAND
            _, key, op, d = request
            self._commands.handle(key, op, d)
        elif request[0] == 3:  # _core.POLICY
            _, ticket, scope_kind, scope_id, seq, name, body = request
            if scope_kind == ScopeKind.USER and scope_id >= TOPICS:
                if self._peers is not None:
                    self._peers.hear(body)
                self._orders().resolve(ticket)
            elif name == COMING:
                self._coming(ticket, body)
            else:
                self._policy.apply(ticket, scope_kind, scope_id, seq, name, body)
        elif request[0] == 4:  # _core.CLOSED
            self._closed(request[1], request[2])
        elif self._takeover is not None and request[0] in (6, 12, 13, 14):
            self._handle_takeover(self._takeover, request)
        elif self._bus is not None:
            self._handle_bus(self._bus, request)
        # Detached and attached sessions count as present alike (protocol.md §9.3).

    def _handle_takeover(self, takeover: Takeover, request: _core.Request) -> None:
        if request[0] == 6:  # _core.ATTACHED
            takeover.on_attached(request[1])
        elif request[0] == 12:  # _core.CLAIM
            takeover.claim(*request[1:])
        elif request[0] == 13:  # _core.BUS_FOUND
            takeover.on_found(request[1], request[2])
        elif request[0] == 14:  # _core.BUS_NOT_TAKEN
            takeover.on_not_taken(request[1], request[2])

    def _handle_bus(self, bus: RedisBus, request: _core.Request) -> None:
        if request[0] == 7:  # _core.BUS_OPENED
            bus.on_opened(request[1], request[2])
        elif request[0] == 8:  # _core.BUS_REGISTERED
            bus.on_registered(request[1], request[2])
        elif request[0] == 9:  # _core.BUS_BEHIND
            bus.on_behind(Scope(ScopeKind(request[1]), request[2]), request[3])
        elif request[0] == 10:  # _core.BUS_AWAY
            bus.on_away(request[1])
            if not request[1] and self._peers is not None:
                self._peers.rejoin()
        elif request[0] == 11:  # _core.BUS_MESSAGES
            self._messages(request[1])

    def _coming(self, ticket: int, body: bytes) -> None:
        """Let identifies under way have the event; what was accepted before this is told of it by itself."""
        try:
            told = what_comes(body)
            for user_id in told.users:
                self._sessions.missed(user_id, told.name, bytes(told.body))
        finally:
            self._orders().resolve(ticket)

    def _closed(self, key: int, reason: str) -> None:
        pending = self._sessions.pending(key)
        if pending is not None:
            pending.gone = True
        session = self._sessions.remove(key)
        if session is None:
            return
        guild_ids = list(session.guilds)
        for guild_id in guild_ids:
            guild = self._guilds.get(guild_id)
            if guild is not None:
                guild.unseat(session, self._clock())
                self._voice.ended(session, guild)
        self._presences.touch(session.user_id, guild_ids)
        self._own_sessions.changed(session)
        if not session.bot and reason != "moved":
            self._departures.ended(session.user_id)
