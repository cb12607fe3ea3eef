"""Nemesis: a cluster under load while its parts are killed, frozen, cut off and emptied; every session judged.

`make nemesis`, or this module by `-m`. On a terminal it shows how far it is; in a pipe it prints the figures at the end
only. `--json` prints them as JSON. It ends with 1 if anything was lost, duplicated, reordered or shown in silence.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.cluster import clocks
from tests.cluster.evidence import keep_evidence
from tests.cluster.readers import OUTBOUND_BYTES
from tests.cluster.schedules import (
    CLOCK_FAULTS,
    DISK_FAULTS,
    MODES,
    POSTGRES_DISK_FAULTS,
    POSTGRES_FAULTS,
    Told,
    play,
    revoke,
)
from tests.cluster.stage import HEARTBEAT_MS, INBOX_TTL_MS, LONG_TTL_MS, Scale, Stage
from tests.cluster.verdict import Verdict
from tests.support.full_disk import FullDisk

ROWS = (
    ("sessions", "sessions"), ("logged", "messages in the logs"), ("deliveries", "deliveries compared"),
    ("withheld", "deliveries withheld"), ("resumed_percent", "outages that ended RESUMED, %"),
    ("resumed", "outages that ended RESUMED"), ("resumed_elsewhere", "of these at another node"),
    ("invalidated", "outages that ended in words"), ("late", "late (over 5 s while attached)"),
    *((name, name.replace("_", " ")) for name in Verdict.WRONG),
)  # fmt: skip
TIMES = (
    ("back_ms", "outage to RESUMED or GUILD_CREATE"),
    ("live_ms", "message's id to arrival, attached"),
    ("effect_ms", "2xx of a permission to its effect"),
)


def _quiet(what: str, done: int) -> None:
    pass


async def run(
    folder: Path,
    mode: str,
    scale: Scale,
    *,
    times: int = 0,
    minutes: float = 0,
    judged: int = 0,
    pause_s: float = 1.0,
    told: Told = _quiet,
    module: str = "tocsin",
) -> dict[str, Any]:
    """One run in a folder of its own; return its figures."""
    flags = ("--appendonly", "yes", "--appendfsync", "everysec")
    began = time.monotonic()
    faults = MODES[mode]
    if scale.postgres and mode == "all":
        faults += (*POSTGRES_FAULTS, *DISK_FAULTS, *(CLOCK_FAULTS if clocks.library() else ()))
    if scale.postgres and mode in ("all", "disk"):
        faults += tuple(POSTGRES_DISK_FAULTS)
    async with Stage(
        folder, scale, redis_flags=flags, module=module, clocks=not CLOCK_FAULTS.keys().isdisjoint(faults),
        flags=(f"--outbound-max-bytes={OUTBOUND_BYTES}",) if "stalled" in faults else (),
        disk=None if DISK_FAULTS.keys().isdisjoint(faults) else FullDisk(),
    ) as stage:  # fmt: skip
        told("open", 0)
        if mode == "revocation":
            figures = await revoke(stage, judged=judged, seconds=minutes * 60, told=told)
        else:
            figures = await play(stage, faults, times=times, seconds=minutes * 60, pause_s=pause_s, told=told)
        verdict = stage.judge()
        found = verdict.summary()
        wrong = not verdict.right or +stage.disturbed or stage.holes_found != stage.holes_made
        evidence = str(keep_evidence(stage, verdict)) if wrong else ""
    return {
        "mode": mode, "seed": scale.seed, "nodes": scale.nodes, "partitions": scale.partitions, "rate": scale.rate,
        "changes": scale.changes, "takings": scale.takings, **figures, **found,
        "evidence": evidence, "disturbed": dict(+stage.disturbed),
        "stalls": stage.stalls, "stalls_told": stage.stalls_told,
        "tail_bytes": stage.tail_bytes, "holes_made": stage.holes_made, "holes_found": stage.holes_found,
        **stage.logged(), "changed": dict(stage.changed), "refused_posts": stage.refused,
        "unanswered_posts": stage.unanswered,
        "seconds": round(time.monotonic() - began, 1), "load": os.getloadavg()[0],
    }  # fmt: skip


def table(found: dict[str, Any]) -> Table:
    """The figures for people."""
    shown = Table("", "", box=None, show_header=False)
    shown.add_row("mode, seed", f"{found['mode']}, {found['seed']}")
    if "faults" in found:
        shown.add_row("faults", ", ".join(f"{count} {name}" for name, count in found["faults"].items()))
    if "operations" in found:
        shown.add_row("permission operations", f"{found['operations']:,}")
    for name, label in ROWS:
        shown.add_row(label, f"{found[name]:,}")
    if found["endings"]:
        shown.add_row("words", ", ".join(f"{name}: {count}" for name, count in found["endings"].items()))
    for name, label in TIMES:
        if each := found.get(name):
            shown.add_row(
                label,
                f"p50 {each['p50']} ms, p99 {each['p99']} ms, max {each['max']} ms of {each['count']:,}"
                if each["count"]
                else "none",
            )
    if found["holes_made"]:
        shown.add_row("holes made, found", f"{found['holes_made']}, {found['holes_found']}")
    if found["tail_bytes"]:
        shown.add_row("octets that promoted replicas lacked", f"{found['tail_bytes']:,}")
    if found["stalls"]:
        shown.add_row("readers that stalled, told 4000", f"{found['stalls']}, {found['stalls_told']}")
    logged = (
        ("changed", "changes answered with 2xx"),
        ("inboxes", "inboxes begun"),
        ("takeovers_refused", "takeovers refused"),
        ("errors", "errors in logs"),
        ("disturbed", "disturbed"),
    )
    for name, label in logged:
        if found[name]:
            shown.add_row(label, ", ".join(f"{what}: {count}" for what, count in found[name].items()))
    if found["refused_posts"] or found["unanswered_posts"]:
        refused = ", ".join(f"{status}: {count}" for status, count in found["refused_posts"].items())
        shown.add_row("posts refused, unanswered", f"{refused or 0}; {found['unanswered_posts']}")
    if found["evidence"]:
        shown.add_row("evidence", found["evidence"])
    for sample in found["samples"]:
        shown.add_row("fault", sample)
    return shown


def main() -> int:
    """Run it; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(
        prog="nemesis", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=sorted(MODES), default="all", help="which faults (all)")
    parser.add_argument("--seed", type=int, help="of the schedule; how calls interleave is the machine's affair")
    parser.add_argument(
        "--minutes", type=float, default=0, help="when to stop at the latest (0: when the faults are done)"
    )
    parser.add_argument(
        "--kills", "--faults", type=int, default=0, dest="times", help="how many faults (200; with --minutes no limit)"
    )
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--members", type=int, default=20, help="sessions per guild")
    parser.add_argument("--rate", type=float, default=200, help="messages per second")
    parser.add_argument(
        "--changes", type=float, default=0, help="members per second who join, leave or are given another name"
    )
    parser.add_argument(
        "--takings",
        type=float,
        default=0,
        help="times per second a guild's members lose its open channel, or get it back",
    )
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=1, help="of the bus")
    parser.add_argument("--judged", type=int, default=1_000_000, help="of revocation: messages told or withheld")
    parser.add_argument("--heartbeat-ms", type=int, default=HEARTBEAT_MS)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between faults")
    parser.add_argument("--postgres", action="store_true", help="over a PostgreSQL of its own, which has faults too")
    parser.add_argument("--scatter", action="store_true", help="sessions resume at any node, as behind a balancer")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    times = options.times or (0 if options.minutes else 200)
    scale = Scale(
        nodes=options.nodes, sessions=options.sessions, members=options.members, rate=options.rate,
        heartbeat_ms=options.heartbeat_ms, seed=seed, scatter=options.scatter, partitions=options.partitions,
        changes=options.changes, takings=options.takings,
        postgres=options.postgres or options.mode in ("postgres", "clocks"),
        inbox_ttl_ms=LONG_TTL_MS if options.mode in ("kills", "rolling") else INBOX_TTL_MS,
    )  # fmt: skip
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TimeElapsedColumn(),
    )
    total = options.judged if options.mode == "revocation" else times or None
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("starting", total=total)

        def told(what: str, done: int) -> None:
            progress.update(task, description=what, completed=done)

        found = asyncio.run(
            run(
                Path(folder), options.mode, scale, times=times, minutes=options.minutes, judged=options.judged,
                pause_s=options.pause, told=told,
            )
        )  # fmt: skip
    if options.json:
        print(json.dumps(found))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(table(found))
    whole = found["right"] and found["holes_made"] == found["holes_found"]
    return 0 if whole and not found["disturbed"] else 1


if __name__ == "__main__":
    sys.exit(main())
