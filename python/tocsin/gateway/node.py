"""GatewayNode: the gateway half of a node put together: the Rust core and the parts that decide for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Sequence

import msgspec
import structlog

from tocsin import _core
from tocsin.bus.redis import RedisBus
from tocsin.config import Settings
from tocsin.gateway.across import FILL_S, Across
from tocsin.gateway.batch import Batch, Orders
from tocsin.gateway.commands import Commands
from tocsin.gateway.departures import Departures
from tocsin.gateway.faults import Faults
from tocsin.gateway.forms import CLOSE_AUTHENTICATION
from tocsin.gateway.guilds import GuildRegistry
from tocsin.gateway.host import Host
from tocsin.gateway.identify import Identifier
from tocsin.gateway.lookers import PassiveUpdates
from tocsin.gateway.member_list_commands import Subscriptions
from tocsin.gateway.members import MemberRequests
from tocsin.gateway.metrics import ControlMetrics
from tocsin.gateway.own_sessions import OwnSessions
from tocsin.gateway.peers import Peers, coming
from tocsin.gateway.policy import Policy
from tocsin.gateway.presence import PresenceBook
from tocsin.gateway.session import Sessions
from tocsin.gateway.takeover import Takeover, memo_of
from tocsin.gateway.voice import Voice
from tocsin.model.event import PRIVATE_CHANNEL_EVENTS, Event, Scope, ScopeKind
from tocsin.service.services import Services
from tocsin.service.tracing import Passage

SWEEP_S = 5.0
TOKENS_AT_ONCE = 500
"""Sessions whose tokens are looked up together."""
DRAIN_POLL_MS = 20
BUS_GRACE_MS = 2000
"""How long a stop waits for what is still to be published; the outbox has the rest."""
SESSION_MARGIN_MS = 60_000
"""How much longer a node's journals are kept than a session may be resumed."""
DRAIN_GRACE_MS = 4000
"""Time after the last op 7 for clients to leave, and for the core to close those that do not."""

log = structlog.get_logger("tocsin.gateway")


class _Ref(msgspec.Struct):
    id: str


OWN = frozenset(
    {
        "MESSAGE_ACK",
        "CHANNEL_PINS_ACK",
        "USER_GUILD_SETTINGS_UPDATE",
        "USER_NOTE_UPDATE",
        "USER_SETTINGS_PROTO_UPDATE",
        "USER_SETTINGS_UPDATE",
    }
)
"""Events of what READY shows to people of their own."""
_decode_ref = msgspec.json.Decoder(_Ref).decode


class GatewayNode:
    """Owns the core, the sessions and the guilds. `orders()` is where the bus puts events, also before `start`.

    Args:
        settings: the node's.
        bus: what carries events between nodes; None where this is the only one.
        heard: takes what other nodes committed, as a store's `on_commit` does.
        listens: whether it takes sessions. Without, it only hears the bus, for an API that has no gateway of its own.
    """

    def __init__(
        self,
        settings: Settings,
        bus: RedisBus | None = None,
        heard: Callable[[Sequence[Event]], None] | None = None,
        *,
        listens: bool = True,
    ) -> None:
        self._settings = settings
        self._listens = listens
        self._bus = bus
        self._heard = heard
        self._link: _core.Bus | None = None
        self._outgoing_batch = _core.Batch()
        self._outgoing = Orders(self._outgoing_batch, asyncio.get_running_loop().call_soon)
        core_batch = _core.Batch()
        self._core_batch = core_batch
        loop = asyncio.get_running_loop()
        self._orders = Orders(core_batch, loop.call_soon)
        # What the ids of its sessions begin with, so that others find what became of them. New at each start.
        self._tag = secrets.token_bytes(4)
        config = config_of(settings if listens else deaf(settings), None if bus is None else self._tag)
        self._core = _core.Gateway(config)
        self._sessions = Sessions()
        self.faults = Faults(self._orders, self._sessions)
        self._guilds: GuildRegistry | None = None
        self._host: Host | None = None
        self._presences: PresenceBook | None = None
        self._peers: Peers | None = None
        self._recheck: asyncio.Task[None] | None = None
        self._services: Services | None = None
        self._departures: Departures | None = None
        self._parts: list[
            MemberRequests | Commands | Policy | Subscriptions | Departures | Takeover | PassiveUpdates
        ] = []
        self._sweeper: asyncio.Task[None] | None = None
        self._metrics = ControlMetrics()
        self._running = False

    def orders(self) -> Batch:
        """Return the batch of the current loop turn."""
        return self._orders()

    def submit(self) -> None:
        """Hand the turn's batch to the core now."""
        self._orders.flush()

    def outgoing(self) -> Batch:
        """Return the batch of what leaves for other nodes in this loop turn, and comes back in this node's inbox."""
        return self._outgoing()

    def start(self, services: Services) -> None:
        """Bind the port and take sessions.

        Raises:
            OSError: the port cannot be bound, or there is no Redis fit for the bus.
        """
        self._services = services
        context = services.context
        loop = asyncio.get_running_loop()
        if self._bus is not None:
            # New at each start: an inbox of an earlier life is never read again.
            name = f"{self._settings.node_id}-{self._tag.hex()}"
            self._peers = Peers(name, self._bus, self._end_revoked, self._on_missed)
        guilds = self._guilds = GuildRegistry(
            context.store,
            context.clock,
            _core.Fragment,
            lambda groups: _core.MemberList(groups),
            context.interest,
            self._settings.passive_from_members,
        )
        passive = PassiveUpdates(self._settings.passive_update_ms, self._orders, guilds, loop.call_later)
        presences = self._presences = PresenceBook(
            self._settings, context.clock, self._orders, self._sessions, guilds, loop.call_soon, loop.call_later
        )
        own_sessions = OwnSessions(self._orders, self._sessions)
        presences.on_said = own_sessions.changed
        identifier = Identifier(
            services, self._orders, self._sessions, guilds, presences, own_sessions, self._metrics, lambda: self.url
        )
        policy = Policy(self._orders, self._sessions, guilds, presences, self._metrics, context.clock, self._heard)
        if self._bus is not None and self._peers is not None:
            policy.across = Across(self._peers, self._bus, guilds, presences, self._orders)
            presences.on_change = policy.across.tell
        members = MemberRequests(self._orders, self._sessions, guilds, context.clock)
        subscriptions = Subscriptions(self._orders, guilds, loop.call_later)
        voice = Voice(self._settings, context.clock, self._orders, guilds, shared=self._bus is not None)
        if policy.across is not None:
            policy.across.on_moved = voice.send_server
        services.voice.rooms = voice
        takeover = None if self._bus is None else self._takeover_of(services, guilds, presences, own_sessions)
        commands = Commands(services, self._orders, self._sessions, guilds, presences, members, subscriptions, voice)
        departures = self._departures = Departures(
            services.temporary_members, self._sessions, loop.call_later, self._is_elsewhere
        )
        if self._listens and self._bus is None:
            # Where there are other nodes, people may have come back to one of those.
            departures.expect()
        self._parts = [members, commands, policy, subscriptions, departures, passive]
        self._parts += [] if takeover is None else [takeover]
        self._host = Host(
            self._core,
            self._orders,
            self._sessions,
            guilds,
            presences,
            identifier,
            policy,
            commands,
            voice,
            context.clock,
            self._bus,
            self._peers,
            takeover,
            self._on_messages,
            departures,
            own_sessions,
        )
        self._metrics.watch("tocsin_guilds_loaded", "Guilds with a replica on this node", lambda: len(guilds))
        self._metrics.watch_totals(
            lambda: (
                ("tocsin_presence_updates", "Presence changes told", presences.told),
                ("tocsin_presence_merged", "Presence changes replaced untold", presences.merged),
                ("tocsin_presence_delayed", "Presences put off in a storm", presences.delayed),
            )
        )
        self._core.start()
        if not self._listens:
            self._core.begin_drain(0)  # closes the door; there is nobody to send away
        self._running = True
        self._host.start()
        services.auth.on_revoked.append(self._on_revoked)
        self._orders.attach(lambda: self._core.submit(self._core_batch))
        if self._bus is not None and self._peers is not None:
            self._join(self._bus, self._peers)
        self._sweeper = asyncio.create_task(self._sweep(guilds, presences))

    def _takeover_of(
        self, services: Services, guilds: GuildRegistry, presences: PresenceBook, own_sessions: OwnSessions
    ) -> Takeover:
        def link() -> _core.Bus:
            if self._link is None:
                raise RuntimeError("the bus has not begun")
            return self._link

        self._sessions.changed = lambda session: self._orders().memo(session.key, memo_of(session))
        return Takeover(
            services,
            self._orders,
            self._sessions,
            guilds,
            presences,
            own_sessions,
            lambda *wanted: link().find(*wanted),
            lambda *taken: link().take(*taken),
            self._metrics.took_over,
        )

    def _join(self, bus: RedisBus, peers: Peers) -> None:
        link = self._link = bus_of(self._core, self._settings, peers.name, self._tag)
        bus.start(link)
        bus.on_rejoined = peers.rejoin
        peers.on_hello = self._sessions.read_again
        peers.start()
        self._metrics.watch("tocsin_peers", "Other nodes that this one hears of", lambda: len(peers))
        self._outgoing.attach(lambda: link.publish(self._outgoing_batch))
        self._metrics.watch("tocsin_bus_away", "Whether Redis cannot be reached", lambda: bus.away)
        self._metrics.watch("tocsin_bus_scopes", "Scopes whose events come to this node", lambda: bus.followed)
        self._metrics.watch("tocsin_bus_behind_scopes", "Scopes that are being caught up", lambda: bus.behind)
        self._metrics.watch("tocsin_bus_queue_bytes", "What waits to be published", lambda: link.waiting()[0])
        self._metrics.watch_totals(
            lambda: [("tocsin_bus_crowded_out", "Ephemeral events dropped for want of room", link.waiting()[1])]
        )
        self._metrics.watch_totals(
            lambda: [(f"tocsin_bus_{name}", meaning, value) for name, (meaning, value) in link.figures().items()]
        )

    def _on_messages(self, messages: Sequence[tuple[int, int, int, bytes]]) -> None:
        """Note messages that came over the bus, whoever committed them."""
        events = [
            Event(
                name="MESSAGE_CREATE",
                scope=Scope(ScopeKind.GUILD, guild_id),
                body=body,
                guild_id=guild_id,
                channel_id=channel_id,
                author_id=author_id,
            )
            for guild_id, channel_id, author_id, body in messages
        ]
        if self._heard is not None:
            self._heard(events)
        self.on_commit(events)

    @property
    def port(self) -> int:
        """The port that is bound."""
        return self._core.port

    @property
    def url(self) -> str:
        """The URL for clients: `public_gateway_url`, or the address as bound."""
        return self._settings.public_gateway_url or f"ws://{url_host(self._settings.host)}:{self.port}"

    def on_commit(self, events: Sequence[Event]) -> None:
        """Note what of the committed events READY and GUILD_CREATE show and no state event tells."""
        if self._guilds is None:
            return
        for event in events:
            if event.name == "MESSAGE_CREATE":
                if self._presences is not None and self._sessions.concerns(event.author_id):
                    own = self._sessions.of_user(event.author_id)
                    self._presences.active(event.author_id, bot=own[0].bot)
                guild = self._guilds.get(event.guild_id) if event.guild_id else None
                if guild is not None:
                    guild.bodies.note_message(event.channel_id, int(_decode_ref(event.body).id))
                    guild.lookers.note(event.channel_id)
            elif event.name in OWN or (event.name in PRIVATE_CHANNEL_EVENTS and not event.guild_id):
                if self._bus is not None:
                    # It comes back to this node too, if that has anybody who is to hear of it.
                    self._bus.publish_ephemeral(coming(event))
                    continue
                for user_id in event.users:
                    self._sessions.missed(user_id, event.name, event.body)

    def _on_revoked(self, user_id: int, token_digest: bytes) -> None:
        """Forget a token that was revoked here."""
        self._end_revoked(user_id, token_digest)
        if self._peers is not None:
            self._peers.revoke(user_id, token_digest)

    def _end_revoked(self, user_id: int, token_digest: bytes) -> None:
        """Forget a token that was revoked anywhere."""
        if self._services is not None:
            self._services.auth.forget_token(token_digest)
        for session in self._sessions.revoke(user_id, token_digest):
            self._orders().end_session(session.key, CLOSE_AUTHENTICATION)

    def _on_missed(self) -> None:
        """Look whether tokens were revoked while nothing was heard, and have identifies under way read anew."""
        self._sessions.read_again()
        if self._recheck is None or self._recheck.done():
            self._recheck = asyncio.create_task(self._end_unknown())

    async def _end_unknown(self) -> None:
        assert self._services is not None
        auth = self._services.auth
        principals = [session.principal for session in self._sessions]
        for first in range(0, len(principals), TOKENS_AT_ONCE):
            some = principals[first : first + TOKENS_AT_ONCE]
            try:
                good = await auth.good(list({each.id for each in some}))
            except Exception:
                log.exception("tokens not checked")
                return
            for principal in some:
                if principal.token_digest not in good:
                    self._end_revoked(principal.id, principal.token_digest)

    async def online_in(self, guild_ids: Sequence[int]) -> dict[int, int]:
        """Return how many members of guilds are seen online; of guilds not held here other nodes are asked."""
        if self._guilds is None:
            return {}
        held = {each: guild for each in guild_ids if (guild := self._guilds.get(each)) is not None}
        found = {guild_id: len(guild.bodies.shown) for guild_id, guild in held.items()}
        others = [each for each in guild_ids if each not in held]
        if others and self._peers is not None:
            found |= await self._peers.count(others, FILL_S)
        return found

    def members_of(self, guild_id: int) -> int:
        """Return how many members a guild has, 0 when this node does not hold it."""
        guild = None if self._guilds is None else self._guilds.get(guild_id)
        return 0 if guild is None else guild.state.member_count

    def has_session(self, user_id: int) -> bool:
        """Return whether a user has a session on this node, or at another as far as the guilds here know."""
        return self._sessions.concerns(user_id) or self._is_elsewhere(user_id)

    def _is_elsewhere(self, user_id: int) -> bool:
        return self._guilds is not None and any(guild.parts.of(user_id) for guild in self._guilds)

    def metrics(self) -> str:
        """Return all figures of the gateway in Prometheus' text format."""
        return (self._core.metrics() if self._running else "") + self._metrics.text()

    def passages(self) -> list[Passage]:
        """Return what traced events went through since this was last asked. May be called on any thread."""
        return self._core.passages() if self._running else []

    def stats(self) -> dict[str, int]:
        """Return the core's figures by name."""
        return self._core.stats()

    async def _sweep(self, guilds: GuildRegistry, presences: PresenceBook) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                guilds.sweep(self._orders)
                presences.sweep()
            except Exception:
                log.exception("sweep failed")

    async def drain(self) -> None:
        """Send clients away by op 7, spread over `drain_spread_ms`; wait until they left or the grace is over."""
        if not self._running:
            return
        self._orders.flush()
        if self._departures is not None:
            self._departures.cease()
        spread_ms = self._settings.drain_spread_ms
        self._core.begin_drain(spread_ms)
        for _ in range(int((spread_ms + DRAIN_GRACE_MS) / DRAIN_POLL_MS)):
            if not self._core.stats().get("connections", 0):
                return
            await asyncio.sleep(DRAIN_POLL_MS / 1000)

    async def stop(self) -> None:
        """End everything. Idempotent."""
        if not self._running:
            return
        self._running = False
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        if self._host is not None:
            await self._host.stop()
        for part in self._parts:
            await part.stop()
        if self._recheck is not None:
            self._recheck.cancel()
            await asyncio.gather(self._recheck, return_exceptions=True)
        if self._peers is not None:
            await self._peers.stop()
            self._outgoing.flush()
        if self._bus is not None:
            await self._bus.stop()
        self._outgoing.detach()
        if self._link is not None:
            await asyncio.to_thread(self._link.stop, BUS_GRACE_MS)
        self._orders.detach()
        self._core.stop()


def bus_of(core: _core.Gateway, settings: Settings, name: str, tag: bytes) -> _core.Bus:
    """Begin a node's part of the bus. Raises ConnectionError: there is no fit Redis."""
    return _core.Bus(
        core,
        settings.bus,
        name,
        tag,
        prefix=settings.bus_prefix,
        partitions=settings.bus_partitions,
        inbox_ttl_ms=settings.bus_inbox_ttl_ms,
        watermark_ttl_ms=6 * settings.outbox_window_ms,
        queue_max_bytes=settings.bus_queue_max_bytes,
        session_ttl_ms=settings.resume_window_ms + SESSION_MARGIN_MS,
    )


def deaf(settings: Settings) -> Settings:
    """Return the settings of a core that takes nobody: one worker, behind a door that is closed at once, no journal."""
    return msgspec.structs.replace(settings, host="127.0.0.1", gateway_port=0, workers=1, resume_window_ms=0)


def config_of(settings: Settings, tag: bytes | None = None) -> _core.GatewayConfig:
    """Return the core's part of the settings. 0 workers means one per processor.

    `tag` is what sessions' ids begin with where other nodes may go on with them.
    """
    return _core.GatewayConfig(
        host=settings.host,
        port=settings.gateway_port,
        workers=settings.workers or len(os.sched_getaffinity(0)),
        heartbeat_interval_ms=settings.heartbeat_interval_ms,
        identify_timeout_ms=settings.identify_timeout_ms,
        handshake_timeout_ms=settings.handshake_timeout_ms,
        resume_window_ms=settings.resume_window_ms,
        replay_max_events=settings.replay_max_events,
        replay_max_bytes=settings.replay_max_bytes,
        outbound_max_bytes=settings.outbound_max_bytes,
        payload_max_bytes=settings.payload_max_bytes,
        send_limit=settings.send_limit,
        send_window_ms=settings.send_window_ms,
        host_queue_max=settings.host_queue_max,
        max_connections=settings.max_connections,
        compression=settings.compression,
        debug_inflate=settings.debug_inflate,
        session_tag=tag,
        traces=bool(settings.trace_endpoint),
    )


def url_host(host: str) -> str:
    """Return the host as a URL names it: an any-address by its loopback, IPv6 in brackets."""
    if host in ("", "0.0.0.0"):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host
