"""Run: a node under load with sessions on it, and the verdict on what each was told.

The order is read from the node's own database, where the log is committed before anybody hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import aiohttp
import msgspec

from tests.oracle.ear import BrokenError, Ear
from tests.oracle.judge import Verdict, judge, judge_log
from tests.oracle.load import Caller, Mover, Record, Seat, Town, write
from tests.oracle.model import EXACT, Expected, Guild, Listener, Logged, replay
from tests.support.server import Server

FLAGS = (
    "--message-rate-limit", "0", "--global-rate-limit", "0", "--identify-max-concurrency", "100000",
    "--heartbeat-interval-ms", "3600000", "--replay-max-events", "1000000", "--replay-max-bytes", "1073741824",
    "--outbound-max-bytes", "1073741824", "--outbox-window-ms", "86400000", "--resume-window-ms", "3600000",
)  # fmt: skip
"""What keeps a slow machine's run from ending for another reason than the order."""

PASSIVE = ("--passive-from-members", "1", "--passive-update-ms", "20")
"""Every guild is so large that people who do not look are passive in it."""

Told = Callable[[int], None]


class _Subject(msgspec.Struct):
    id: str = "0"


class _Body(msgspec.Struct):
    id: str = "0"
    user: _Subject | None = None
    role: _Subject | None = None
    role_id: str = "0"
    mention_roles: list[str] = []


class _Event(msgspec.Struct):
    name: str
    body: bytes
    channel_id: int = 0
    author_id: int = 0
    state: bool = False


_event = msgspec.msgpack.Decoder(_Event).decode
_body = msgspec.json.Decoder(_Body).decode


def read_log(data: Path, guild: int, after: int = 0) -> list[Logged]:
    """The guild's committed log after a seq, of what the model knows."""
    with contextlib.closing(sqlite3.connect(f"file:{data / 'tocsin.db'}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT seq, event FROM outbox WHERE scope_kind = 1 AND scope_id = ? AND seq > ? ORDER BY seq",
            (guild, after),
        ).fetchall()
    log = []
    for seq, raw in rows:
        event = _event(raw)
        if event.name in EXACT:
            body = _body(event.body)
            about = body.user.id if body.user else body.role.id if body.role else body.role_id
            subject = int(body.id if body.id != "0" else about)
            roles = tuple(int(each) for each in body.mention_roles)
            log.append(Logged(seq, event.name, subject, event.channel_id, event.state, event.author_id, roles))
    return log


def last_seq(data: Path, guild: int) -> int:
    """Where the guild's log ends."""
    with contextlib.closing(sqlite3.connect(f"file:{data / 'tocsin.db'}?mode=ro", uri=True)) as database:
        row = database.execute("SELECT seq FROM scope_seq WHERE scope_kind = 1 AND scope_id = ?", (guild,)).fetchone()
    return row[0] if row else 0


class Run:
    """One run. `ears` are all sessions that were opened, each with whether it came late."""

    def __init__(self, town: Town, server: Server, told: Told = lambda count: None) -> None:
        self.town, self.server, self._told = town, server, told
        self.ears: list[tuple[Ear, bool]] = []
        self.seats: list[Seat] = []

    async def play(self) -> Verdict:
        """Open the sessions, load the node, wait until all is told, and judge.

        Raises:
            AssertionError: a call failed that may not.
            tests.oracle.model.ModelError: the log holds a change that nobody asked for.
        """
        town = self.town
        for seat in town.seats():
            await self._open(seat, late=False)
        starts = {guild.id: last_seq(self.server.data, guild.id) for guild in town.guilds}
        before = copy.deepcopy(town.guilds)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            caller = Caller(town, self.server.api, http)
            movers = [Mover(town, caller, guild, town.dice.randrange(1 << 30)) for guild in town.guilds]
            record = Record()
            await self._load(caller, movers, record)
            await self._settle(caller, movers)
        for ear, _ in self.ears:
            ear.close()
        return self._judge(before, starts, movers, record)

    async def _open(self, seat: Seat, late: bool) -> Ear:
        ear = Ear(self.server.gateway, seat.user, seat.token, seat.transport, seat.identify)
        ear.passive = self.town.is_passive(seat.user)
        self.ears.append((ear, late))
        self.seats.append(seat)
        await ear.open()
        return ear

    def _deliveries(self) -> int:
        return sum(ear.deliveries for ear, _ in self.ears)

    async def _load(self, caller: Caller, movers: list[Mover], record: Record) -> None:
        scale, stop = self.town.scale, asyncio.Event()
        moving = [asyncio.create_task(mover.run()) for mover in movers]
        writing = [
            asyncio.create_task(write(self.town, caller, movers, record, number, stop))
            for number in range(scale.writers)
        ]
        events = asyncio.create_task(self._disturb(stop))
        begun = self._deliveries()
        while (count := self._deliveries() - begun) < scale.deliveries:
            self._told(count)
            await _first_error([*moving, *writing, events], 0.05)
        stop.set()
        self._told(scale.deliveries)
        await asyncio.gather(*writing, events)
        for mover in movers:
            mover.finish()
        await asyncio.gather(*moving)

    async def _disturb(self, stop: asyncio.Event) -> None:
        """Cut sessions, which resume, and open others, each at its share of the deliveries."""
        scale, dice = self.town.scale, self.town.dice
        deeds = [*["cut"] * scale.cuts, *["late"] * scale.late]
        dice.shuffle(deeds)
        begun = self._deliveries()
        for number, deed in enumerate(deeds):
            while self._deliveries() - begun < scale.deliveries * (number + 1) // (len(deeds) + 2):
                if stop.is_set():
                    return
                await asyncio.sleep(0.005)
            if deed == "cut":
                ear = dice.choice([ear for ear, _ in self.ears if not ear.wrong])
                with contextlib.suppress(BrokenError):  # the verdict tells of it
                    await ear.cut_and_resume()
            else:
                await self._open(self.town.seat(dice.choice([*self.town.people, *self.town.bots]), number), late=True)

    async def _settle(self, caller: Caller, movers: list[Mover]) -> None:
        """Wait until every session has been told all that is committed."""
        for mover in movers:
            path = f"/channels/{mover.now.id + 3}/messages"  # is never deleted
            status, d, _, _ = await caller.call(mover.now.owner, "POST", path, {"content": "the end"})
            assert status == 200, d
            owner = next(ear for ear, _ in self.ears if ear.who == mover.now.owner)
            await owner.until_told("MESSAGE_CREATE", int(d["id"]))
        for (ear, _), seat in zip(self.ears, self.seats, strict=True):
            if not ear.wrong:
                await ear.flush(next(home for home in self.town.homes if seat.covers(home)))

    def _judge(self, before: list[Guild], starts: dict[int, int], movers: list[Mover], record: Record) -> Verdict:
        listeners = sorted(
            {Listener(seat.user, seat.identify["intents"], self.town.is_passive(seat.user)) for seat in self.seats}
        )
        due: dict[int, dict[Listener, Expected]] = {}
        operations = {mover.now.id: mover.done for mover in movers}
        found = Verdict()
        for guild in before:
            log = read_log(self.server.data, guild.id, starts[guild.id])
            expected, made = replay(guild, operations[guild.id], log, listeners)
            due[guild.id] = dict(zip(listeners, expected, strict=True))
            found.logged += len(log)
            judge_log(found, log, made, record.posts, operations[guild.id])
        covers = {n: {each.id for each in before if seat.covers(each.id)} for n, seat in enumerate(self.seats)}
        verdict = judge(self.ears, due, covers, operations)
        verdict.logged, verdict.out_of_log = found.logged, found.out_of_log
        verdict.samples = [*found.samples, *verdict.samples]
        return verdict


async def _first_error(tasks: Iterable[asyncio.Task[None]], wait_s: float) -> None:
    """Wait; raise what a task failed with meanwhile."""
    done, _ = await asyncio.wait(tasks, timeout=wait_s, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
