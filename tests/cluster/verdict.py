"""Verdict: what sessions were told, compared with the committed log, and what the faults cost."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.cluster.observer import Life, Record, mark_of
from tests.support.postgres_server import PostgresServer

VIEW = 1 << 10
SAMPLES = 12
ROWS = "SELECT {column} FROM outbox WHERE scope_kind = 1 AND scope_id = {guild} ORDER BY seq"
COMMIT_S = 30.0
"""The longest time from a message's id to its commit."""

LATE_MS = 5_000.0
"""From a message's id to its arrival at a session that was attached all the while."""


Made = Callable[[int], float | None]
"""Says when a message was made, in Unix seconds."""


class Logged(NamedTuple):
    """One message of a guild's log, and whether a plain member could view its channel at that place.

    Or the mark of a member's change (`mark_of`), which all are told.
    """

    id: int
    seen: bool


class _Event(msgspec.Struct):
    name: str
    body: bytes
    channel_id: int = 0


class _Overwrite(msgspec.Struct):
    id: str
    deny: str = "0"


class _Body(msgspec.Struct):
    id: str = "0"
    permission_overwrites: list[_Overwrite] = []


_event = msgspec.msgpack.Decoder(_Event).decode
_body = msgspec.json.Decoder(_Body).decode


def sqlite_rows(database: Path, guild: int) -> list[bytes]:
    """The events of a guild's log, of a SQLite file."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as store:
        return [raw for (raw,) in store.execute(ROWS.format(column="event", guild=guild))]


def postgres_rows(server: PostgresServer, database: str, guild: int) -> list[bytes]:
    """The events of a guild's log, of a database of a PostgreSQL."""
    told = server.execute(ROWS.format(column="encode(event, 'hex')", guild=guild), database)
    return [bytes.fromhex(line) for line in told.splitlines()]


def read_logs(
    rows: Callable[[int], Iterable[bytes]], guilds: Iterable[int], hidden: Iterable[int]
) -> dict[int, list[Logged]]:
    """The committed messages of each guild in its log's order. `hidden`: channels that members cannot view at first.

    A channel's sight changes where an event of the log says that @everyone may view it no more, or again.
    """
    logs: dict[int, list[Logged]] = {}
    for guild in guilds:
        unseen = set(hidden)
        log = logs[guild] = []
        for raw in rows(guild):
            event = _event(raw)
            if event.name == "MESSAGE_CREATE":
                log.append(Logged(int(_body(event.body).id), event.channel_id not in unseen))
            elif event.name in ("GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE", "GUILD_MEMBER_UPDATE"):
                if mark := mark_of(event.name, event.body):
                    log.append(Logged(mark, True))
            elif event.name == "CHANNEL_UPDATE":
                body = _body(event.body)
                denied = any(int(each.deny) & VIEW for each in body.permission_overwrites if each.id == str(guild))
                (unseen.add if denied else unseen.discard)(int(body.id))
    return logs


@dataclass
class Verdict:
    """What a run came to. All but the counts of the first lines must be 0 for it to be right.

    `lost`: due within a life and never told; `forbidden`: told and not to be seen; `uncommitted`: told and not in the
    log; `broken_sequences`: lives whose `s` had a gap or came twice; `stale`: dispatches on a connection after another
    had taken its session over; `vanished`: answered with 2xx and not in the log; `ids_back`: ids that a node made
    twice, or below one that it had given out before; `absent`: sessions that were not back at the end. `withheld`:
    messages of channels out of sight, each per session that was not to be told. `late` may be the machine's fault, and
    is told without making the run wrong. `suspects` are the sessions of which something was wrong.
    """

    sessions: int = 0
    lives: int = 0
    logged: int = 0
    deliveries: int = 0
    withheld: int = 0
    resumed: int = 0
    resumed_elsewhere: int = 0
    invalidated: int = 0
    endings: dict[str, int] = field(default_factory=dict)
    late: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    forbidden: int = 0
    uncommitted: int = 0
    broken_sequences: int = 0
    stale: int = 0
    vanished: int = 0
    ids_back: int = 0
    absent: int = 0
    back_ms: list[float] = field(default_factory=list)
    live_ms: list[float] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    suspects: list[int] = field(default_factory=list)

    WRONG = (
        "lost", "duplicated", "reordered", "forbidden", "uncommitted", "broken_sequences", "stale", "vanished",
        "ids_back", "absent",
    )  # fmt: skip

    @property
    def right(self) -> bool:
        """Whether nothing at all was wrong."""
        return not self.faults

    @property
    def faults(self) -> int:
        """How much was wrong."""
        return sum(getattr(self, name) for name in self.WRONG)

    @property
    def resumed_percent(self) -> float:
        """The share of outages that ended with RESUMED."""
        outages = self.resumed + self.invalidated
        return round(100 * self.resumed / outages, 3) if outages else 100.0

    def note(self, text: str) -> None:
        """Keep one of the first faults to show."""
        if len(self.samples) < SAMPLES:
            self.samples.append(text)

    def summary(self) -> dict[str, Any]:
        """The counts, and p50, p99 and the largest of each time in milliseconds."""
        found = asdict(self)
        for name in ("back_ms", "live_ms"):
            found[name] = spread(found[name])
        return {**found, "resumed_percent": self.resumed_percent, "right": self.right}


def spread(values: Iterable[float]) -> dict[str, float]:
    """Count, p50, p99 and the largest."""
    ordered = sorted(values)
    last = len(ordered) - 1
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0} if ordered else {}
    return {
        "count": len(ordered),
        **{name: round(ordered[min(last, int(share * len(ordered)))], 1) for name, share in shares.items()},
    }


class Log:
    """A guild's log, indexed: `due` are the ids that a member is told, in order."""

    def __init__(self, log: Sequence[Logged]) -> None:
        self.due = [each.id for each in log if each.seen]
        self.place = {message: at for at, message in enumerate(self.due)}
        self.unseen = {each.id for each in log if not each.seen}


def judge_life(verdict: Verdict, who: str, life: Life, log: Log, made: Made, *, whole: bool) -> None:
    """Compare one life with what was due. `whole`: it was attached at the end, when all had been told."""
    verdict.lives += 1
    if life.faults:
        verdict.broken_sequences += 1
        verdict.note(f"{who}: {len(life.faults)} faults of s, the first: {life.faults[0]}")
    told = life.ids.tolist()
    start = log.place.get(told[0], -1) if told else -1
    if told and start >= 0 and log.due[start : start + len(told)] == told:
        end = start + len(told)
    else:
        start, end = _judge_bad(verdict, who, told, log)
    missing = 0
    if life.ready_s:
        if told and start >= 0:
            missing = _made_after(log.due[:start], life.ready_s, made) + (len(log.due) - end if whole else 0)
        elif whole:
            missing = _made_after(log.due, life.ready_s, made)
    if missing:
        verdict.lost += missing
        verdict.note(f"{who}: {missing} missing at an end of its life ({life.end or 'alive'}), told {len(told)}")


def _made_after(due: Sequence[int], moment_s: float, made_s: Made) -> int:
    """Count the last messages that were made after a moment. An id is made before its commit, but not long before."""
    found = 0
    for message in reversed(due):
        made = made_s(message)
        if made is None:
            continue
        if made < moment_s - COMMIT_S:
            break
        found += made > moment_s
    return found


def _judge_bad(verdict: Verdict, who: str, told: list[int], log: Log) -> tuple[int, int]:
    """Name what is wrong with a life that is no run of the log; return the run that it covers."""
    seen: set[int] = set()
    latest, lost = -1, 0
    for message in told:
        at = log.place.get(message)
        if message in seen:
            verdict.duplicated += 1
        elif at is None:
            verdict.forbidden += message in log.unseen
            verdict.uncommitted += message not in log.unseen
        elif at < latest:
            verdict.reordered += 1
        else:
            latest = at
        seen.add(message)
    places = [log.place[message] for message in seen if message in log.place]
    if not places:
        if told:
            verdict.note(f"{who}: told {len(told)} that are not due")
        return -1, -1
    start, end = min(places), max(places) + 1
    lost = end - start - len(places)
    verdict.lost += lost
    if told:
        verdict.note(f"{who}: {lost} lost among {len(told)} told, from {log.due[start]} to {log.due[end - 1]}")
    return start, end


def judge(
    lives: Sequence[tuple[int, list[Life], bool]],
    logs: Mapping[int, Sequence[Logged]],
    record: Record,
    acknowledged: Mapping[int, int],
) -> Verdict:
    """Judge a run. `lives`: each session's guild, its lives, and whether it is attached;
    `acknowledged`: the guilds of the messages answered with 200.
    """
    verdict = Verdict(deliveries=record.deliveries, stale=record.stale)
    indexed = {guild: Log(log) for guild, log in logs.items()}
    for number, (guild, some, attached) in enumerate(lives):
        before = verdict.faults
        verdict.sessions += 1
        verdict.absent += not attached
        if not attached:
            verdict.note(f"session {number} in {guild} is not back, after {len(some)} lives")
        for at, life in enumerate(some):
            whole = attached and at == len(some) - 1 and not life.end
            who = f"session {number} in {guild}, life {at + 1} of {len(some)}"
            judge_life(verdict, who, life, indexed[guild], record.made_s, whole=whole)
        if verdict.faults > before:
            verdict.suspects.append(number)
    verdict.logged = sum(map(len, logs.values()))
    for message, guild in acknowledged.items():
        if message not in indexed[guild].place and message not in indexed[guild].unseen:
            verdict.vanished += 1
            verdict.note(f"message {message} of {guild} was answered with 200 and is not in the log")
    for outage in record.outages:
        verdict.back_ms.append((outage.back_s - outage.lost_s) * 1000)
        if outage.how == "resumed":
            verdict.resumed += 1
            verdict.resumed_elsewhere += outage.elsewhere
        else:
            verdict.invalidated += 1
            verdict.endings[outage.how] = verdict.endings.get(outage.how, 0) + 1
    verdict.live_ms = list(record.live_ms)
    verdict.late = sum(each > LATE_MS for each in record.live_ms)
    verdict.withheld = sum(len(indexed[guild].unseen) for guild, _, _ in lives)
    return verdict
