"""Stage: nodes, a Redis behind a fault proxy per node, one database, people who write, and observers who listen."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from tests.cluster import clocks
from tests.cluster.faultproxy import ProxyProcess, running_proxy
from tests.cluster.observer import DISCORD_EPOCH_MS, MOVERS_FROM, Observer, Record, all_up
from tests.cluster.verdict import Logged, Verdict, judge, postgres_rows, read_logs, sqlite_rows
from tests.support.full_disk import FullDisk
from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.redis_server import RedisServer, running_redis
from tests.support.server import UNLIMITED, Server, start_server

SECRET_SHARE = 10
"""One message of so many goes to the channel that members cannot view."""

OPEN_S = 60.0
POST_S = 15.0
HEARTBEAT_MS = 5_000
INBOX_TTL_MS = 4_000
"""Short, so that faults outlast it."""
LONG_TTL_MS = 30_000
"""Where only nodes die: what they leave is taken over within it, also from a machine that is slow to start others."""


class _Refusal(msgspec.Struct):
    """What every refusal of the API says."""

    code: int
    message: str


@dataclass(frozen=True)
class Scale:
    """How large a run is. `rate`: messages per second, over all guilds; `members`: sessions per guild.

    `changes`: of members per second; `takings`: of what they may see of a guild's open channel.

    `settle_s`: how long sessions have at the end to hear of all there is, before it counts as lost.
    """

    nodes: int = 3
    sessions: int = 100
    members: int = 20
    rate: float = 50
    heartbeat_ms: int = HEARTBEAT_MS
    seed: int = 1
    scatter: bool = False
    settle_s: float = 60.0
    postgres: bool = False
    inbox_ttl_ms: int = INBOX_TTL_MS
    partitions: int = 1
    changes: float = 0
    takings: float = 0

    @property
    def movers(self) -> int:
        """How many accounts join and leave a guild, each once; after that names change only."""
        return max(12, self.members) if self.changes else 0

    @property
    def guilds(self) -> int:
        """How many guilds the sessions are spread over."""
        return max(1, -(-self.sessions // self.members))


def guild_id(number: int) -> int:
    """The id of the n-th guild; its channels' are one and two more."""
    return 1_000_000 + number * 10


def open_channel(guild: int) -> int:
    """The channel that all members may view."""
    return guild + 1


def secret_channel(guild: int) -> int:
    """The channel that the owner alone may view."""
    return guild + 2


def mover(number: int, each: int) -> int:
    """An account of the n-th guild that no observer has; its first one is a member from the start."""
    return MOVERS_FROM + number * 100_000 + each


def world(scale: Scale) -> dict[str, Any]:
    """Each guild has an owner, who writes, and members, each of whom has one session; and those who come and go."""
    users: list[dict[str, Any]] = []
    guilds: list[dict[str, Any]] = []
    for number in range(scale.guilds):
        guild = guild_id(number)
        users.append({"id": str(10_000_000 + number), "username": f"owner{number}", "token": f"owner-{number}"})
        members = []
        for each in range(number * scale.members, min(scale.sessions, (number + 1) * scale.members)):
            users.append({"id": str(20_000_000 + each), "username": f"member{each}", "token": f"member-{each}"})
            members.append({"user": f"member{each}"})
        if scale.changes:
            for each in range(scale.movers + 1):
                users.append({"id": str(mover(number, each)), "username": f"mover{number}-{each}"})
            members.append({"user": f"mover{number}-0"})
        secret = {"overwrites": [{"role": "@everyone", "deny": "1024"}]}
        channels = [
            {"id": str(open_channel(guild)), "name": "open", "type": 0},
            {"id": str(secret_channel(guild)), "name": "secret", "type": 0, **secret},
        ]
        name = f"guild {number}"
        guilds.append(
            {"id": str(guild), "name": name, "owner": f"owner{number}", "channels": channels, "members": members}
        )
    return {"users": users, "guilds": guilds}


class Node:
    """One node: its process, while there is one, and its own way to Redis. `offered`: a balancer would name it."""

    def __init__(self, stage: Stage, number: int, proxy: ProxyProcess) -> None:
        self.number, self.proxy = number, proxy
        self.server: Server | None = None
        self.offered = False
        self.highest_id = 0
        self._stage = stage
        self._clock = stage.folder / f"clock-{number}"

    async def start(self) -> None:
        """Start it, and offer it when it accepts."""
        stage = self._stage
        flags = (
            *UNLIMITED, f"--database={stage.database_url}", f"--bus=redis://127.0.0.1:{self.proxy.port}",
            f"--node-id=n{self.number}", f"--node-number={self.number}", "--outbox-window-ms=86400000",
            f"--heartbeat-interval-ms={stage.scale.heartbeat_ms}", "--log-format=json",
            f"--bus-inbox-ttl-ms={stage.scale.inbox_ttl_ms}", f"--bus-partitions={stage.scale.partitions}",
        )  # fmt: skip
        environment = clocks.environment(self._clock, stage.environment) if stage.clocks else stage.environment
        given = world(stage.scale) if self.number == 1 and not stage.seeded else None
        self.server = await asyncio.to_thread(
            start_server, stage.folder / f"node-{self.number}", *flags, *stage.flags, world=given, module=stage.module,
            environment=environment,
        )  # fmt: skip
        stage.seeded = True
        self.offered = True

    def signal(self, number: int) -> None:
        """Send its process a signal."""
        assert self.server is not None
        self.server.process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL."""
        self.offered = False
        if self.server is not None:
            await asyncio.to_thread(self.server.kill)
        self.server = None

    async def drain(self) -> int:
        """SIGTERM, once no balancer names it any more; return the exit code."""
        assert self.server is not None
        self.offered = False
        code = await asyncio.to_thread(self.server.stop)
        self.server = None
        return code

    def freeze(self) -> None:
        """SIGSTOP; a balancer sees that it does not answer."""
        self.offered = False
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)
        self.offered = True

    def set_clock(self, offset_s: float) -> None:
        """Let its wall clock be so far off from now on."""
        new = self._clock.with_suffix(".new")
        new.write_text(f"{offset_s:+.0f}")
        new.replace(self._clock)

    def resident_bytes(self) -> int:
        """Return its process's resident memory."""
        assert self.server is not None
        pages = Path(f"/proc/{self.server.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> list[dict[str, Any]]:
        """What all its processes have logged so far. Of lines that are no JSON, tracebacks and panics."""
        lines = []
        for line in (
            (self._stage.folder / f"node-{self.number}" / "server.log").read_text(errors="replace").splitlines()
        ):
            try:
                lines.append(json.loads(line))
            except ValueError:
                if "Traceback" in line or "panicked" in line:
                    lines.append({"event": line, "level": "error"})
        return lines

    @property
    def content(self) -> Path:
        """Where it keeps people's files."""
        return self._stage.folder / f"node-{self.number}" / "content"

    async def counter(self, name: str) -> float:
        """One of its figures, by its name with its labels."""
        assert self.server is not None
        async with self._stage.http.get(f"{self.server.http}/metrics") as reply:
            found = re.search(rf"^{re.escape(name)} (\S+)$", await reply.text(), re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    async def ready(self) -> bool:
        """Whether it says that it takes work."""
        assert self.server is not None
        async with self._stage.http.get(f"{self.server.http}/readyz") as reply:
            return reply.status == 200

    def inboxes(self) -> int:
        """Count the inboxes that it has begun."""
        return sum(line["event"] == "inbox" for line in self.log())

    @property
    def url(self) -> str:
        """Where its gateway is, "" while it has no process."""
        return self.server.gateway if self.server else ""


class Stage:
    """All that a run needs, for an `async with` block.

    Args:
        redis_flags: of `redis-server`.
        flags: of each node.
        module: what Python runs as a node.
        clocks: whether the nodes' clocks can be moved.
        database: where the SQLite file is.
        disk: what nodes, Redis and PostgreSQL write on, where that is to be full.
    """

    def __init__(
        self,
        folder: Path,
        scale: Scale,
        *,
        redis_flags: tuple[str, ...] = (),
        flags: tuple[str, ...] = (),
        module: str = "tocsin",
        clocks: bool = False,
        database: Path | None = None,
        disk: FullDisk | None = None,
    ) -> None:
        self.folder, self.scale, self.flags, self.module = folder, scale, flags, module
        self.clocks, self.redis_flags = clocks, redis_flags
        self.disk = disk
        self.environment: Mapping[str, str] = os.environ if disk is None else disk.environment()
        self.database = database or folder / "shared.db"
        self.database_url = f"sqlite:///{self.database}"
        self.postgres: PostgresServer | None = None
        self._postgres_name = ""
        self.seeded = False
        self.dice = random.Random(scale.seed)
        self.record = Record()
        self.nodes: list[Node] = []
        self.observers: list[Observer] = []
        self.acknowledged: dict[int, int] = {}
        self.unanswered = 0
        self.holes_made = self.holes_found = 0
        self.refused: dict[int, int] = {}
        self.redis: RedisServer
        self.http: aiohttp.ClientSession
        self.rate = scale.rate
        self.disturbed: Counter[str] = Counter()
        """What a fault did to those whom it should not concern."""
        self.timeline: list[tuple[float, str]] = []
        """What befell it and when, Unix seconds."""
        self.stalls = self.stalls_told = self.tail_bytes = self.ids_back = 0
        self._redis_path = folder / "redis-now"
        self._left = contextlib.AsyncExitStack()
        self._writing: set[asyncio.Task[None]] = set()
        self._counter = itertools.count()
        self._absent = {number: list(range(1, scale.movers + 1)) for number in range(scale.guilds)}
        self._present: dict[int, list[int]] = {number: [] for number in range(scale.guilds)}
        self._hidden: set[int] = set()
        self.changed: Counter[str] = Counter()
        """Changes that were answered with 2xx."""

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            if self.scale.postgres:
                # What was answered must survive a kill, though not the machine's.
                settings = ["synchronous_commit=on"]
                if self.disk is not None:
                    # Its log grows by small pieces, none of which is used again: a full disk is noticed soon.
                    settings += ["max_wal_size=10GB", "checkpoint_timeout=1d"]
                server = running_postgres(
                    *settings, environment=self.environment, wal_segment_mb=16 if self.disk is None else 1
                )
                self.postgres = await asyncio.to_thread(stack.enter_context, server)
                self.database_url = await asyncio.to_thread(self.postgres.make_empty)
                self._postgres_name = self.database_url.partition("@/")[2].partition("?")[0]
            self.redis = stack.enter_context(
                running_redis(self.folder / "redis", *self.redis_flags, environment=self.environment)
            )
            self._redis_path.symlink_to(self.redis.folder / "s")
            connector = aiohttp.TCPConnector(limit=0, force_close=False)
            self.http = await stack.enter_async_context(
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=POST_S))
            )
            stack.push_async_callback(self._end)
            for number in range(1, self.scale.nodes + 1):
                proxy = stack.enter_context(running_proxy(str(self._redis_path), self.scale.seed + number))
                self.nodes.append(Node(self, number, proxy))
                await self.nodes[-1].start()
            self._open()
            assert await all_up(self.observers, OPEN_S), "the sessions did not all open"
            self._left = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._left.aclose()

    async def _end(self) -> None:
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in self.observers))
        for node in self.nodes:
            await node.kill()

    def _open(self) -> None:
        for number in range(self.scale.sessions):
            guild = guild_id(number // self.scale.members)
            dice = random.Random(self.dice.randrange(1 << 30))
            each = Observer(
                self, self.record, f"member-{number}", guild, dice,
                scatter=self.scale.scatter, members=self.scale.changes > 0,
            )  # fmt: skip
            self.observers.append(each)
            each.start()

    def replace_redis(self, other: RedisServer) -> None:
        """From now on the nodes' ways lead to another one; who had the first must have ended it."""
        self._left.callback(other.kill)
        self.redis = other
        new = self._redis_path.with_suffix(".new")
        new.symlink_to(other.folder / "s")
        new.replace(self._redis_path)

    # -- where things are

    def gateways(self) -> list[str]:
        """The gateways that a balancer would name."""
        return [node.url for node in self.nodes if node.offered]

    def alive(self) -> list[Node]:
        """The nodes that a balancer would name."""
        return [node for node in self.nodes if node.offered]

    def sessions_at(self, node: Node) -> list[Observer]:
        """The observers that are attached to a node."""
        return [each for each in self.observers if each.up and each.home == node.url]

    @property
    def guilds(self) -> list[int]:
        """The ids of the guilds."""
        return [guild_id(number) for number in range(self.scale.guilds)]

    # -- load

    def write(self) -> None:
        """Begin to write `rate` messages a second, at any node."""
        task = asyncio.create_task(self._go_on(lambda: self.rate, self._one))
        self._writing.add(task)

    async def _go_on(self, rate: Callable[[], float], one: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin something so many times a second."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + 1 / rate(), loop.time() - 1)
            if (pause := due - loop.time()) > 0:
                await asyncio.sleep(pause)
            if len(self._writing) > 500 or not self.alive():
                continue
            task = asyncio.create_task(one())
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _one(self) -> None:
        number = self.dice.randrange(self.scale.guilds)
        guild = guild_id(number)
        secret = self.dice.randrange(SECRET_SHARE) == 0
        await self.post(number, secret_channel(guild) if secret else open_channel(guild))

    async def post(
        self, number: int, channel: int, *, at: Node | None = None, body: Any = None, file: bytes | None = None
    ) -> int:
        """Write one message as a guild's owner at a node, else at any; return its id, 0 where no 200 came."""
        node = at or self.dice.choice(self.alive() or self.nodes)
        if node.server is None:
            return 0
        floor, began = node.highest_id, time.time()
        message = body or {"content": str(next(self._counter))}
        form = None
        if file is not None:
            form = aiohttp.FormData({"payload_json": json.dumps(message)})
            form.add_field("files[0]", file, filename="file.bin")
        try:
            async with self.http.post(
                f"{node.server.api}/channels/{channel}/messages",
                json=message if form is None else None,
                data=form,
                headers={"Authorization": f"owner-{number}"},
            ) as reply:
                if reply.status != 200:
                    self._refuse(reply.status, await reply.read())
                    return 0
                made = int((await reply.json())["id"])
        except (TimeoutError, OSError, aiohttp.ClientError):
            self.unanswered += 1
            return 0
        # What was begun after another one's answer has a greater id, whatever the clock did.
        self.ids_back += made <= floor or made in self.acknowledged
        node.highest_id = max(node.highest_id, made)
        self.record.begun[made] = began
        self.acknowledged[made] = guild_id(number)
        return made

    def _refuse(self, status: int, said: bytes) -> None:
        self.refused[status] = self.refused.get(status, 0) + 1
        try:
            msgspec.json.decode(said, type=_Refusal)
        except msgspec.DecodeError:
            self.disturbed["refusals without words"] += 1

    async def _change(self) -> None:
        """Change a guild's members: one joins or leaves, or is given another name."""
        number = self.dice.randrange(self.scale.guilds)
        guild, present, absent = guild_id(number), self._present[number], self._absent[number]
        kind = self.dice.randrange(4)
        path = f"/guilds/{guild}/members/"
        if kind == 0 and absent:
            each = absent.pop()
            mark = 2 * mover(number, each)
            if await self._ask(number, "PUT", f"{path}{mover(number, each)}", mark, {}):
                present.append(each)
        elif kind == 1 and present:
            mark = 2 * mover(number, present.pop()) + 1
            await self._ask(number, "DELETE", f"{path}{mark // 2}", mark)
        else:
            made_ms = time.time_ns() // 1_000_000 - DISCORD_EPOCH_MS
            mark = made_ms << 22 | next(self._counter) & 0x3FFFFF
            await self._ask(number, "PATCH", f"{path}{mover(number, 0)}", mark, {"nick": str(mark)})

    async def _take(self) -> None:
        """Take the sight of a guild's open channel, or give it back."""
        number = self.dice.randrange(self.scale.guilds)
        await self._show(number, number in self._hidden)

    async def _show(self, number: int, shown: bool) -> bool:
        guild = guild_id(number)
        body = {"type": 0, "deny": "0" if shown else "1024", "allow": "0"}
        (self._hidden.discard if shown else self._hidden.add)(number)
        return await self._ask(number, "PUT", f"/channels/{open_channel(guild)}/permissions/{guild}", 0, body)

    async def _ask(self, number: int, method: str, path: str, mark: int, body: Any = None) -> bool:
        """Ask any node for a change as a guild's owner; return whether it was made for certain."""
        node = self.dice.choice(self.alive() or self.nodes)
        if node.server is None:
            return False
        if mark:
            self.record.begun[mark] = time.time()
        headers = {"Authorization": f"owner-{number}"}
        try:
            async with self.http.request(method, node.server.api + path, json=body, headers=headers) as reply:
                if reply.status not in (200, 201, 204):
                    self._refuse(reply.status, await reply.read())
                    return False
        except (TimeoutError, OSError, aiohttp.ClientError):
            self.unanswered += 1
            return False
        self.changed[method] += 1
        if mark:
            self.acknowledged[mark] = guild_id(number)
        return True

    @contextlib.asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Write, and change what the scale says, while the block runs."""
        scale = self.scale
        tasks = [asyncio.create_task(self._go_on(lambda: self.rate, self._one))]
        if scale.changes:
            tasks.append(asyncio.create_task(self._go_on(lambda: scale.changes, self._change)))
        if scale.takings:
            tasks.append(asyncio.create_task(self._go_on(lambda: scale.takings, self._take)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*self._writing, return_exceptions=True)
            if scale.takings:
                await asyncio.gather(*map(self._show_at_last, range(scale.guilds)))

    async def _show_at_last(self, number: int) -> None:
        for _ in range(600):
            if await self._show(number, True):
                return
            await asyncio.sleep(0.1)

    # -- the end

    async def settle(self) -> None:
        """Wait until every session is attached and has been told a last message of its guild, or patience ends."""
        await all_up(self.observers, self.scale.settle_s)
        last = {}
        for number, guild in enumerate(self.guilds):
            last[guild] = await self._post_at_last(number, open_channel(guild))
        until = asyncio.get_running_loop().time() + self.scale.settle_s
        while any(each.last_id != last[each.guild] for each in self.observers):
            if asyncio.get_running_loop().time() > until:
                return
            await asyncio.sleep(0.05)

    async def _post_at_last(self, number: int, channel: int) -> int:
        for _ in range(600):
            if made := await self.post(number, channel):
                return made
            await asyncio.sleep(0.1)
        return 0

    def _rows(self, guild: int) -> list[bytes]:
        if self.postgres is None:
            return sqlite_rows(self.database, guild)
        return postgres_rows(self.postgres, self._postgres_name, guild)

    def logged(self) -> dict[str, Any]:
        """What the nodes said of inboxes and takeovers refused (why each), and of errors (how often each)."""
        whys: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for node in self.nodes:
            for line in node.log():
                if line["event"] == "inbox":
                    whys[line["why"]] += 1
                elif line["event"] == "takeover refused":
                    refused[line["reason"]] += 1
                elif line.get("level") in ("error", "critical"):
                    errors[line["event"]] += 1
        return {"inboxes": dict(whys), "takeovers_refused": dict(refused), "errors": dict(errors.most_common(12))}

    def committed(self) -> dict[int, list[Logged]]:
        """The messages of each guild's log."""
        return read_logs(self._rows, self.guilds, [secret_channel(guild) for guild in self.guilds])

    def judge(self) -> Verdict:
        """The verdict on all that was told."""
        logs = self.committed()
        lives = [(each.guild, each.lives, each.up) for each in self.observers]
        verdict = judge(lives, logs, self.record, self.acknowledged)
        verdict.ids_back = self.ids_back
        return verdict
