"""Node: one running node put together: store, services, gateway and API on one loop; and `run`, its process."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import gc
import importlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from tocsin import __version__
from tocsin.bus.base import Interest
from tocsin.bus.local import Everything, LocalBus
from tocsin.bus.redis import RedisBus
from tocsin.bus.starts import RedisStarts
from tocsin.bus.windows import RedisWindows
from tocsin.config import Settings
from tocsin.figures import family
from tocsin.gateway.faults import Faults
from tocsin.gateway.node import GatewayNode, url_host
from tocsin.gateway.patterns import compile_patterns
from tocsin.http import HttpServer
from tocsin.logs import configure_logs, log_figures
from tocsin.model.event import Event
from tocsin.model.snowflake import SnowflakeFactory
from tocsin.service.context import Context
from tocsin.service.node_file import (
    NodeFile,
    announce,
    new_control_token,
    remove_ready_file,
    withdraw,
)
from tocsin.service.services import Services, build_services
from tocsin.service.tracing import Tracing
from tocsin.service.windows import SharedWindows
from tocsin.service.world import World
from tocsin.service.world_file import read_world_file
from tocsin.service.world_seed import seed_world
from tocsin.store import Store, open_store

if TYPE_CHECKING:
    from tocsin.telemetry import OtlpSink

PRUNE_S = 60.0
YOUNG_OBJECTS = 10_000
"""How many more objects than were freed may be made before the collector looks at the young ones."""

log = structlog.get_logger("tocsin")


def now_ms() -> int:
    """Return Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Role(enum.Enum):
    """What of a node a process runs; the values are the verbs of the command line."""

    BOTH = "serve"
    GATEWAY = "gateway"
    API = "api"


class Worker(NamedTuple):
    """The place of one of the processes of `tocsin api`, which share a port and a control token."""

    number: int  # 0 and up
    control_token: str


class Node:
    """A node in this process, on the running loop. `start` once, `stop` once.

    Args:
        settings: ports may be 0; `http_url` and `gateway_url` tell what was bound.
        clock: gives Unix milliseconds.
        role: which half of a node it is, or both.
        worker: its place among those that share its port; None for a process by itself.
    """

    store: Store
    services: Services

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], int] = now_ms,
        *,
        role: Role = Role.BOTH,
        worker: Worker | None = None,
    ) -> None:
        self.settings = settings
        self.control_token = new_control_token() if worker is None else worker.control_token
        self._role = role
        self._worker = worker
        self._clock = clock
        self._ready = False
        self._stack = contextlib.AsyncExitStack()
        self._gateway: GatewayNode | None = None
        self._carried: RedisBus | None = None
        self._http: HttpServer | None = None
        self._tracing: Tracing | None = None
        self._windows: SharedWindows | None = None
        self._spans: OtlpSink | None = None

    # -- where it is

    @property
    def gateway(self) -> GatewayNode:
        """The gateway half. Raises RuntimeError before `start`."""
        if self._gateway is None:
            raise RuntimeError("the node is not started")
        return self._gateway

    @property
    def faults(self) -> Faults:
        """What can be done to live sessions on purpose."""
        return self.gateway.faults

    @property
    def gateway_url(self) -> str:
        """`ws://host:port`, or `public_gateway_url`."""
        return self.gateway.url

    @property
    def http_url(self) -> str:
        """`http://host:port`, or `public_http_url`, without `/api`."""
        if self.settings.public_http_url:
            return self.settings.public_http_url.rstrip("/")
        if self._http is None:
            raise RuntimeError("the node is not started")
        return f"http://{url_host(self.settings.host)}:{self._http.port}"

    @property
    def ready(self) -> bool:
        """Whether the node takes work: it is up, does not drain, and hears of other nodes, or did a moment ago."""
        limit = self.settings.bus_away_ms
        return self._ready and (self._carried is None or not 0 < limit < self._carried.away_ms())

    def metrics(self) -> str:
        """Return all figures in Prometheus' text format."""
        info = f'tocsin_node_info{{role="{self._role.value}",version="{__version__}"}} 1'
        own = family("tocsin_node_info", "gauge", "What of a node this process is", [info])
        own += family("tocsin_ready", "gauge", "Whether it takes work", [f"tocsin_ready {int(self._ready)}"])
        own += "" if self._spans is None else self._spans.text()
        limits = "" if self._windows is None else self._windows.text()
        kept = self.store.figures.text() + self.services.context.content.figures.text()
        return own + self.gateway.metrics() + kept + limits + log_figures()

    # -- life

    async def start(self) -> None:
        """Open the store, seed it if asked to, bind both ports, and write the ready file once both accept.

        Raises:
            errors.ConfigError, errors.StoreUnavailable, errors.WorldFileError: as their parts do.
            OSError: a port or a file cannot be had.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _start(self) -> None:
        settings, stack = self.settings, self._stack
        await asyncio.to_thread(_prepare_files, settings)
        self.store = store = open_store(settings, self._clock)
        await store.open()
        stack.push_async_callback(store.close)
        snowflakes = SnowflakeFactory(settings.node_number, self._clock, floor=await store.highest_snowflake())
        interest: Interest
        if settings.bus == "local:":
            gateway = self._gateway = GatewayNode(settings)
            bus, interest = LocalBus(gateway.orders), Everything()
            world = World(store, self._clock)
        else:
            bus = interest = carried = self._carried = RedisBus(
                lambda: self.gateway.outgoing(),
                lambda: self.gateway.orders(),
                lambda: self.gateway.submit(),
                store,
                self._clock,
            )
            world = World(store, self._clock, interest)
            gateway = self._gateway = GatewayNode(
                settings, carried, world.on_commit, listens=self._role is not Role.API
            )
        windows = self._windows = None if self._carried is None else self._share_windows()
        context = Context(
            settings,
            store,
            bus,
            world,
            snowflakes,
            self._clock,
            interest=interest,
            windows=windows,
            patterns=compile_patterns,
        )
        services = self.services = build_services(context)
        if self._carried is not None:
            starts = services.session_starts.shared = RedisStarts(settings.bus, settings.bus_prefix)
            stack.push_async_callback(starts.stop)
        services.attachments.base_url = lambda: self.http_url
        services.guilds.online_in = services.users.online_in = gateway.online_in
        services.prune.has_session = gateway.has_session
        store.on_commit[:] = [world.on_commit]
        if settings.seed:
            # Before the bus is wired: nobody is connected who could hear of it.
            await seed_world(
                read_world_file(settings.seed),
                store=store,
                snowflakes=snowflakes,
                clock=self._clock,
                locks=context.locks,
            )
        publish: Callable[[Sequence[Event]], None] = bus.publish
        if settings.trace_endpoint:
            tracing = self._tracing = self._trace(world, gateway)
            publish = tracing.publishing(bus)
        store.on_commit[:] = [world.on_commit, gateway.on_commit, publish]
        gateway.start(services)
        stack.push_async_callback(gateway.stop)
        if self._spans is not None:
            stack.callback(self._spans.gather)
        stack.callback(self.services.interactions.stop)
        shared = self._worker is not None
        self._http = HttpServer(self._app(), settings.host, settings.http_port, shared=shared)
        await self._http.start()
        stack.push_async_callback(self._http.stop)
        if self._role is not Role.GATEWAY and (self._worker is None or self._worker.number == 0):
            stack.push_async_callback(_cancel, asyncio.create_task(self._prune()))
        self._ready = True
        if self._worker is None:
            self._announce()

    def _share_windows(self) -> SharedWindows:
        others = RedisWindows(self.settings.bus, self.settings.bus_prefix)
        self._stack.push_async_callback(others.stop)
        windows = SharedWindows(others, self._clock)
        self._stack.push_async_callback(windows.stop)
        return windows

    def _trace(self, world: World, gateway: GatewayNode) -> Tracing:
        from tocsin.telemetry import OtlpSink  # only here: few nodes make traces, and its imports cost a start

        def reach_of(guild_id: int) -> int:
            state = world.guild_at_hand(guild_id)
            return state.member_count if state is not None else gateway.members_of(guild_id)

        sink = self._spans = OtlpSink(self.settings, self._role.value, gateway.passages)
        self._stack.push_async_callback(asyncio.to_thread, sink.close)
        return Tracing(sink, self.settings.trace_per_mille, reach_of)

    def _app(self) -> Any:
        # Found by name: the API is built on this package, not the other way round.
        create_app = importlib.import_module("tocsin_api.app").create_app
        app = create_app(
            self.services,
            gateway_url=lambda: self.gateway_url,
            metrics=self.metrics,
            ready=lambda: self.ready,
            message_api=self._role is not Role.GATEWAY,
            tracing=self._tracing,
        )
        app.state.control_token = self.control_token
        app.state.faults = None if self._role is Role.API else self.faults
        return app

    def _announce(self) -> None:
        settings = self.settings
        file = NodeFile(
            pid=os.getpid(),
            http=self.http_url,
            gateway=self.gateway_url,
            node=settings.node_id,
            control_token=self.control_token,
        )
        self._stack.callback(withdraw, settings.data, settings.ready_file)
        announce(settings.data, settings.ready_file, file)
        log.info("ready", http=self.http_url, gateway=self.gateway_url, node=settings.node_id)

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_S)
            await self.prune()

    async def prune(self) -> None:
        """Let go of what is past its age. What fails keeps nothing else: files may be what fills a disk."""
        now, services = self._clock(), self.services
        works: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("files", services.attachments.sweep),
            ("outbox", lambda: self.store.prune(now)),
            ("audit log", lambda: services.audit.prune(now)),
            ("read states", lambda: services.read_states.prune(now)),
            ("interactions", lambda: services.interactions.prune(now)),
            ("threads", services.threads.archive_stale),
        ]
        for what, work in works:
            try:
                await work()
            except Exception:
                log.exception("prune failed", what=what)

    async def failed(self) -> None:
        """Return when the HTTP server has ended by itself. Cancel it to stop waiting."""
        if self._http is None:
            raise RuntimeError("the node is not started")
        await self._http.ended()

    async def drain(self) -> None:
        """Take no new sessions and send the clients away by op 7, over `drain_spread_ms`; then `stop`."""
        self._ready = False
        if self._gateway is not None:
            await self._gateway.drain()
        await self.stop()

    async def stop(self) -> None:
        """End everything at once, without a word to the clients. Idempotent."""
        self._ready = False
        await self._stack.aclose()


def _prepare_files(settings: Settings) -> None:
    """Make the data folder; remove the ready file of an earlier life, which would announce this one too soon."""
    os.makedirs(settings.data, exist_ok=True)
    remove_ready_file(settings.ready_file)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def serve(
    settings: Settings,
    on_ready: Callable[[Node], None] | None = None,
    *,
    role: Role = Role.BOTH,
    worker: Worker | None = None,
    lifeline: int | None = None,
) -> int:
    """Run a node until SIGTERM or SIGINT; return the exit code. A second signal ends the drain early.

    Args:
        settings: the node's.
        on_ready: called once, when both listeners accept.
        role: as of `Node`.
        worker: as of `Node`.
        lifeline: a pipe's reading end; when the other end is closed, that is as good as SIGTERM.

    Raises:
        As `Node.start`.
    """
    loop = asyncio.get_running_loop()
    asked, insisted = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (insisted if asked.is_set() else asked).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    if lifeline is not None:
        loop.add_reader(lifeline, _on_lifeline, loop, lifeline, asked.set)
    node = Node(settings, role=role, worker=worker)
    starting = asyncio.create_task(node.start())
    try:
        if not await _first(starting, asked.wait()):
            return 0
        _spare_the_collector()
        if on_ready is not None:
            on_ready(node)
        if await _first(node.failed(), asked.wait()):
            log.error("the HTTP server ended")
            return 1
        log.info("draining")
        await _first(node.drain(), insisted.wait())
        return 0
    finally:
        await node.stop()


def _on_lifeline(loop: asyncio.AbstractEventLoop, lifeline: int, cut: Callable[[], None]) -> None:
    if not os.read(lifeline, 1):
        loop.remove_reader(lifeline)
        cut()


def _spare_the_collector() -> None:
    """Keep the garbage collector off what start-up made: modules, routes, schemas. They stay for the process's life.

    Requests leave hardly any cycles behind, so it also comes less often (docs/adr/0005-cost-of-a-message-post.md).
    Start-up leaves few, too: to look for them first takes a tenth of its CPU and gives no page back.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    gc.enable()


async def _first(wanted: Awaitable[object], otherwise: Awaitable[object]) -> bool:
    """Wait for either and cancel the other; return whether it was `wanted`, whose exception is raised."""
    tasks: list[asyncio.Future[object]] = [asyncio.ensure_future(wanted), asyncio.ensure_future(otherwise)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done = tasks[0].done()
        if done:
            await tasks[0]
        return done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run(
    settings: Settings,
    on_ready: Callable[[Node], None] | None = None,
    *,
    role: Role = Role.BOTH,
    worker: Worker | None = None,
    lifeline: int | None = None,
) -> int:
    """Serve in this process on uvloop until told to end; return the exit code.

    Arguments as of `serve`.

    Raises:
        As `Node.start`.
    """
    configure_logs(settings)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(serve(settings, on_ready, role=role, worker=worker, lifeline=lifeline))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not on Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
