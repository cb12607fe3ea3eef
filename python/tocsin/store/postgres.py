"""PostgresStore: the store of several nodes, on asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tocsin.errors import ConfigError, StoreUnavailable
from tocsin.store import sqlite_schema
from tocsin.store.postgres_link import OLDEST_POSTGRES, REFUSALS, PostgresLink, PostgresReaders, reason, shown
from tocsin.store.postgres_writer import PostgresWriter
from tocsin.store.sql_store import SqlStore


class PostgresStore(SqlStore):
    """See `tocsin.store.base.Store`.

    Args:
        url: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, as libpq takes it.
        clock: gives Unix milliseconds.
        pool_size: how many connections read; one more writes.
        timeout_ms: the longest that a read, or a group of commits, may take.
        outbox_window_ms: how long the outbox keeps events.
        nonce_window_ms: how long a nonce is remembered.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], int],
        *,
        pool_size: int = 8,
        timeout_ms: int = 5000,
        outbox_window_ms: int = 600_000,
        nonce_window_ms: int = 300_000,
    ) -> None:
        super().__init__(clock, outbox_window_ms, nonce_window_ms)
        self._link = PostgresLink(url, timeout_ms)
        self._pool_size = pool_size

    async def open(self) -> None:
        """Migrate the database to this version's schema and connect to it.

        Raises:
            errors.ConfigError: the database was written by a newer tocsin, or the server is too old or not in UTF-8.
            errors.StoreUnavailable: it cannot be reached, or refuses this user.
        """
        try:
            current = await self._is_current()
        except (*REFUSALS, ValueError) as error:
            raise StoreUnavailable(f"cannot open {shown(self._link.url)}: {reason(error)}") from error
        if not current:
            from tocsin.store import migrate  # only here: its imports are half of a start

            await asyncio.to_thread(migrate.upgrade, self._link.url)
        self._parts = (
            PostgresWriter(self._link, self._clock, self._publish),
            PostgresReaders(self._link, self._pool_size),
        )

    async def _is_current(self) -> bool:
        connection = await self._link.connect()
        try:
            version = connection.get_server_version().major
            if version < OLDEST_POSTGRES:
                raise ConfigError(f"database: needs PostgreSQL {OLDEST_POSTGRES} or newer, not {version}")
            encoding = connection.get_settings().server_encoding
            if encoding != "UTF8":
                raise ConfigError(f"database: {shown(self._link.url)} must be in UTF8, not {encoding}")
            if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
                return False
            revisions = await connection.fetch("SELECT version_num FROM alembic_version")
            return [row[0] for row in revisions] == [sqlite_schema.head()]
        finally:
            connection.terminate()
