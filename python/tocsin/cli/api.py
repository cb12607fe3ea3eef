"""`tocsin api`: the message API in processes that share a port; the other half of a node is `tocsin gateway`."""

from __future__ import annotations

import sys
from typing import Any

import click

from tocsin.cli.holding import run_holding
from tocsin.cli.options import settings_from, settings_options


@click.command()
@settings_options()
def api(config: str | None, **flags: Any) -> None:
    """Run the message API without a gateway, in --workers processes that share --http-port.

    Needs a bus and a database that the gateways share, and --public-gateway-url, which it tells clients. Each process
    takes a number from --node-number on. One that dies is started again. SIGTERM ends them all, then it exits 0.
    """
    settings = settings_from(config, flags)
    from tocsin.config import check_half
    from tocsin.workers import Workers, run_workers

    check_half(settings, "api")

    def on_ready(workers: Workers) -> None:
        click.echo(f"\n  API      {workers.http_url}/api/v10\n  gateway  {workers.gateway_url}\n")
        sys.stdout.flush()

    run_holding(settings, lambda: run_workers(settings, on_ready))
