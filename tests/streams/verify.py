"""Verify: a million messages of shared streams, read and compared by every decoder that clients use.

`make verify-streams`, or `python -m tests.streams.verify --payloads 20000 --json`. The streams come from the example
`dump_streams` of core/tocsin-compress, or from scene.py with `--source scene`. On a terminal it shows how far it is;
in a pipe it prints the table at the end only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.streams import scene
from tests.streams.decoders import ROOT, Decoder, MissingError, WrongError, of

MILLION = 1_000_000


def dump_example(folder: Path, transport: str, payloads: int, connections: int) -> None:
    """Build and run the Rust example.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = ["cargo", "run", "--release", "--locked", "--quiet", "-p", "tocsin-compress", "--example", "dump_streams"]
    command += ["--", "--transport", transport, "--payloads", str(payloads), "--connections", str(connections)]
    # What it says of its progress is not ours to show.
    subprocess.run([*command, "--out", str(folder)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def check(decoder: Decoder, folder: Path, limit: int, progress: Progress) -> dict[str, Any]:
    """One row of the table: what the decoder read, or why it did not."""
    row: dict[str, Any] = {"decoder": decoder.name, "transport": decoder.transport, "used_by": decoder.used_by}
    task = progress.add_task(decoder.name, total=limit)
    began, cpu = time.monotonic(), os.times().children_user
    try:
        report = decoder.check(folder, limit, lambda messages: progress.update(task, completed=messages))
    except MissingError as error:
        row |= {"result": "skipped", "reason": str(error)}
        progress.update(task, description=f"{decoder.name} (skipped)", total=0)
    except WrongError as error:
        row |= {"result": "wrong", "reason": str(error)}
        progress.update(task, description=f"{decoder.name} (wrong)")
    else:
        row |= {"result": "right", **report.__dict__, "seconds": round(time.monotonic() - began, 1)}
        row |= {"cpu_us_per_message": round(1e6 * (os.times().children_user - cpu) / max(1, report.messages), 1)}
        progress.update(task, completed=report.messages, total=report.messages)
    return row


def verify(options: argparse.Namespace, progress: Progress) -> list[dict[str, Any]]:
    """Dump streams of each transport and let every decoder of it read them."""
    rows = []
    for transport in options.transports:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            task = progress.add_task(f"making {transport}-streams", total=None)
            if options.source == "scene":
                scene.play(folder, f"{transport}-stream", options.payloads, options.connections)
            else:
                dump_example(folder, transport, options.payloads, options.connections)
            progress.update(task, total=1, completed=1)
            rows += [check(decoder, folder, options.payloads, progress) for decoder in of(transport)]
    return rows


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for people."""
    shown = Table("decoder", "used by", "messages", "MB of payload", "ratio", "CPU us/message", "result", box=None)
    for row in rows:
        if row["result"] == "right":
            ratio = row["payload_bytes"] / max(1, row["stream_bytes"])
            figures = (f"{row['messages']:,}", f"{row['payload_bytes'] / 1e6:,.0f}", f"{ratio:.2f}")
            shown.add_row(
                row["decoder"], row["used_by"], *figures, f"{row['cpu_us_per_message']:.1f}", "every one right"
            )
        else:
            shown.add_row(row["decoder"], row["used_by"], "", "", "", "", f"{row['result']}: {row['reason']}")
    return shown


def main() -> int:
    """Run it; 1 if a decoder disagrees, or read fewer messages than it should have."""
    parser = argparse.ArgumentParser(
        prog="verify-streams", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--transport", dest="transports", choices=["zlib", "zstd"], nargs="+", default=["zlib", "zstd"])
    parser.add_argument("--payloads", type=int, default=MILLION, help="messages to check with each decoder (a million)")
    parser.add_argument("--connections", type=int, default=24, help="streams that are open at once (24)")
    parser.add_argument("--source", choices=["example", "scene"], default="example", help="who makes the streams")
    parser.add_argument("--folder", type=Path, help="where the streams are put meanwhile; a million take some GB")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        rows = verify(options, progress)
    if options.json:
        print(json.dumps({"payloads": options.payloads, "source": options.source, "decoders": rows}))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(table(rows))
    checked = [row for row in rows if row["result"] != "skipped"]
    right = [row for row in checked if row["result"] == "right" and row["messages"] >= options.payloads]
    return 0 if checked and len(right) == len(checked) else 1


if __name__ == "__main__":
    sys.exit(main())
