"""Oracle: a million deliveries under changing permissions, each judged: `make oracle`, or this module by `-m`.

On a terminal it shows how far it is; in a pipe it prints the figures at the end only. `--json` prints them as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.oracle.load import LONG, Town
from tests.oracle.run import FLAGS, PASSIVE, Run
from tests.support.server import running_server

ROWS = (
    ("deliveries", "deliveries compared"), ("logged", "events in the logs"), ("operations", "permission operations"),
    ("sessions", "sessions"), ("late", "of these opened under load"), ("resumes", "cuts and resumes"),
    ("leaks", "leaks"), ("missing", "missing"), ("disordered", "sessions out of order"),
    ("out_of_log", "calls out of order"), ("broken", "sessions that broke"),
)  # fmt: skip
TIMES = (
    ("revoked_ms", "2xx of a revocation to CHANNEL_DELETE or GUILD_DELETE"),
    ("last_delivery_ms", "2xx of a revocation to the last message of the channel"),
    ("granted_ms", "2xx of a grant to CHANNEL_CREATE or GUILD_CREATE"),
)


def table(found: dict[str, Any]) -> Table:
    """The figures for people."""
    shown = Table("", "", box=None, show_header=False)
    for name, label in ROWS:
        shown.add_row(label, f"{found[name]:,}")
    for name, label in TIMES:
        each = found[name]
        shown.add_row(label, f"p50 {each['p50']} ms, p99 {each['p99']} ms, max {each['max']} ms of {each['count']:,}")
    for sample in found["samples"]:
        shown.add_row("fault", sample)
    return shown


def main() -> int:
    """Run it; 1 if anything was told that should not have been, or the other way round."""
    parser = argparse.ArgumentParser(
        prog="oracle", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deliveries", type=int, default=LONG.deliveries, help="when to stop (a million)")
    parser.add_argument("--seed", type=int, help="of the operations; how calls interleave is the machine's affair")
    parser.add_argument("--module", default="tocsin", help="what to run; tests.oracle.planted has a bug to be found")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--passive", action="store_true", help="guilds so large that people are passive in them")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    town = Town(dataclasses.replace(LONG, deliveries=options.deliveries), seed, passive=options.passive)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        running_server(
            Path(folder) / "data",
            *FLAGS,
            *(PASSIVE if options.passive else ()),
            world=town.world(),
            module=options.module,
        ) as server,
    ):
        task = progress.add_task("deliveries", total=options.deliveries)
        told = asyncio.run(Run(town, server, lambda count: progress.update(task, completed=count)).play())
    found = {"seed": seed, **told.summary(), "seconds": round(time.monotonic() - began, 1), "load": os.getloadavg()[0]}
    if options.json:
        print(json.dumps(found))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(table(found))
    return 0 if told.right else 1


if __name__ == "__main__":
    sys.exit(main())
