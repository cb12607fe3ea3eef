"""`tocsin gateway`: the half of a node that holds sessions; the other half is `tocsin api`."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click

from tocsin.cli.holding import run_holding
from tocsin.cli.options import settings_from, settings_options


@click.command()
@settings_options()
def gateway(config: str | None, **flags: Any) -> None:
    """Run a gateway without the message API: its HTTP port has health, metrics and the gateway's URL only.

    Needs a bus and a database that the API's processes share. SIGTERM drains it, then it exits 0.
    """
    gc.disable()  # as in `tocsin serve`
    settings = settings_from(config, flags)
    from tocsin.config import check_half
    from tocsin.runtime import Role, run

    check_half(settings, "gateway")

    def on_ready(node: Any) -> None:
        click.echo(f"\n  gateway  {node.gateway_url}\n  health   {node.http_url}/readyz\n")
        sys.stdout.flush()

    run_holding(settings, lambda: run(settings, on_ready, role=Role.GATEWAY))
