"""SqliteWriter: the one thread that writes. Commits that wait together share one transaction and one fsync."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence

from tocsin.errors import Conflict, StoreFull, StoreUnavailable
from tocsin.model.event import Event, Scope
from tocsin.store import sql
from tocsin.store.base import Op
from tocsin.store.units import NEXT_SEQ, OUTBOX, Outcome, Unit, finish, numbered, scopes_of

_DUPLICATE = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
)
_OWN_FAULT = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_MISUSE,
    }
)
"""What is wrong with one commit; any other code of SQLite's is the database's trouble and fails the group."""

_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
"""No room for the file or its log; none for their index."""

GROUP_LIMIT = 256
QUEUE_LIMIT = 16384
"""Commits that may wait. More means that the disk does not keep up; they are refused."""


class SqliteWriter:
    """Owns the writing connection.

    Args:
        connect: opens the connection; called on the writer thread.
        clock: gives Unix milliseconds, for the outbox.
        on_commit: called on the event loop with each group's events in commit order, before the callers resume.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        clock: Callable[[], int],
        on_commit: Callable[[list[Event]], None],
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Unit] = deque()
        self._ready = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="tocsin-store", daemon=True)
        self._thread.start()

    def submit(self, ops: Sequence[Op], events: Sequence[Event]) -> asyncio.Future[list[Event]]:
        """Queue a commit.

        Raises:
            errors.StoreUnavailable: the store is closed, or too many commits wait.
        """
        unit = Unit(ops, events, self._loop.create_future())
        with self._ready:
            if self._closing:
                raise StoreUnavailable("the store is closed")
            if len(self._queue) >= QUEUE_LIMIT:
                raise StoreUnavailable("too many commits wait")
            self._queue.append(unit)
            self._ready.notify()
        return unit.done

    async def close(self) -> None:
        """Write what is queued, then end the thread."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        await asyncio.to_thread(self._thread.join)

    # -- on the writer thread

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while True:
            with self._ready:
                while not self._queue and not self._closing:
                    self._ready.wait()
                if not self._queue:
                    break
                group = [self._queue.popleft() for _ in range(min(GROUP_LIMIT, len(self._queue)))]
            try:
                if connection is None:
                    connection = self._connect()
                outcomes = self._write(connection, group)
            except Exception as error:
                outcomes = [(unit, _refusal(error)) for unit in group]
                connection = self._give_up(connection)
            try:
                self._loop.call_soon_threadsafe(self._finish, outcomes)
            except RuntimeError:
                break  # the loop has ended: nobody waits any more
        if connection is not None:
            connection.close()

    @staticmethod
    def _give_up(connection: sqlite3.Connection | None) -> sqlite3.Connection | None:
        """Roll back after a failed group; on a connection that cannot even do that, open a new one next time."""
        if connection is None:
            return None
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            return None
        return connection

    def _write(self, connection: sqlite3.Connection, group: list[Unit]) -> list[Outcome]:
        """Write a group as one batch; only when one of its commits is at fault, each in a savepoint of its own."""
        now = self._clock()
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes: list[Outcome] = list(zip(group, _apply(connection, group, now), strict=True))
        except Exception as error:
            if not (_is_own_fault(error) and connection.in_transaction):
                raise
            connection.execute("ROLLBACK")
            if len(group) == 1:
                return [(group[0], _refusal(error))]
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [(unit, _apply_alone(connection, unit, now)) for unit in group]
        connection.execute("COMMIT")
        return outcomes

    # -- on the event loop

    def _finish(self, outcomes: list[Outcome]) -> None:
        finish(outcomes, self._on_commit)


def _apply(connection: sqlite3.Connection, units: Sequence[Unit], now: int) -> list[list[Event]]:
    """Write the rows of the units, then their events with the next numbers of their scopes, and return those."""
    for unit in units:
        for op in unit.ops:
            cursor = connection.execute(*sql.for_sqlite(*sql.statement(op)))
            if cursor.rowcount == 0 and sql.must_match(op):
                raise Conflict(f"no row in {op.table}")
    # One statement per scope and group, not per event.
    last: dict[Scope, int] = {}
    for scope, count in scopes_of(units):
        (seq,) = connection.execute(NEXT_SEQ, (*scope, count)).fetchone()
        last[scope] = seq - count
    written, outbox = numbered(units, last, now)
    if outbox:
        connection.executemany(OUTBOX, outbox)
    return written


def _apply_alone(connection: sqlite3.Connection, unit: Unit, now: int) -> list[Event] | Exception:
    """Write one commit of a group whose other commits are to stay, whatever is wrong with this one."""
    connection.execute("SAVEPOINT unit")
    outcome: list[Event] | Exception
    try:
        (outcome,) = _apply(connection, [unit], now)
    except Exception as error:
        if not (_is_own_fault(error) and connection.in_transaction):
            raise
        outcome = _refusal(error)
        connection.execute("ROLLBACK TO unit")
    connection.execute("RELEASE unit")
    return outcome


def _is_own_fault(error: Exception) -> bool:
    """Return whether only the commit that raised this is to fail."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _OWN_FAULT


def is_full(error: Exception) -> bool:
    """Return whether SQLite says so because there is no room."""
    return getattr(error, "sqlite_errorcode", None) in _FULL


def _refusal(error: Exception) -> Exception:
    """Return what the caller of a commit gets for what happened to it."""
    if isinstance(error, Conflict):
        return error
    if getattr(error, "sqlite_errorcode", None) in _DUPLICATE:
        return Conflict(str(error))
    refused = StoreFull if is_full(error) else StoreUnavailable
    refusal = refused(
        f"SQLite refused: {error}" if isinstance(error, sqlite3.Error) else f"the commit failed: {error!r}"
    )
    refusal.__cause__ = error
    return refusal
