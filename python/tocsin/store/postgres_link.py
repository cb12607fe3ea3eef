"""PostgresLink: how tocsin connects to PostgreSQL, what its errors mean, and the connections that read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from tocsin.config import is_postgres
from tocsin.errors import StoreUnavailable
from tocsin.store import sql

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

T = TypeVar("T")

OLDEST_POSTGRES = 14
"""The first version that notices a client which is gone while it waits for a lock."""

CLOSE_TIMEOUT_S = 1.0
REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What asyncpg raises when the database, the connection to it or a parameter is at fault."""

_ESCAPE = "\ufdd0"  # no character: Unicode keeps it for the inner use of programs
_NUL = _ESCAPE + "0"


def escape(text: str) -> str:
    """Return a text without NULs, which PostgreSQL cannot hold; `unescape` gives them back."""
    if "\0" in text or _ESCAPE in text:
        return text.replace(_ESCAPE, _ESCAPE + "1").replace("\0", _NUL)
    return text


def unescape(text: str) -> str:
    """Return what `escape` was given."""
    if _ESCAPE in text:
        return text.replace(_NUL, "\0").replace(_ESCAPE + "1", _ESCAPE)
    return text


def shown(url: str) -> str:
    """Return a database's URL as it may be shown: of PostgreSQL's, without user, password and parameters."""
    if not is_postgres(url):
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def reason(error: BaseException) -> str:
    """Return what an error says, or its name when it says nothing."""
    return str(error) or type(error).__name__


async def disconnect(connection: Connection) -> None:
    """Close a connection; one that does not answer is dropped."""
    with contextlib.suppress(*REFUSALS):
        await connection.close(timeout=CLOSE_TIMEOUT_S)


class PostgresLink:
    """Opens connections.

    Args:
        url: as libpq takes it.
        timeout_ms: the longest that a statement, or connecting, may take.
    """

    def __init__(self, url: str, timeout_ms: int) -> None:
        self.url = url
        self.timeout_s = timeout_ms / 1000
        self._settings = {
            "application_name": "tocsin",
            "statement_timeout": str(timeout_ms),
            # A node that froze within a transaction holds rows which others wait for.
            "idle_in_transaction_session_timeout": str(timeout_ms),
            "client_connection_check_interval": "1000",
        }

    async def connect(self) -> Connection:
        """Open a connection.

        Raises:
            REFUSALS: it could not be opened within the time.
        """
        async with asyncio.timeout(self.timeout_s):
            connection = await asyncpg.connect(
                self.url,
                timeout=self.timeout_s,
                server_settings=self._settings,
                statement_cache_size=512,
                max_cached_statement_lifetime=0,
            )
            try:
                await connection.set_type_codec("text", schema="pg_catalog", encoder=escape, decoder=unescape)
            except BaseException:
                connection.terminate()
                raise
        return connection


class PostgresReaders:
    """A bounded number of connections that read, opened as they are needed.

    Args:
        link: opens a connection.
        size: how many at most.
    """

    def __init__(self, link: PostgresLink, size: int) -> None:
        self._link = link
        self._size = size
        self._slots = asyncio.Semaphore(size)
        self._free: list[Connection] = []
        self._closed = False

    async def close(self) -> None:
        """Finish the reads under way and close the connections."""
        self._closed = True
        for _ in range(self._size):
            await self._slots.acquire()
        while self._free:
            await disconnect(self._free.pop())

    async def read(self, question: sql.Question[T]) -> T:
        """Answer a question.

        Raises:
            errors.StoreUnavailable: PostgreSQL refused, is gone or slow, or every connection is taken for too long.
        """

        async def ask(connection: Connection) -> T:
            text, parameters = next(question)
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                while True:
                    rows = await connection.fetch(sql.for_postgres(text), *parameters)
                    text, parameters = question.send(rows)
            except StopIteration as stop:
                answer: T = stop.value
            await connection.execute("COMMIT")
            return answer

        return await self._run(ask)

    async def query(self, text: str, *parameters: object) -> list[Any]:
        """Return the rows of one statement; errors as `read`."""
        return await self._run(lambda connection: connection.fetch(sql.for_postgres(text), *parameters))

    async def _run(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            async with asyncio.timeout(self._link.timeout_s), self._slots:
                return await self._on_one(ask)
        except REFUSALS as error:
            raise StoreUnavailable(f"PostgreSQL refused: {reason(error)}") from error

    async def _on_one(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        while self._free and self._free[-1].is_closed():
            self._free.pop()
        connection = self._free.pop() if self._free else await self._link.connect()
        try:
            answer = await ask(connection)
        except BaseException:
            connection.terminate()  # who knows what it is in the middle of
            raise
        self._free.append(connection)
        return answer
