"""`tocsin seed FILE`: a world file into a running node, or into the store of a stopped one."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from tocsin.cli.options import settings_from, settings_options

if TYPE_CHECKING:
    from tocsin.config import Settings
    from tocsin.service.world_file import WorldFile
    from tocsin.service.world_seed import SeedReport


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@settings_options("data", "database", "node_number")
@click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def seed(file: Path, config: str | None, as_json: bool, **flags: str | int | None) -> None:
    """Load a world file (JSON, or TOML by its name) idempotently.

    When a node runs on the data folder, it does the work and live sessions hear of it; else the store is opened
    directly.
    """
    from tocsin.cli.running import ask, running_node
    from tocsin.service.world_file import read_world_file
    from tocsin.service.world_seed import SeedReport

    settings = settings_from(config, flags)
    world = read_world_file(file)
    node = running_node(settings.data)
    if node is None:
        with _bar(as_json) as on_progress:
            report = asyncio.run(_into_store(settings, world, on_progress))
    else:
        path = "/_tocsin/world" + ("?format=toml" if file.suffix.lower() == ".toml" else "")
        with _bar(as_json):
            report = msgspec.convert(ask(node, path, file.read_bytes()), SeedReport)
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    where = "the store" if node is None else f"the running node {node.node}"
    click.echo(
        f"{file.name} is in {where}: {report.users_made} users, {report.guilds_made} guilds and "
        f"{report.members_made} memberships made, {report.changed} things changed"
    )


async def _into_store(settings: Settings, world: WorldFile, on_progress: Callable[[int, int], None]) -> SeedReport:
    from tocsin.model.snowflake import SnowflakeFactory
    from tocsin.service.world_seed import seed_world
    from tocsin.store import open_store

    def clock() -> int:
        return time.time_ns() // 1_000_000

    store = open_store(settings, clock)
    await store.open()
    try:
        snowflakes = SnowflakeFactory(settings.node_number, clock, floor=await store.highest_snowflake())
        return await seed_world(world, store=store, snowflakes=snowflakes, clock=clock, on_progress=on_progress)
    finally:
        await store.close()


@contextlib.contextmanager
def _bar(as_json: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal; be quiet in a pipe."""
    if as_json or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("seeding", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
