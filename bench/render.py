"""Render: makes docs/benchmarks.md and its picture from a result file. `python -m bench.render [FILE]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.chart import bars
from bench.figures import (
    Figure,
    Results,
    cpu_of_threads,
    cpu_per_million,
    kib_after,
    kib_per_session,
    per_cpu_second,
    value,
)
from bench.targets import table

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "images"
NAMES = {
    "floor": "floor",
    "core-json": "tocsin core, JSON",
    "core-etf": "tocsin core, ETF",
    "core-zlib": "tocsin core, zlib-stream",
    "node-json": "tocsin node, posted by HTTP",
    "node-zlib": "tocsin node, zlib-stream",
    "websockets": "websockets (uvloop)",
    "bun": "Bun (uWebSockets)",
    "picows": "picows (uvloop)",
    "ws": "Node ws",
}
METHOD = """\
## Method

- **Floor**: a server that accepts WebSockets and writes one prebuilt 340-byte frame to each client with one `send(2)`,
  and does nothing else (`bench/load`, subcommand `floor`). It runs in every round beside the others. On loopback its
  cost is all kernel, so *fractions of the floor* travel to other machines better than the figures do.
- **Core** is the Rust gateway with a small Python host that answers identifies from prebuilt bodies and publishes on a
  byte (`bench/host.py`): sessions, sequence, replay log, intents, cohorts and heartbeats are at work; tokens, store and
  permissions are not. **Node** is `tocsin serve`; events are posted through the HTTP API and stored before they go out.
- Peers have no sequence, no sight and no replay: they send the same bytes to all. That favours them.
- **One at a time**: the next event is published when the last client has the one before. **Bursts**: 16 are
  outstanding. **20/s**: an open loop; latency counts from when an event was *due*, so a stalled server cannot hide (no
  coordinated omission).
- CPU is that of the server process, all threads, from `/proc/<pid>/task/*/schedstat`, per million deliveries. The
  server is pinned to one cpu, the generator to another. A delivery counts when its frame was read whole; in JSON,
  compressed or not, the generator checks each dispatch's name and that `s` rises by one; ETF frames are only counted.
- Servers take turns in each round. Figures are medians of the rounds with the lowest and the highest.
- In the storm the live sessions' generator shares its cpu with the storm's: their latency holds its turns too.
- Memory is the growth of VmRSS from before the first connection, divided by the sessions; kernel socket buffers are not
  in it. Until a client confirms with a heartbeat what it has got, the server keeps that for a resume. The node's world
  has 10 guilds of 20 channels and 100 members; each of the 100 bots has many sessions.
"""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _text(figure: Figure | None, unit: str = "", digits: int = 2, spread: bool = True) -> str:
    return figure.text(unit, digits, spread) if figure else "-"


def _top(results: Results) -> str:
    data = results.data
    box = data["machine"]
    others = Figure.of(run["others_cpus"] for run in data["runs"])
    lines = [
        "# Benchmarks",
        "",
        "Rendered by `bench/render.py` from a result file; no figure here is typed by hand.",
        "",
        f"Run {data['began']} on {box['cpus']} cpus of {box['cpu']}, {box['memory_gib']} GiB, Linux {box['kernel']}, "
        f"commit `{data['commit']}`, in {data['took_s']} s, with `{data['command']}`.",
    ]
    if others:
        lines.append(
            f"Other programs took {others.text('cpus', 2)} of the machine during the scenarios: "
            "the nearer to 0, the more the figures are worth."
        )
    if data["note"]:
        lines.append(f"\n> {data['note']}")
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    return "\n".join([*lines, "", f"Versions: {versions}.", ""])


def _targets(results: Results) -> str:
    rows = [(row.what, row.must, row.aim, row.figure, row.beside, row.verdict) for row in table(results)]
    return "## Targets\n\n" + _table(("what", "must", "aim", "measured", "beside", "verdict"), rows)


def _fanout(results: Results) -> str:
    parts = ["## Fan-out\n"]
    for count in results.sizes("fanout"):
        floor = results.figure("fanout", "floor", count, cpu_per_million("closed:1"))
        rows = []
        for server in results.servers("fanout"):
            one = results.figure("fanout", server, count, cpu_per_million("closed:1"))
            if one is None:
                rows.append((NAMES.get(server, server), "failed", *["-"] * 7))
                continue
            workers = results.figure("fanout", server, count, cpu_of_threads("closed:1", "tocsin-"))
            rows.append(
                (
                    NAMES.get(server, server),
                    _text(one),
                    _text(workers, spread=False) if workers and workers.median else "-",
                    f"{floor.median / one.median:.2f}" if floor else "-",
                    _text(results.figure("fanout", server, count, cpu_per_million("closed:16"))),
                    _text(results.figure("fanout", server, count, value("closed:16", "frames_per_read")), digits=1),
                    _text(results.figure("fanout", server, count, value("open:20", "latency_ms", "p50")), digits=1),
                    _text(results.figure("fanout", server, count, value("open:20", "latency_ms", "p99")), digits=1),
                    _text(results.figure("fanout", server, count, value("closed:1", "frame_bytes")), "", 0, False),
                )
            )
        head = (
            "server", "one at a time: CPU-s/M", "of it Rust threads", "of the floor", "bursts: CPU-s/M",
            "frames a read", "20/s: p50 ms", "p99 ms", "frame bytes",
        )  # fmt: skip
        picture = f"fanout-{count}.svg"
        parts += [f"### {count:,} sessions\n", _table(head, rows), f"![CPU per delivery](images/{picture})\n"]
        shown = [
            (NAMES.get(server, server), figure.median, figure.low, figure.high)
            for server in results.servers("fanout")
            if (figure := results.figure("fanout", server, count, cpu_per_million("closed:1")))
        ]
        title = f"One event at a time to {count:,} sessions: CPU microseconds per delivery (less is better)"
        (PICTURES / picture).write_text(bars(title, shown))
    return "\n".join(parts)


def _idle(results: Results) -> str:
    rows = []
    for count in results.sizes("idle"):
        for server in results.servers("idle"):
            memory = results.figure("idle", server, count, kib_per_session)
            if memory is None:
                rows.append((f"{count:,}", NAMES.get(server, server), "failed", *["-"] * 5))
                continue
            accept = results.figure("idle", server, count, per_cpu_second("connect"))
            identify = results.figure("idle", server, count, per_cpu_second("identify"))
            rows.append(
                (
                    f"{count:,}",
                    NAMES.get(server, server),
                    _text(results.figure("idle", server, count, kib_after("connect")), "KiB", 1),
                    _text(results.figure("idle", server, count, kib_after("identify")), "KiB", 1),
                    _text(memory, "KiB", 1),
                    _text(accept, digits=0),
                    _text(identify, digits=0),
                    _text(results.figure("idle", server, count, value("identify", "per_s")), digits=0),
                )
            )
    head = (
        "sessions", "server", "RSS each, connected", "identified", "after a heartbeat, idle", "accepts per CPU-s",
        "identifies per CPU-s", "identifies/s, wall",
    )  # fmt: skip
    return "## Idle sessions in 10 guilds, and identifying them\n\n" + _table(head, rows)


def _rest(results: Results) -> str:
    rows = []
    for server in results.servers("resume"):
        rate = results.figure("resume", server, None, per_cpu_second("resume"))
        p99 = results.figure("resume", server, None, value("resume", "latency_ms", "p99"))
        replayed = results.figure("resume", server, None, value("resume", "replayed"))
        rows.append(
            (NAMES.get(server, server), _text(rate, digits=0), _text(p99, "ms", 1), _text(replayed, "", 0, False))
        )
    head = ("server", "resumes per CPU-s", "p99", "events replayed")
    return "## Resumes that replay 100 events each\n\n" + _table(head, rows)


def _boundary(results: Results) -> str:
    rows = []
    for run in results.runs("gil", "core-json"):
        beats = [step["latency_ms"] for step in run["steps"] if step["step"] == "beat" and step["latency_ms"]]
        asked = sum(beat["count"] for beat in beats)
        worst = max(beat["p99"] for beat in beats)
        what = f"{asked:,} heartbeats while an extension holds the GIL for a while: worst p99 of a volley of 500"
        rows.append((what, "<= 50 ms", f"{worst:.1f} ms"))
    storms = results.runs("storm", "node-json")
    beats = [step["latency_ms"] for run in storms for step in run["live"] if step["latency_ms"]]
    if beats:
        what = (
            f"heartbeats of {beats[0]['count']} live sessions while {storms[0]['connections']:,} others identify, "
            "drop and resume: worst p99 of a volley"
        )
        rows.append((what, "<= 100 ms", f"{max(beat['p99'] for beat in beats):.1f} ms"))
    for run in results.runs("cycles", "core-json"):
        first, last = (step["server_memory"]["rss_kib"] for step in run["steps"])
        what = f"memory left by {run['steps'][-1]['done']:,} connections that came and went"
        rows.append((what, "nothing that grows", f"{last - first:,} KiB"))
    return (
        "## The boundary, storms and what stays behind\n\n" + _table(("what", "wanted", "measured"), rows)
        if rows
        else ""
    )


def _micro(results: Results) -> str:
    rows = []
    for each in results.data.get("micro", []):
        if "error" in each:
            return f"## Through Python\n\nFailed: {each['error']}\n"
        stats = each["stats"]
        extra = ", ".join(f"{key} {text}" for key, text in each["extra"].items())
        best, median = (f"{stats[key] * 1e6:,.2f}" for key in ("min", "median"))
        rows.append((each["group"] or "", f"`{each['name']}`", best, median, extra))
    if not rows:
        return ""
    return "## Through Python (bench/micro)\n\n" + _table(("group", "bench", "best us", "median us", "size"), rows)


def _reason(error: str) -> str:
    lines = error.strip().splitlines()
    return next((line for line in lines if "rror: " in line), lines[-1])


def write(source: Path) -> Path:
    """Render a result file.

    Raises:
        KeyError: it is no result file.
    """
    results = Results(json.loads(source.read_text()))
    PICTURES.mkdir(parents=True, exist_ok=True)
    failed = sorted({f"{run['group']} {run['server']} {run['connections']:,}: {_reason(run['error'])}"
                     for run in results.data["runs"] if "error" in run})  # fmt: skip
    parts = [_top(results), _targets(results), METHOD, _fanout(results), _idle(results), _rest(results)]
    parts += [_boundary(results), _micro(results)]
    if failed:
        parts.append("## What failed\n\n" + "\n".join(f"- {line}" for line in failed) + "\n")
    PAGE.write_text("\n".join(part for part in parts if part).rstrip() + "\n")
    return PAGE


if __name__ == "__main__":
    given = sys.argv[1:] or [str(max((ROOT / "bench" / "results").glob("20*.json")))]
    print(write(Path(given[0])))
