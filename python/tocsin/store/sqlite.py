"""SqliteStore: the store of a single node, on stdlib sqlite3 (WAL, synchronous=FULL)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from tocsin.errors import ConfigError, StoreFull, StoreUnavailable
from tocsin.store import sqlite_schema
from tocsin.store.sql_store import SqlStore
from tocsin.store.sqlite_reader import SqliteReaders
from tocsin.store.sqlite_writer import SqliteWriter, is_full

OLDEST_SQLITE = (3, 38, 0)
"""The first version that always has JSON functions; RETURNING and upserts are older."""

BUSY_TIMEOUT_MS = 5000


class SqliteStore(SqlStore):
    """See `tocsin.store.base.Store`.

    Args:
        path: the database file; its folder is made if need be.
        clock: gives Unix milliseconds.
        outbox_window_ms: how long the outbox keeps events.
        nonce_window_ms: how long a nonce is remembered.
    """

    def __init__(
        self, path: Path, clock: Callable[[], int], *, outbox_window_ms: int = 600_000, nonce_window_ms: int = 300_000
    ) -> None:
        super().__init__(clock, outbox_window_ms, nonce_window_ms)
        self.path = path

    # -- life

    async def open(self) -> None:
        """Migrate the file to this version's schema and start the threads.

        Raises:
            errors.ConfigError: the file was written by a newer tocsin, or SQLite is too old.
            errors.StoreUnavailable: the file cannot be opened, or is not a database.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ConfigError(
                f"database: needs SQLite {'.'.join(map(str, OLDEST_SQLITE))}, not {sqlite3.sqlite_version}"
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(self._make_current)
            self._connect().close()
        except (OSError, sqlite3.Error) as error:
            if is_full(error):
                raise StoreFull(f"cannot open {self.path}: its disk is full ({error})") from error
            raise StoreUnavailable(f"cannot open {self.path}: {error}") from error
        self._parts = SqliteWriter(self._connect, self._clock, self._publish), SqliteReaders(self._connect)

    def _make_current(self) -> None:
        if not sqlite_schema.make_current(self.path):
            from tocsin.store import migrate  # only here: its imports are half of a start

            migrate.upgrade(f"sqlite:///{self.path}")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=512)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection
