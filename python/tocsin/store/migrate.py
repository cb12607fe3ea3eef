"""Migrations: bring a database to the schema of this version, or refuse one that is newer."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tocsin.errors import ConfigError, StoreUnavailable

_SCRIPTS = Path(__file__).parent / "migrations"
_SQLITE = "sqlite:///"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def _engine(url: str) -> Engine:
    # A path is taken as it stands: make_url would read ? and % in it.
    parsed = URL.create("sqlite", database=url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else make_url(url)
    return create_engine(parsed, poolclass=NullPool)


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
    with closing(_engine(url).connect()) as connection:
        return _revision(connection)


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
        raise StoreUnavailable(f"cannot open {url.removeprefix(_SQLITE)}: {error.orig}") from error


def _upgrade(url: str) -> tuple[str | None, str]:
    scripts = ScriptDirectory.from_config(_config())
    target = head()
    with closing(_engine(url).connect()) as connection:
        before = _revision(connection)
        if before == target:
            return before, target
        if connection.dialect.name == "sqlite":
            # Python's sqlite3 would otherwise commit each CREATE TABLE by itself. Another process may have been here
            # before the lock was ours, so the revision is read again.
            connection.rollback()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            before = _revision(connection)
        if before is not None and before not in {each.revision for each in scripts.walk_revisions()}:
            raise ConfigError(
                f"database: {url} has schema revision {before}, which this version does not know; use a newer tocsin"
            )
        command.upgrade(_config(connection), "head")
        connection.commit()
    return before, target
