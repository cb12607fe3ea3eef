"""SqliteReaders: the threads that read. Each has its own connection, which cannot write."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tocsin.errors import StoreUnavailable
from tocsin.store import sql

THREADS = 4
T = TypeVar("T")


class SqliteReaders:
    """A small pool of reading threads.

    Args:
        connect: opens a connection; called on each reading thread.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._pool = ThreadPoolExecutor(THREADS, "tocsin-read")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    async def close(self) -> None:
        """Finish the reads under way and close the connections."""
        await asyncio.to_thread(self._pool.shutdown)
        for connection in self._opened:
            connection.close()
        self._opened.clear()

    async def read(self, question: sql.Question[T]) -> T:
        """Answer a question on a reading thread.

        Raises:
            errors.StoreUnavailable: SQLite refused, or the store is closed.
        """

        def ask() -> T:
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                statement = next(question)
                while True:
                    statement = question.send(connection.execute(*sql.for_sqlite(*statement)).fetchall())
            except StopIteration as stop:
                answer: T = stop.value
                return answer
            finally:
                connection.execute("COMMIT")

        return await self._run(ask)

    async def query(self, text: str, *parameters: object) -> list[Any]:
        """Return the rows of one statement; errors as `read`."""
        statement = sql.for_sqlite(text, parameters)
        return await self._run(lambda: self._connection().execute(*statement).fetchall())

    async def _run(self, ask: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, ask)
        except (sqlite3.Error, RuntimeError) as error:
            raise StoreUnavailable(f"SQLite refused: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
            self._opened.append(connection)
        return connection
