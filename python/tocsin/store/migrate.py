"""Migrations: bring a database to the schema of this version, or refuse one that is newer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tocsin.config import is_postgres
from tocsin.errors import ConfigError, StoreUnavailable
from tocsin.store.postgres_link import REFUSALS, reason, shown

_SCRIPTS = Path(__file__).parent / "migrations"
_SQLITE = "sqlite:///"
_LOCK = 0x746F6373696E
"""Of PostgreSQL's advisory locks the one that whoever migrates holds."""

_PATIENCE_S = 30.0
T = TypeVar("T")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def _with(url: str, work: Callable[[Connection], T]) -> T:
    """Return what `work` does on a connection; without a commit of its own, nothing stays."""
    if is_postgres(url):
        # On a thread of its own, as the caller's may have a running loop.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(_with_postgres(url, work))).result()
    # A path is taken as it stands: make_url would read ? and % in it.
    engine = create_engine(URL.create("sqlite", database=url.removeprefix(_SQLITE)), poolclass=NullPool)
    with closing(engine.connect()) as connection:
        return work(connection)


async def _with_postgres(url: str, work: Callable[[Connection], T]) -> T:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url, timeout=_PATIENCE_S), poolclass=NullPool
    )
    async with engine.connect() as connection:
        return await connection.run_sync(work)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Return the revision this version of tocsin needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None, "the package has no migrations"
    return revision


def known() -> set[str]:
    """Return the revisions this version of tocsin knows."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def current(url: str) -> str | None:
    """Return the revision a database is at, or None for an empty one."""
    return _with(url, _revision)


def newest_message(url: str) -> int:
    """Return the greatest id of a message, 0 without one."""
    return _with(url, lambda connection: connection.exec_driver_sql("SELECT max(id) FROM messages").scalar()) or 0


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring the database at `url` to this version's schema; return the revisions before and after.

    All in one transaction: a process that dies in it leaves the database as it was.

    Raises:
        ConfigError: the database was written by a newer tocsin.
        StoreUnavailable: the database cannot be opened, or is not one.
    """
    try:
        return _upgrade(url)
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot open {shown(url).removeprefix(_SQLITE)}: {error.orig}") from error
    except REFUSALS as error:
        raise StoreUnavailable(f"cannot open {shown(url)}: {reason(error)}") from error


def _upgrade(url: str) -> tuple[str | None, str]:
    scripts = ScriptDirectory.from_config(_config())
    target = head()

    def work(connection: Connection) -> tuple[str | None, str]:
        before = _revision(connection)
        if before == target:
            return before, target
        if connection.dialect.name == "sqlite":
            # Python's sqlite3 would otherwise commit each CREATE TABLE by itself. Another process may have been here
            # before the lock was ours, so the revision is read again.
            connection.rollback()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            before = _revision(connection)
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            before = _revision(connection)
        if before is not None and before not in {each.revision for each in scripts.walk_revisions()}:
            raise ConfigError(
                f"database: {shown(url)} has schema revision {before}, which this version does not know; "
                "use a newer tocsin"
            )
        command.upgrade(_config(connection), "head")
        connection.commit()
        return before, target

    return _with(url, work)
