"""Migrations: bring a database to the schema of this version, or refuse one that is newer."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from tocsin.errors import ConfigError

_SCRIPTS = Path(__file__).parent / "migrations"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def head() -> str:
    """Return the revision this version of tocsin needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def current(url: str) -> str | None:
    """Return the revision a database is at, or None for an empty one."""
    engine = create_engine(make_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring the database at `url` to this version's schema; return the revisions before and after.

    Raises:
        ConfigError: the database was written by a newer tocsin.
    """
    scripts = ScriptDirectory.from_config(_config())
    target = head()
    engine = create_engine(make_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        if before is not None and before not in {each.revision for each in scripts.walk_revisions()}:
            raise ConfigError(
                f"database: {url} has schema revision {before}, which this version does not know; use a newer tocsin"
            )
        if before != target:
            command.upgrade(_config(connection), "head")
            connection.commit()
    return before, target
