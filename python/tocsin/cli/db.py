"""`tocsin db`: the schema of the database."""

from __future__ import annotations

from pathlib import Path

import click

from tocsin.cli.options import settings_from, settings_options


@click.group()
def db() -> None:
    """Look after the database's schema."""


@db.command()
@settings_options("data", "database")
def upgrade(config: str | None, **flags: str | None) -> None:
    """Bring the database to this version's schema. `tocsin serve` does so by itself."""
    from tocsin.config import is_postgres
    from tocsin.store import database_url, migrate
    from tocsin.store.postgres_link import shown

    url = database_url(settings_from(config, flags))
    if not is_postgres(url):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    before, after = migrate.upgrade(url)
    where = shown(url)
    click.echo(f"{where}: at {after} already" if before == after else f"{where}: {before or 'empty'} -> {after}")
