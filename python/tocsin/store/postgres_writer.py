"""PostgresWriter: the one connection of a process that writes. Commits that wait together share one transaction.

Processes meet in the rows of `scope_seq`: a transaction takes those of its scopes first, in one order for all, and
holds them to its end. So in each scope, the order of the numbers is the order of the commits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import asyncpg

from tocsin.errors import Conflict, StoreFull, StoreUnavailable
from tocsin.model.event import Event
from tocsin.store import sql
from tocsin.store.base import Op
from tocsin.store.postgres_link import REFUSALS, Connection, PostgresLink, disconnect, reason
from tocsin.store.units import NEXT_SEQ, OUTBOX, Outcome, Unit, finish, numbered, scopes_of, stored_event

GROUP_LIMIT = 256
QUEUE_LIMIT = 16384
"""Commits that may wait. More means that the database does not keep up; they are refused."""

ATTEMPTS = 20
"""How often a group is tried that others' transactions stand in the way of."""

SETTLE_EVERY_S = 0.05
_NEXT_SEQ = sql.for_postgres(NEXT_SEQ) + ", pg_current_xact_id()::text"
_OUTBOX = sql.for_postgres(OUTBOX)
_STORED = "SELECT event FROM outbox WHERE scope_kind = $1 AND scope_id = $2 AND seq = $3"
_IN_THE_WAY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_OWN_CLASSES = ("22", "23", "42")  # the data, a constraint, the statement


class _Batch(NamedTuple):
    """Executions of one statement; `op` is the first of them."""

    text: str
    op: Op
    parameters: list[list[Any]]


class _Unsettled(NamedTuple):
    """A transaction whose COMMIT was sent and not answered."""

    xid: str
    outcomes: list[Outcome]


class PostgresWriter:
    """Owns the writing connection.

    Args:
        link: opens the connection.
        clock: gives Unix milliseconds, for the outbox.
        on_commit: called with each group's events in commit order, before the callers resume.
    """

    def __init__(self, link: PostgresLink, clock: Callable[[], int], on_commit: Callable[[list[Event]], None]) -> None:
        self._link = link
        self._clock = clock
        self._on_commit = on_commit
        self._queue: deque[Unit] = deque()
        self._ready = asyncio.Event()
        self._closing = False
        self._connection: Connection | None = None
        self._unsettled: _Unsettled | None = None
        self._task = asyncio.create_task(self._run(), name="tocsin-store")

    def submit(self, ops: Sequence[Op], events: Sequence[Event]) -> asyncio.Future[list[Event]]:
        """Queue a commit.

        Raises:
            errors.StoreUnavailable: the store is closed, or too many commits wait.
        """
        if self._closing:
            raise StoreUnavailable("the store is closed")
        if len(self._queue) >= QUEUE_LIMIT:
            raise StoreUnavailable("too many commits wait")
        unit = Unit(ops, events, asyncio.get_running_loop().create_future())
        self._queue.append(unit)
        self._ready.set()
        return unit.done

    async def close(self) -> None:
        """Write what is queued, then close the connection."""
        self._closing = True
        self._ready.set()
        await self._task

    async def _run(self) -> None:
        while True:
            if not self._queue:
                if self._closing:
                    break
                self._ready.clear()
                await self._ready.wait()
                continue
            group = [self._queue.popleft() for _ in range(min(GROUP_LIMIT, len(self._queue)))]
            try:
                outcomes = await self._write(group)
            except Exception as error:
                self._drop()
                outcomes = [(unit, _refusal(error)) for unit in group]
            finish(outcomes, self._on_commit)
        if self._connection is not None:
            await disconnect(self._connection)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    # -- a group

    async def _write(self, group: list[Unit]) -> list[Outcome]:
        """Write a group as one batch; only when one of its commits is at fault, each in a savepoint of its own."""
        if self._unsettled is not None:
            await self._settle_late(self._unsettled)
        now = self._clock()
        alone = False
        for attempt in range(ATTEMPTS):
            try:
                return await self._attempt(group, now, alone)
            except Exception as error:
                if isinstance(error, _IN_THE_WAY) and attempt + 1 < ATTEMPTS:
                    continue
                if not _is_own_fault(error):
                    raise
                if len(group) == 1:
                    return [(group[0], _refusal(error))]
                assert not alone, "the fault of one commit was the group's"
                alone = True
        raise StoreUnavailable("other transactions were in the way too often")

    async def _attempt(self, group: list[Unit], now: int, alone: bool) -> list[Outcome]:
        async with asyncio.timeout(self._link.timeout_s):
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._link.connect()
            connection = self._connection
            await connection.execute("BEGIN")
            try:
                if alone:
                    xid, outcomes = await _apply_each(connection, group, now)
                else:
                    xid, written = await _apply(connection, group, now)
                    outcomes = list(zip(group, written, strict=True))
            except Exception as error:
                if isinstance(error, _IN_THE_WAY) or _is_own_fault(error):
                    await connection.execute("ROLLBACK")
                raise
        return await self._commit(connection, xid, outcomes)

    async def _commit(self, connection: Connection, xid: str, outcomes: list[Outcome]) -> list[Outcome]:
        try:
            async with asyncio.timeout(self._link.timeout_s):
                await connection.execute("COMMIT")
        except REFUSALS:
            # It may be committed or not: only the database knows.
            self._drop()
            self._unsettled = _Unsettled(xid, outcomes)
            if not await self._settle(self._unsettled):
                raise
        return outcomes

    # -- a COMMIT that was not answered

    async def _settle(self, unsettled: _Unsettled) -> bool:
        """Return whether the transaction is committed.

        A crash takes the ids of what it lost back, and others get them: so that an id is committed says nothing yet,
        and the transaction is known by its last event. Without events it is refused, whatever became of it.

        Raises:
            REFUSALS: the database did not say so in time. It stays unsettled.
        """
        async with asyncio.timeout(self._link.timeout_s):
            while True:
                try:
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await self._link.connect()
                    status = await _status(self._connection, unsettled.xid)
                    if status != "in progress":
                        found = status == "committed" and await _is_stored(self._connection, unsettled.outcomes)
                        self._unsettled = None
                        return found
                except REFUSALS:
                    self._drop()
                await asyncio.sleep(SETTLE_EVERY_S)

    async def _settle_late(self, unsettled: _Unsettled) -> None:
        """Tell the events of a transaction that turns out to be committed after its callers were refused."""
        if await self._settle(unsettled):
            finish(unsettled.outcomes, self._on_commit)


async def _status(connection: Connection, xid: str) -> str | None:
    try:
        status: str | None = await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", xid)
    except asyncpg.InvalidParameterValueError:
        return None  # not given to any transaction since a crash
    return status


async def _is_stored(connection: Connection, outcomes: Sequence[Outcome]) -> bool:
    """Return whether the outbox holds the last event of these."""
    events = [event for _, outcome in outcomes if isinstance(outcome, list) for event in outcome]
    if not events:
        return False
    last = events[-1]
    return bool(await connection.fetchval(_STORED, *last.scope, last.seq) == stored_event(last))


# -- within the transaction


async def _apply(connection: Connection, units: Sequence[Unit], now: int) -> tuple[str, list[list[Event]]]:
    """Take the numbers of the units' scopes, write their rows and their events; return also the transaction's id."""
    # The scopes first: whoever writes the same guild waits here, not in the middle of its rows.
    scopes = scopes_of(units)
    if scopes:
        taken = await connection.fetchmany(_NEXT_SEQ, [(*scope, count) for scope, count in scopes])
        before = {scope: row[0] - count for (scope, count), row in zip(scopes, taken, strict=True)}
        xid: str = taken[0][1]
    else:
        before = {}
        xid = await connection.fetchval("SELECT pg_current_xact_id()::text")
    for batch in _batches(units):
        await _execute(connection, batch)
    written, outbox = numbered(units, before, now)
    if outbox:
        await connection.executemany(_OUTBOX, outbox)
    return xid, written


async def _apply_each(connection: Connection, units: Sequence[Unit], now: int) -> tuple[str, list[Outcome]]:
    """Write each of the units in a savepoint, so that the others stay whatever is wrong with one."""
    scopes = scopes_of(units)
    if scopes:
        await connection.executemany(_NEXT_SEQ, [(*scope, 0) for scope, _ in scopes])
    outcomes: list[Outcome] = []
    for unit in units:
        await connection.execute("SAVEPOINT unit")
        try:
            _, (written,) = await _apply(connection, [unit], now)
            outcomes.append((unit, written))
        except Exception as error:
            if isinstance(error, _IN_THE_WAY) or not _is_own_fault(error):
                raise
            outcomes.append((unit, _refusal(error)))
            await connection.execute("ROLLBACK TO unit")
        await connection.execute("RELEASE unit")
    return await connection.fetchval("SELECT pg_current_xact_id()::text"), outcomes


def _batches(units: Sequence[Unit]) -> list[_Batch]:
    """Return the units' operations as few batches, each one round trip.

    An operation is of one table, and nothing in the database ties tables together: only the order of each table's
    operations is kept.
    """
    batches: list[_Batch] = []
    latest: dict[str, _Batch] = {}
    for unit in units:
        for op in unit.ops:
            text, parameters = sql.statement(op)
            batch = latest.get(op.table)
            if batch is None or batch.text != text or sql.must_match(batch.op) != sql.must_match(op):
                batch = latest[op.table] = _Batch(text, op, [])
                batches.append(batch)
            batch.parameters.append(parameters)
    return batches


async def _execute(connection: Connection, batch: _Batch) -> None:
    if not sql.must_match(batch.op):
        await connection.executemany(sql.for_postgres(batch.text), batch.parameters)
        return
    text = sql.for_postgres(f"{batch.text} RETURNING CAST(? AS bigint)")
    marked = [[*parameters, number] for number, parameters in enumerate(batch.parameters)]
    matched = {row[0] for row in await connection.fetchmany(text, marked)}
    if len(matched) < len(marked):
        raise Conflict(f"no row in {batch.op.table}")


# -- errors


def _is_own_fault(error: Exception) -> bool:
    """Return whether only the commit that raised this is to fail."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_OWN_CLASSES)
    if isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, asyncpg.DataError)
    return not isinstance(error, REFUSALS)


def _refusal(error: Exception) -> Exception:
    """Return what the caller of a commit gets for what happened to it."""
    if isinstance(error, (Conflict, StoreUnavailable)):
        return error
    if isinstance(error, asyncpg.UniqueViolationError):
        return Conflict(str(error))
    refused = StoreFull if isinstance(error, asyncpg.DiskFullError) else StoreUnavailable
    refusal = refused(
        f"PostgreSQL refused: {reason(error)}" if isinstance(error, REFUSALS) else f"the commit failed: {error!r}"
    )
    refusal.__cause__ = error
    return refusal
