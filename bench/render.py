"""Render: makes docs/benchmarks.md and its picture from a result file. `python -m bench.render [FILE]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench import render_bus
from bench.chart import bars, lines
from bench.figures import (
    Figure,
    Results,
    cpu_of_threads,
    cpu_per_million,
    growth,
    kib_after,
    kib_per_session,
    live_ms,
    live_p99,
    per_cpu_second,
    percentile,
    pooled_per_cpu_second,
    value,
)
from bench.targets import table
from bench.words import spread_text, table_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
NAMES = {
    "floor": "floor",
    "core-json": "tocsin core, JSON",
    "core-etf": "tocsin core, ETF",
    "core-zlib": "tocsin core, zlib-stream",
    "core-zstd": "tocsin core, zstd-stream",
    "node-json": "tocsin node, posted by HTTP",
    "node-zlib": "tocsin node, zlib-stream",
    "node-zstd": "tocsin node, zstd-stream",
    "websockets": "websockets (uvloop)",
    "bun": "Bun (uWebSockets)",
    "picows": "picows (uvloop)",
    "ws": "Node ws",
    "centrifugo": "Centrifugo",
    "litestar": "Litestar channels (Granian)",
    "socketio": "python-socketio (uvicorn)",
}
METHOD = """\
## Method

- **Floor**: a server that accepts WebSockets and writes one prebuilt 340-byte frame to each client with one `send(2)`,
  and does nothing else (`bench/load`, subcommand `floor`). It runs in every round beside the others. On loopback its
  cost is all kernel, so *fractions of the floor* travel to other machines better than the figures do.
- **Core** is the Rust gateway with a small Python host that answers identifies from prebuilt bodies and publishes on a
  byte (`bench/host.py`): sessions, sequence, replay log, intents, cohorts and heartbeats are at work; tokens, store and
  permissions are not. **Node** is `tocsin serve`; events are posted through the HTTP API and stored before they go out.
- **Payload**: 336 octets, 340 with the frame's header, for the floor and all peers. The core's is 336 where `s` has
  three digits, and one shorter or longer for each digit of `s` less or more. The node sends whole message objects: see
  *frame bytes*; its row is no comparison of equals. The JSON around the text differs by peer, the
  length does not.
- Peers have no sequence, no sight and no replay: they send the same bytes to all. That favours them. Bun's WebSocket
  server is uWebSockets; socketify, the same in Python, is left out for that. **Litestar**: ChannelsPlugin,
  MemoryChannelsBackend and its own WebSocket handlers, on Granian. **python-socketio**: ASGI on uvicorn, WebSocket
  transport alone, one `emit`; the generator answers engine.io's greeting with `40` and counts `42[...]`.
  **Centrifugo**: unidirectional WebSocket, memory engine, no history, GOMAXPROCS=1, published to by its HTTP API.
- **One at a time**: the next event is published when the last client has the one before. **Bursts**: 16 are
  outstanding. **20/s**: an open loop; latency counts from when an event was *due*, so a stalled server cannot hide (no
  coordinated omission).
- CPU is that of the server process, all threads, from `/proc/<pid>/task/*/schedstat`, per million deliveries. The
  server is pinned to one cpu, the generator to another. A delivery counts when its frame was read whole; in JSON,
  compressed by zlib or zstd or not, the generator checks each dispatch's name and that `s` rises by one; ETF frames are
  only counted.
- Servers take turns in each round. Figures are medians of the rounds with the lowest and the highest.
- **Storms** on a node: connections that come and go, then identifies, then resumes that replay 100 events, 1,000 of
  them in flight. Meanwhile live sessions beat in an open loop (latency counts from when a heartbeat was due, which is
  up to a millisecond before it is sent). They belong to a second generator on the storm's generator's cpu, but under
  SCHED_FIFO: it runs the moment a packet wakes it, and the storm's generator yields. How long it waited for its cpu
  at each wake-up is the kernel's own count and shown. A heartbeat counts for each storm during which it was out.
- **GIL**: the host publishes 16 events to every session and at once blocks inside C with the GIL held. That nothing of
  it let go meanwhile is told by its own answer, which comes only after.
- **Memory** is the growth from before the first connection, divided by the sessions: VmRSS, and PSS beside it. Kernel
  socket memory is the machine's (`/proc/net/sockstat`): both ends of each connection, the generator's too. Until a
  client confirms with a heartbeat what it has got, the server keeps that for a resume. The node's world has 10 guilds
  of 20 channels and 100 members; each of the 100 bots has many sessions.
- **Cycles**: VmRSS is read some 60 times; a straight line through the second half of them rises by so much over that
  half, +- two standard errors. Deadlines (handshake, identify, heartbeat) are 1.5 s there: the core keeps an entry of
  each until it is due, so memory settles only after the longest of them. It *grows* when the rise
  less the error is over 1 % of what was there.
- **POST**: `bench/api_cost.py`, rounds of posts on keep-alive connections, CPU by thread of the node.
- **Testing**: `bench/testing_cost.py`, test servers started one after the other, CPU of all their threads when they are
  ready; and a test's bot and guild made and removed again as the pytest plugin does, in wall time and in CPU of the
  server: on a busy machine the first has a tail that the second has not.
- **Flapping**: `bench/flapping.py`. The naive number is every change to every other session with GUILD_PRESENCES. The
  watchers' generator runs under SCHED_FIFO where that is allowed; so does that of the bots, who get 1,000 presences a
  second each, which others' messages shall not wait for. They and the flapping members' share one cpu.
- **Large guild**: `bench/large_guild.py`.
- **Traces**: `bench/tracing_cost.py`. A round of a node is from its turn to its next, so that spans sent later count.
- **Bus**, **takeover**, **restart**: `bench/bus.py`, `takeover.py`, `restart.py`: a Redis of its own over TCP, nodes
  over one SQLite file; all nodes on one cpu, Redis and the generators on the other. Without journals is
  `--resume-window-ms=0`, where no session outlives its node.
"""


def _text(figure: Figure | None, unit: str = "", digits: int = 2, spread: bool = True) -> str:
    return figure.text(unit, digits, spread) if figure else "-"


def _top(results: Results) -> str:
    data = results.data
    box = data["machine"]
    others = Figure.of(run.get("others_cpus") for run in data["runs"])
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
    if data.get("left_out"):
        lines.append(f"\n> {data['left_out']} scenarios of later rounds were left out to end in time.")
    if data["note"]:
        lines.append(f"\n> {data['note']}")
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    return "\n".join([*lines, "", f"Versions: {versions}.", ""])


def _groups(results: Results) -> str:
    """When each group ran, where not all ran together."""
    groups = results.data.get("groups", {})
    if len({json.dumps(stamp, sort_keys=True) for stamp in groups.values()}) < 2:
        return ""
    rows = [(name, stamp["began"], f"`{stamp['commit']}`", f"`{stamp['command']}`", stamp["note"] or "-")
            for name, stamp in groups.items()]  # fmt: skip
    return "Not all groups ran together:\n\n" + table_of(("group", "began", "commit", "command", "note"), rows)


def _targets(results: Results) -> str:
    rows = [(row.what, row.must, row.aim, row.figure, row.beside, row.fraction, row.verdict) for row in table(results)]
    head = ("what", "must", "aim", "measured", "beside", "theirs / ours", "verdict")
    return "## Targets\n\n" + table_of(head, rows)


def _picture(results: Results, name: str, title: str, figures: Iterable[tuple[str, Figure | None]], digits: int) -> str:
    """Draw what was measured as `images/<name>.svg`; its line on the page, or nothing."""
    shown = [(NAMES.get(server, server), each.median, each.low, each.high) for server, each in figures if each]
    if not shown:
        return ""
    (results.images / f"{name}.svg").write_text(bars(title, shown, digits))
    return f"![{title}](images/{name}.svg)\n"


def _fanout(results: Results) -> str:
    parts = ["## Fan-out\n"]
    for count in results.sizes("fanout"):
        floor = results.figure("fanout", "floor", count, cpu_per_million("closed:1"))
        rows = []
        for server in results.servers("fanout"):
            one = results.figure("fanout", server, count, cpu_per_million("closed:1"))
            if one is None:
                rows.append((NAMES.get(server, server), _absent(results, "fanout", server, count), *["-"] * 7))
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
        parts += [f"### {count:,} sessions\n", table_of(head, rows)]
        for kind, what, name in (("closed:1", "One event at a time", ""), ("closed:16", "Bursts of 16", "-bursts")):
            title = f"{what} to {count:,} sessions: CPU microseconds per delivery (less is better)"
            found = [
                (server, results.figure("fanout", server, count, cpu_per_million(kind)))
                for server in results.servers("fanout")
            ]
            parts.append(_picture(results, f"fanout-{count}{name}", title, found, 2))
    return "\n".join(parts)


def _absent(results: Results, group: str, server: str, count: int) -> str:
    """Why a scenario has no figures."""
    for run in results.data["runs"]:
        if (run["group"], run["server"], run["connections"]) == (group, server, count):
            return "skipped" if "skipped" in run else "failed"
    return "-"


def _idle(results: Results) -> str:
    rows = []
    for count in results.sizes("idle"):
        for server in results.servers("idle"):
            memory = results.figure("idle", server, count, kib_per_session)
            if memory is None:
                if (absent := _absent(results, "idle", server, count)) != "-":
                    rows.append((f"{count:,}", NAMES.get(server, server), absent, *["-"] * 7))
                continue
            rows.append(
                (
                    f"{count:,}",
                    NAMES.get(server, server),
                    _text(results.figure("idle", server, count, kib_after("connect")), "", 1),
                    _text(results.figure("idle", server, count, kib_after("identify")), "", 1),
                    _text(memory, "", 1),
                    _text(results.figure("idle", server, count, kib_after("idle", "pss_kib")), "", 1),
                    _text(results.figure("idle", server, count, kib_after("idle", "sockets_kib")), "", 1),
                    _text(results.figure("idle", server, count, per_cpu_second("connect")), digits=0),
                    _text(results.figure("idle", server, count, per_cpu_second("identify")), digits=0),
                    _text(results.figure("idle", server, count, value("identify", "per_s")), digits=0),
                )
            )
    if not rows:
        return ""
    head = (
        "sessions", "server", "KiB of RSS each, connected", "identified", "after a heartbeat, idle", "PSS",
        "kernel sockets, both ends", "accepts per CPU-s", "identifies per CPU-s", "identifies/s, wall",
    )  # fmt: skip
    title = "Memory by idle sessions in 10 guilds: KiB of RSS each"
    footprints = [
        (
            NAMES.get(server, server),
            [
                (float(count), figure.median)
                for count in results.sizes("idle")
                if (figure := results.figure("idle", server, count, kib_per_session))
            ],
        )
        for server in results.servers("idle")
    ]
    (results.images / "memory.svg").write_text(lines(title, "KiB", footprints))
    table_ = table_of(head, rows)
    return f"## Idle sessions in 10 guilds, and identifying them\n\n{table_}\n![{title}](images/memory.svg)\n"


STORMS = (("cycle", "accept"), ("identify", "identify"), ("resume", "resume"))


def _storms(results: Results) -> str:
    runs = results.runs("storm", "node-json")
    if not runs:
        return ""
    rows, drawn = [], []
    for kind, name in STORMS:
        rate = results.figure("storm", "node-json", None, pooled_per_cpu_second(kind))
        done = Figure.of(
            sum(step["done"] for step in run["steps"] if step["step"].split(":")[0] == kind) for run in runs
        )
        waits = [ms for run in runs for ms in live_ms(kind)(run)]
        p99 = results.figure("storm", "node-json", None, live_p99(kind))
        drawn.append((f"tocsin node, {name} storm", p99))
        p50 = percentile(waits, 0.5)
        rows.append(
            (
                name, _text(done, "", 0, False), _text(rate, "", 0), f"{len(waits):,}",
                f"{p50:.2f} ms" if p50 is not None else "-", _text(p99, "ms", 2),
                f"{max(waits):.1f} ms" if waits else "-",
            )
        )  # fmt: skip
    head = ("storm", "of a run", "per CPU-s of the node", "live heartbeats", "p50", "p99", "worst")
    live = runs[0]["live"]
    wait = Figure.of(run["live"]["own_wait_us"] for run in runs)
    lone = [
        (NAMES.get(server, server), _text(results.figure("resume", server, None, per_cpu_second("resume")), "", 0))
        for server in results.servers("resume")
    ]
    title = "Live sessions' heartbeats during storms: p99, milliseconds (less is better)"
    return (
        f"## Storms, and {live['sessions']} live sessions meanwhile\n\n{table_of(head, rows)}\n"
        f"The live sessions' generator ran {'under SCHED_FIFO' if live['fifo'] else 'without SCHED_FIFO'} and waited "
        f"{_text(wait, 'us', 1)} for its cpu each time it woke.\n\n{_picture(results, 'storms', title, drawn, 2)}\n"
        + table_of(("resumes alone, 100 events each", "per CPU-s"), lone)
    )


def _post(results: Results, found: dict[str, Any]) -> str:
    rows, drawn = [], []
    for many, by_tree in found["figures"].items():
        for each in by_tree.values():
            parts = ("loop", "store", "http", "gateway", "all")
            figures = [Figure(s["median"], s["low"], s["high"], found["rounds"]) for s in map(each.__getitem__, parts)]
            rows.append((many.replace("_", " "), *(_text(figure, "", 0) for figure in figures)))
            names = (f"{many.split('_')[0]} at once: {part}" for part in parts)
            drawn += list(zip(("tocsin node, " + name for name in names), figures, strict=True))
    head = ("keep-alive", "event loop us", "store", "HTTP", "gateway", "all")
    title = "A durable message POST: CPU microseconds of the node, by thread"
    said = f"{found['rounds']} rounds of {found['posts']:,} posts.\n"
    return f"{said}\n{table_of(head, rows)}\n{_picture(results, 'post', title, drawn, 0)}"


def _flapping(results: Results, found: dict[str, Any]) -> str:
    figures, rounds = found["figures"], found["rounds"]
    said = (
        f"{found['members']:,} sessions of people in one guild change status {found['rate']:,} times a second, all "
        f"together; {found['watchers']} others, of whom {found['bots']} are bots and the rest look at the member list, "
        f"get {found['messages_per_s']} messages a second. {rounds} quiet stretches of {found['seconds']:g} s and as "
        f"many with flapping took turns.\n\n"
        f"{figures['changes']:,} changes would have been {figures['naive']:,} events, had every session with the "
        f"intent got each. Delivered were {figures['presence_updates']:,} PRESENCE_UPDATE ({figures['percent']:.3f} %) "
        f"and {figures['list_updates']:,} GUILD_MEMBER_LIST_UPDATE (with them {figures['percent_with_lists']:.3f} %). "
        f"{figures['told']:,} changes were told, {figures['merged']:,} replaced untold, {figures['delayed']:,} put "
        f"off. One change took {spread_text(figures['cpu_us_per_change'], 'us', 0, rounds)} of the node's CPU, with "
        f"reading it and all that was delivered of it.\n"
    )
    rows = [
        (
            name,
            *(spread_text(figures[f"{name}_{each}_ms"], "", 2, rounds) for each in ("p50", "p99")),
            spread_text(figures[f"cpu_{name}"], "", 2, rounds),
        )
        for name in ("quiet", "flapping")
    ]
    head = ("stretch", "POST due to delivery: p50 ms", "p99 ms", "CPUs of the node")
    pairs = spread_text(figures["rise_percent"], "%", 0, rounds)
    rows += [
        (
            f"{name}, the bots",
            *(spread_text(figures[f"bots_{name}_{each}_ms"], "", 2, rounds) for each in ("p50", "p99")),
            "",
        )
        for name in ("quiet", "flapping")
    ]
    more = f"p99 beside that of the quiet stretch just before, pair by pair: {pairs}.\n"
    if "returning" in figures:
        more += _returning(found, figures["returning"])
        rows += [
            (
                name,
                *(spread_text(figures["returning"][f"{key}_{each}_ms"], "", 2, rounds) for each in ("p50", "p99")),
                spread_text(figures["returning"][f"cpu_{key}"], "", 2, rounds),
            )
            for name, key in (("quiet, before those", "quiet"), ("flapping, a part go and come", "flapping"))
        ]
    return f"{said}\n{table_of(head, rows)}\n{more}"


def _returning(found: dict[str, Any], figures: dict[str, Any]) -> str:
    rounds = found["rounds"]
    pairs = spread_text(figures["rise_percent"], "%", 0, rounds)
    each = spread_text(figures["cpu_us_per_change"], "us", 0, rounds)
    identify = " and ".join(
        f"{name} {spread_text(figures[f'identify_{name}_ms'], 'ms', 1, rounds)}" for name in ("p50", "p99")
    )
    return (
        f"\nThen the same with {found['share']:.0%} of the {found['rate']:,} being sessions that close with 1000, "
        f"connect anew and identify: {figures['returns']:,} of them in as many stretches, who count as two changes "
        f"each. Of {figures['naive']:,} events {figures['presence_updates']:,} PRESENCE_UPDATE were delivered "
        f"({figures['percent']:.3f} %), {figures['merged']:,} changes were replaced untold. One of the "
        f"{found['rate']:,} took {each} of CPU, the handshakes and identifies among them; an identify was answered "
        f"after {identify}. Messages' p99 beside that of the quiet stretch just before, pair by pair: {pairs}.\n"
    )


def _large(results: Results, found: dict[str, Any]) -> str:
    figures, rounds = found["figures"], found["rounds"]
    said = (
        f"One guild of {found['members']:,} members; seeded and started in {figures['seed_and_start_s']:.0f} s "
        f"({figures['seed_and_start_cpu_s']:.0f} s of CPU). The kinds follow each other on one node, with the sessions "
        f"of the former kept for a resume. {rounds} rounds of {found['messages']} messages. Latency is from when the "
        f"POST was due until a session had it: the kind's own sessions, or ten bots where those are passive or none.\n"
    )
    rows = [
        (
            name, f"{each['looking'] + each['passive'] + each['bots']:,}", f"{each['messages_per_s']:g}",
            f"{each['deliveries_each']:,}", spread_text(each["cpu_us"], "", 0, rounds),
            *(spread_text(each[f"{part}_ms"], "", 1, rounds) for part in ("p50", "p99")),
            f"{each['rss_mib']:,}", f"{each['connect_cpu_us']:,}",
        )
        for name, each in figures["kinds"].items()
    ]  # fmt: skip
    head = (
        "sessions", "of them", "messages/s", "deliveries measured of each", "CPU us for each", "p50 ms", "p99 ms",
        "node's RSS MiB", "connect and identify: CPU us a session",
    )  # fmt: skip
    return f"{said}\n{table_of(head, rows)}"


def _tracing(results: Results, found: dict[str, Any]) -> str:
    names = {
        "default": "the default: few slots of time",
        "all": "every message traced",
        "before": "an earlier checkout, without traces",
    }
    rows = []
    for key, what in (("post", "a POST, reach 4"), ("fanout", f"a delivery, {found['sessions']:,} sessions")):
        part = found["figures"][key]
        for name, ratio in part["ratios"].items():
            spread = (
                f"{ratio[each]:.3f} ({ratio[f'{each}_low']:.3f}..{ratio[f'{each}_high']:.3f})"
                for each in ("of_sums", "median")
            )
            us = f"{part['us'][name]:.2f} beside {part['us']['off']:.2f}"
            rows.append((what, names[name], us, *spread, str(part["rounds"])))
    head = ("of", "node", "CPU us, median", "ratio of sums", "median ratio", "rounds")
    said = (
        "CPU of a node with traces beside one without, in turns; in brackets 95 % of the bootstraps over the rounds.\n"
    )
    return f"{said}\n{table_of(head, rows)}"


EXTRA_PARTS: tuple[tuple[str, str, Callable[[Results, dict[str, Any]], str]], ...] = (
    ("api", "POST", _post),
    ("flapping", "Members that flap", _flapping),
    ("large", "A large guild", _large),
    ("tracing", "Traces", _tracing),
    ("bus", "The bus", render_bus.bus),
    ("takeover", "A node that is killed", render_bus.takeover),
    ("restart", "A rolling restart", render_bus.restart),
)


def _extra(results: Results, name: str, title: str, render: Callable[[Results, dict[str, Any]], str]) -> str:
    """The part of a group that another script measures, as far as it was run."""
    found = results.data.get(name, {})
    if not found:
        return ""
    said = f"Failed: {found['error']}\n" if "error" in found else render(results, found)
    return f"## {title}\n\n{said}"


def _left(results: Results) -> str:
    rows, drawn = [], []
    for group, server, kind, what in (
        ("cycles", "core-json", "cycle", "connected, upgraded and reset"),
        ("churn", "node-json", "churn", "identified and closed"),
    ):
        for run in results.runs(group, server):
            step = run["steps"][-1]
            samples = step["rss_kib"]
            found = growth(samples)
            used = step["server_cpu"]["total_s"] / step["done"] * 1e6
            drawn.append((f"{NAMES[server]}, {kind}", [(x / step["done"] * 100, y / 1024) for x, y in samples]))
            rows.append(
                (
                    f"{step['done']:,} {what}", NAMES[server], f"{used:.0f} us",
                    f"{samples[0][1]:,} KiB" if samples else "-", f"{samples[-1][1]:,} KiB" if samples else "-",
                    f"{found.kib:+,.0f} +- {found.error:,.0f} KiB over {found.half:,}" if found else "-",
                    found.verdict() if found else "-",
                )
            )  # fmt: skip
    if not rows:
        return ""
    head = ("cycles", "server", "CPU each", "RSS at the first sample", "at the last", "second half", "verdict")
    title = "Resident memory while connections come and go: MiB by percent of the run"
    (results.images / "cycles.svg").write_text(lines(title, "MiB", drawn))
    return f"## What stays behind\n\n{table_of(head, rows)}\n![{title}](images/cycles.svg)\n"


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
    return "## Through Python (bench/micro)\n\n" + table_of(("group", "bench", "best us", "median us", "size"), rows)


def _reason(error: str) -> str:
    lines = error.strip().splitlines()
    return next((line for line in lines if "rror: " in line), lines[-1])


def write(source: Path, page: Path = PAGE) -> Path:
    """Render a result file as `page`, its pictures beside it in `images/`.

    Raises:
        KeyError: it is no result file.
    """
    results = Results(json.loads(source.read_text()), page.parent / "images")
    results.images.mkdir(parents=True, exist_ok=True)
    failed = sorted({f"{run['group']} {run['server']} {run['connections']:,}: {_reason(run['error'])}"
                     for run in results.data["runs"] if "error" in run})  # fmt: skip
    parts = [_top(results), _groups(results), _targets(results), METHOD, _fanout(results), _idle(results)]
    parts += [_storms(results), _left(results), *(_extra(results, *each) for each in EXTRA_PARTS)]
    parts.append(_micro(results))
    skipped = sorted({f"{NAMES.get(run['server'], run['server'])}: {run['skipped']}"
                      for run in results.data["runs"] if "skipped" in run})  # fmt: skip
    if skipped:
        parts.append("## What was skipped\n\n" + "\n".join(f"- {line}" for line in skipped) + "\n")
    if failed:
        parts.append("## What failed\n\n" + "\n".join(f"- {line}" for line in failed) + "\n")
    page.write_text("\n".join(part for part in parts if part).rstrip() + "\n")
    return page


if __name__ == "__main__":
    given = sys.argv[1:] or [str(max((ROOT / "bench" / "results").glob("20*.json")))]
    print(write(Path(given[0])))
