"""The durable truth: rows, scopes' sequences, the outbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tocsin.config import Settings, is_postgres
from tocsin.errors import ConfigError
from tocsin.store.base import Store
from tocsin.store.sqlite import SqliteStore

__all__ = ["Store", "database_url", "open_store"]


def database_url(settings: Settings) -> str:
    """Return the `database` setting, or its default inside the data folder."""
    return settings.database or f"sqlite:///{Path(settings.data) / 'tocsin.db'}"


def open_store(settings: Settings, clock: Callable[[], int]) -> Store:
    """Return the store that the `database` setting names, not yet opened.

    Raises:
        ConfigError: no store of this version understands the URL.
    """
    url = database_url(settings)
    if url.startswith("sqlite:///"):
        return SqliteStore(
            Path(url.removeprefix("sqlite:///")),
            clock,
            outbox_window_ms=settings.outbox_window_ms,
            nonce_window_ms=settings.nonce_window_ms,
        )
    if is_postgres(url):
        from tocsin.store.postgres import PostgresStore  # only here: most nodes have no use for its imports

        return PostgresStore(
            url,
            clock,
            pool_size=settings.database_pool_size,
            timeout_ms=settings.database_timeout_ms,
            outbox_window_ms=settings.outbox_window_ms,
            nonce_window_ms=settings.nonce_window_ms,
        )
    raise ConfigError("database: must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME")
