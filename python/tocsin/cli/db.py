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
    from tocsin.store import database_url, migrate

    url = database_url(settings_from(config, flags))
    Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    before, after = migrate.upgrade(url)
    click.echo(f"{url}: at {after} already" if before == after else f"{url}: {before or 'empty'} -> {after}")
