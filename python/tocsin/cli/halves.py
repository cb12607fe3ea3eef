"""`tocsin gateway` and `tocsin api`: the two halves of a cluster, which this version cannot run."""

from __future__ import annotations

from typing import Any

import click

from tocsin.cli.options import settings_from, settings_options
from tocsin.errors import ConfigError

_WHY = (
    "the halves of a cluster meet over Redis and PostgreSQL, which this version does not speak; "
    "`tocsin serve` runs both halves in one process"
)


@click.command(short_help="Run the gateway half.")
@settings_options()
def gateway(config: str | None, **flags: Any) -> None:
    """Run the gateway half of a cluster. Not in this version: exits 2 and says why."""
    settings_from(config, flags)
    raise ConfigError(f"bus: {_WHY}")


@click.command(short_help="Run the API half.")
@settings_options()
def api(config: str | None, **flags: Any) -> None:
    """Run the API half of a cluster. Not in this version: exits 2 and says why."""
    settings_from(config, flags)
    raise ConfigError(f"bus: {_WHY}")
