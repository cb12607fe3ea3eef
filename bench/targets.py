"""Targets: the figures tocsin wants to reach (two cores, loopback), each with what was measured beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.figures import (
    Figure,
    Results,
    cpu_per_million,
    kib_per_session,
    live_p99,
    per_cpu_second,
    pooled_per_cpu_second,
    value,
)
from bench.plan import PEERS

NOT_MEASURED = "not measured"


WHY = {
    "fanout": "nearly all of it is one send(2) a receiver, which is the floor's own cost",
    "burst": "frames are written together only as far as the publisher is ahead of the writer",
    "zlib": "every connection gets octets of its own: shared matches are placed anew in each stream (ADR 0003)",
    "zstd": "every connection gets octets of its own, and where nothing is shared it compresses by itself",
    "etf": "its frame is longer than JSON's (frame bytes, below)",
    "memory": "what a session keeps is in ADR 0009; the fewer sessions, the more the node's own growth weighs in each",
    "memory-zlib": "what a stream keeps of its connection outlives the storm (ADR 0003, ADR 0009)",
    "memory-zstd": "what a stream keeps of its connection outlives the storm (ADR 0003, ADR 0009)",
    "accept": "the kernel's accept, epoll and first read and write are most of it, as for the floor",
    "identify": "READY and a session's own part of each GUILD_CREATE are made in Python (ADR 0009)",
    "resume": "most of it is the kernel's copying of 100 events a session",
    "live": "one worker serves the storm and the live sessions: a heartbeat waits for its turn to end",
    "gil": "a volley of all sessions at once is answered one by one",
    "post": "a message is flushed to the disk before it goes out: the slowest flushes are the tail",
    "api": "one POST at a time pays alone for a commit, its flush and four threads' wake-ups (ADR 0005)",
    "flapping": "p99 within each kind of stretch spreads over more than this (below): this machine does not decide it",
    "redis-batched": "what the commands and the sockets took of it is below",
    "redis-separate": "Redis wakes for the publisher and for each node, once an event: most is the kernel's (below)",
    "restart": "Python's start in so short a time, or sessions that are taken over as fast as the drain sends them",
    "bus-latency": "all nodes share one cpu",
    "etf-encode": "strings carry their length before them, ids become integers",
}
"""What is known about each row, shown only where it misses."""


@dataclass(frozen=True)
class Row:
    """A line of the table: `beside` is the floor or the best peer of the same run, `fraction` theirs over ours."""

    what: str
    must: str
    aim: str
    figure: str
    beside: str
    fraction: str
    verdict: str


def _verdict(value: float, must: float, aim: float, more_is_better: bool) -> str:
    sign = 1 if more_is_better else -1
    if sign * value >= sign * aim:
        return "aim met"
    return "met" if sign * value >= sign * must else "**missed**"


def _row(
    what: str,
    must: float,
    aim: float,
    figure: Figure | None,
    form: str,
    unit: str,
    beside: str,
    more_is_better: bool = False,
    why: str = "",
    fraction: float | None = None,
) -> Row:
    sign = ">=" if more_is_better else "<="
    bounds = (f"{sign} {must:{form}} {unit}".rstrip(), f"{aim:{form}} {unit}".rstrip())
    if figure is None:
        return Row(what, *bounds, NOT_MEASURED, beside, "-", NOT_MEASURED)
    shown = f"{figure.median:{form}}"
    if figure.rounds > 1:
        shown += f" ({figure.low:{form}}..{figure.high:{form}})"
    verdict = _verdict(figure.median, must, aim, more_is_better)
    if "missed" in verdict and why:
        verdict += f": {WHY[why]}"
    part = "-" if fraction is None else f"{fraction:.2f}"
    return Row(what, *bounds, f"{shown} {unit}".rstrip(), beside, part, verdict)


def _pairs(
    results: Results,
    group: str,
    ours: tuple[str, Callable[..., float | None]],
    theirs: tuple[str, Callable[..., float | None]],
    join: Callable[[float, float], float],
    count: int,
) -> Figure | None:
    """A figure of two servers, joined round by round: both then met the same machine."""
    other = {run["round"]: theirs[1](run) for run in results.runs(group, theirs[0], count)}
    values = []
    for run in results.runs(group, ours[0], count):
        one, two = ours[1](run), other.get(run["round"])
        if one and two:
            values.append(join(one, two))
    return Figure.of(values)


def _best_peer(results: Results, kind: str, count: int) -> tuple[str, float | None]:
    found = []
    for server in results.servers("fanout"):
        figure = results.figure("fanout", server, count, cpu_per_million(kind))
        if figure and server in PEERS:
            found.append((figure.median, server))
    return (f"best peer {min(found)[1]} {min(found)[0]:.2f} CPU-s/M", min(found)[0]) if found else ("no peer", None)


def _over(beside: float | None, ours: Figure | None) -> float | None:
    return beside / ours.median if beside is not None and ours and ours.median else None


def _floor(results: Results, kind: str, count: int) -> str:
    figure = results.figure("fanout", "floor", count, cpu_per_million(kind))
    return f"floor {figure.text('CPU-s/M')}" if figure else "no floor"


def _fanout(results: Results) -> list[Row]:
    rows = []
    one, burst = cpu_per_million("closed:1"), cpu_per_million("closed:16")
    for count in results.sizes("fanout"):
        part = _pairs(results, "fanout", ("core-json", one), ("floor", one), lambda ours, floor: floor / ours, count)
        peer, cost = _best_peer(results, "closed:1", count)
        rows.append(
            _row(
                f"fan-out of a 336-byte event, one at a time, {count:,} sessions, JSON, as a fraction of the floor",
                0.80,
                0.92,
                part,
                ".2f",
                "",
                f"{_floor(results, 'closed:1', count)}; {peer}",
                more_is_better=True,
                why="fanout",
                fraction=part.median if part else None,
            )
        )
        ours = results.figure("fanout", "core-json", count, burst)
        peer, cost = _best_peer(results, "closed:16", count)
        rows.append(
            _row(
                f"the same in bursts (16 outstanding), {count:,} sessions",
                1.0,
                0.7,
                ours,
                ".2f",
                "CPU-s/M",
                f"{_floor(results, 'closed:16', count)}; {peer}",
                why="burst",
                fraction=_over(cost, ours),
            )
        )
    count = results.sizes("fanout")[0] if results.sizes("fanout") else 0
    plain = results.figure("fanout", "core-json", count, one)
    for name in ("zlib", "zstd"):
        more = _pairs(
            results, "fanout", (f"core-{name}", one), ("core-json", one), lambda packed, plain: packed - plain, count
        )
        beside = f"JSON of the same round {plain.text('us')}" if plain else "no JSON"
        packed = results.figure("fanout", f"core-{name}", count, one)
        rows.append(
            _row(
                f"{name}-stream fan-out over plain, per delivery",
                1.0,
                0.5,
                more,
                "+.2f",
                "us",
                beside,
                why=name,
                fraction=_over(plain.median if plain else None, packed),
            )
        )
    etf = _pairs(
        results, "fanout", ("core-etf", one), ("core-json", one), lambda etf, plain: (etf / plain - 1) * 100, count
    )
    packed = results.figure("fanout", "core-etf", count, one)
    rows.append(
        _row(
            "ETF fan-out over JSON",
            3.0,
            0.0,
            etf,
            "+.1f",
            "%",
            f"JSON of the same round {plain.text('us')}" if plain else "no JSON",
            why="etf",
            fraction=_over(plain.median if plain else None, packed),
        )
    )
    return rows


def _largest(results: Results, *servers: str) -> int | None:
    """The most idle sessions at which all of these servers were measured."""
    sizes = results.sizes("idle")
    whole = [size for size in sizes if all(results.runs("idle", server, size) for server in servers)]
    return whole[-1] if whole else None


def _idle(results: Results) -> list[Row]:
    rows = []
    for most in results.sizes("idle"):
        core = results.figure("idle", "core-json", most, kib_per_session)
        rows.append(
            _row(
                f"memory per idle identified session in 10 guilds (RSS of the node, {most:,} sessions)",
                8.0,
                4.0,
                results.figure("idle", "node-json", most, kib_per_session),
                ".1f",
                "KiB",
                f"the Rust core alone {core.text('KiB', 1) if core else NOT_MEASURED}",
                why="memory",
            )
        )
    for name in ("zlib", "zstd"):
        most_ = _largest(results, "core-json", f"core-{name}")
        extra = most_ and _pairs(
            results,
            "idle",
            (f"core-{name}", kib_per_session),
            ("core-json", kib_per_session),
            lambda packed, plain: packed - plain,
            most_,
        )
        rows.append(
            _row(
                f"extra for an idle {name}-stream session (Rust core, {most_ or 0:,} sessions)",
                1.5,
                0.7,
                extra or None,
                ".1f",
                "KiB",
                "JSON of the same run",
                why=f"memory-{name}",
            )
        )
    return rows


def _accept_us(run: dict[str, Any]) -> float | None:
    each = per_cpu_second("connect")(run)
    return 1e6 / each if each else None


def _cycle_us(run: dict[str, Any]) -> float | None:
    each = pooled_per_cpu_second("cycle")(run)
    return 1e6 / each if each else None


def _storms(results: Results) -> list[Row]:
    count = results.sizes("fanout")[-1] if results.sizes("fanout") else None
    floor = results.figure("fanout", "floor", count, _accept_us)
    accept = results.figure("fanout", "core-json", count, _accept_us)
    peers = [
        (figure.median, server) for server in PEERS if (figure := results.figure("fanout", server, count, _accept_us))
    ]
    beside = floor.text("us CPU for the floor", 0) if floor else "no floor"
    beside += f"; best peer {min(peers)[1]} {min(peers)[0]:.0f} us CPU" if peers else ""
    rows = [
        _row(
            "connection accept and upgrade",
            50.0,
            30.0,
            accept,
            ".0f",
            "us CPU",
            beside,
            why="accept",
            fraction=_over(floor.median if floor else None, accept),
        ),
        _row(
            "identify: READY + 10 GUILD_CREATE of 20 channels and 100 members, per core",
            1500,
            4000,
            results.figure("storm", "node-json", None, pooled_per_cpu_second("identify")),
            ",.0f",
            "/s",
            "no peer does this",
            more_is_better=True,
            why="identify",
        ),
        _row(
            "resume with 100 missed events, per core",
            6000,
            12000,
            results.figure("storm", "node-json", None, pooled_per_cpu_second("resume")),
            ",.0f",
            "/s",
            "no peer does this",
            more_is_better=True,
            why="resume",
        ),
    ]
    for kind, name in (("cycle", "an accept"), ("identify", "an identify"), ("resume", "a resume")):
        rows.append(
            _row(
                f"heartbeats of live sessions answered during {name} storm, p99",
                100.0,
                100.0,
                results.figure("storm", "node-json", None, live_p99(kind)),
                ".1f",
                "ms",
                "no peer does this",
                why="live",
            )
        )
    return rows


def gil_p99(run: dict[str, Any]) -> float | None:
    """The worst p99 of the volleys of heartbeats while the GIL is held."""
    return max((step["latency_ms"]["p99"] for step in run["steps"] if step["step"] == "beat"), default=None)


def _boundary(results: Results) -> list[Row]:
    runs = results.runs("gil", "core-json")
    held = [step["wall_s"] for run in runs for step in run["steps"] if step["step"] in ("beat", "idle:0.5")]
    delivered = [step["deliveries"] for run in runs for step in run["steps"] if step["step"].startswith("hold")]
    during = all(step.get("held_meanwhile") for run in runs for step in run["steps"] if "held_meanwhile" in step)
    return [
        _row(
            f"heartbeats while an extension holds the GIL ({sum(held):.0f} s of it watched), worst p99 of a volley",
            50.0,
            50.0,
            Figure.of(gil_p99(run) for run in runs),
            ".1f",
            "ms",
            f"{sum(delivered):,} events already on the bus delivered {'meanwhile' if during else 'only AFTERWARDS'}",
            why="gil",
        )
    ]


def _api(results: Results) -> list[Row]:
    first = ("open:20", "first_ms")
    found = results.data.get("api", {}).get("figures", {})
    rows = [
        _row(
            f"POST to first delivery, idle, {name}",
            must,
            aim,
            results.figure("post", "node-json", 1, value(*first, name)),
            ".2f",
            "ms",
            "no peer does this",
            why="post",
        )
        for name, must, aim in (("p50", 3.0, 1.0), ("p99", 15.0, 5.0))
    ]
    for many, by_tree in found.items():
        each = next(iter(by_tree.values()))
        spread = each["all"]
        parts = ", ".join(f"{part} {each[part]['median']:.0f}" for part in ("loop", "store", "http", "gateway"))
        rows.append(
            _row(
                f"durable message POST, CPU of the node, {many.replace('_', ' ')}",
                200.0,
                100.0,
                Figure(spread["median"], spread["low"], spread["high"], results.data["api"]["rounds"]),
                ".0f",
                "us",
                f"by thread: {parts} us",
                why="api",
            )
        )
    if not found:
        rows.append(_row("durable message POST, CPU of the node", 200.0, 100.0, None, ".0f", "us", "-"))
    return rows


def _testing(results: Results) -> list[Row]:
    found = results.data.get("testing", {})
    figures, rows = found.get("figures", {}), []
    for key, what, many, must, aim, digits in (
        ("start_cpu_ms", "start of a test server, CPU until it is ready", "starts", 1000.0, 600.0, ".0f"),
        ("reset_ms", "reset between tests: a bot and a guild made and removed", "resets", 10.0, 5.0, ".1f"),
    ):
        spread = figures.get(key)
        figure = Figure(spread["median"], spread["low"], spread["high"], found[many]) if spread else None
        beside = "-"
        if spread:
            wall = figures["start_ms"]["median"]
            beside = f"in {wall:.0f} ms of wall time"
            if key == "reset_ms":
                beside = f"p99 {spread['p99']:.1f} ms"
                used = figures.get("reset_cpu_ms")
                beside += f"; CPU of the server {used['median']:.1f}, p99 {used['p99']:.1f} ms" if used else ""
        rows.append(_row(what, must, aim, figure, digits, "ms", beside))
    return rows


def _flapping(results: Results) -> list[Row]:
    found = results.data.get("flapping", {})
    figures: dict[str, Any] = found.get("figures", {})
    share = Figure.of([figures["percent"]]) if figures else None
    # Of those who look on and of bots, who get each change: the greater one counts.
    pairs = [
        [figures[f"{who}{each}_p99_ms"]["median"] for each in ("quiet", "flapping")] for who in ("", "bots_") if figures
    ]
    rise = Figure.of([max((loud / quiet - 1) * 100 for quiet, loud in pairs)]) if figures else None
    beside = f"{figures['presence_updates']:,} of {figures['naive']:,}" if figures else "-"
    many = f"{found.get('members', 10_000):,}"
    returning = figures.get("returning", {})
    moved = "-"
    if figures:
        (quiet, loud), (bots_quiet, bots_loud) = pairs
        moved = f"people {loud:.2f} and {quiet:.2f} ms, pair by pair {figures['rise_percent']['median']:+.0f} %; "
        moved += f"bots {bots_loud:.2f} and {bots_quiet:.2f} ms"
    if returning:
        moved += f"; where {found['share']:.0%} go and come {returning['rise_percent']['median']:+.0f} %"
    return [
        _row(f"{many} members flap: PRESENCE_UPDATE of the naive number", 1.0, 1.0, share, ".3f", "%", beside),
        _row(
            f"{many} members flap: messages' p99 above that of quiet stretches, medians, of people or of bots",
            10.0,
            10.0,
            rise,
            ".0f",
            "%",
            moved,
            why="flapping",
        ),
    ]


def _figure(results: Results, group: str, given: dict[str, float] | None) -> Figure | None:
    """The spread that a bench of its own made, over its rounds."""
    rounds = results.data.get(group, {}).get("rounds", 1)
    return Figure(given["median"], given["low"], given["high"], rounds) if given else None


def _bus(results: Results) -> list[Row]:
    kinds: dict[str, Any] = results.data.get("bus", {}).get("figures", {})
    rows = []
    for pace, what in (("batched", "messages as fast as they are taken"), ("separate", "one message at a time")):
        for nodes in (1, 2, 4):
            bare = _figure(results, "bus", kinds.get(f"k = {nodes}, no journal", {}).get(pace, {}).get("redis_us"))
            must = 6.0 + 4 * nodes
            rows.append(
                _row(
                    f"Redis CPU per event for k = {nodes} nodes, journals included, {what} (6 + 4k)",
                    must,
                    2.0 * nodes if pace == "batched" else must,
                    _figure(results, "bus", kinds.get(f"k = {nodes}", {}).get(pace, {}).get("redis_us")),
                    ".1f",
                    "us",
                    f"without journals {bare.text('us', 1)}" if bare else "-",
                    why=f"redis-{pace}",
                )
            )
    for nodes in (2, 4):
        lone = _figure(results, "bus", kinds.get("one node, no bus", {}).get("separate", {}).get("p50_ms"))
        rows.append(
            _row(
                f"POST to delivery at another node of {nodes}, p50",
                3.0,
                2.0,
                _figure(results, "bus", kinds.get(f"k = {nodes}", {}).get("separate", {}).get("p50_ms")),
                ".2f",
                "ms",
                f"one node without a bus {lone.text('ms', 2)}" if lone else "-",
                why="bus-latency",
            )
        )
    return rows


def _takeover(results: Results) -> list[Row]:
    found = results.data.get("takeover", {})
    figures: dict[str, Any] = found.get("figures", {})
    taken, local = figures.get("taken", {}), _figure(results, "takeover", figures.get("local", {}).get("cpu_us"))
    cost = _figure(results, "takeover", taken.get("cpu_us"))
    beside = f"{cost.text('us', 0)} of CPU each; a resume where it was {local.text('us', 0)}" if cost and local else "-"
    what = f"{found.get('sessions', 2000):,} sessions of a node are all back at another one, after kill -9"
    return [_row(what, 5.0, 2.0, _figure(results, "takeover", taken.get("from_kill_s")), ".2f", "s", beside)]


def _restart(results: Results) -> list[Row]:
    figures: dict[str, Any] = results.data.get("restart", {}).get("figures", {})
    rows = []
    for spread_ms, length_s in ((60000, 5), (60000, 1), (5000, 5)):
        each = figures.get(str(spread_ms), {})
        beside = "-"
        if each:
            starts = each["start_cpu_s"]
            beside = f"without the starts of Python {each[f'most_{length_s}s_without_starts']:.2f}; "
            beside += f"a start is {min(starts):.2f} to {max(starts):.2f} s of CPU, "
            beside += f"of {each['steady_cpus'] * length_s:.2f} in such a stretch before; "
            beside += f"undisturbed {each[f'most_{length_s}s_steady']:.2f}"
        rows.append(
            _row(
                f"rolling restart of 3 nodes under load, each drained over {spread_ms // 1000} s: CPU of all "
                f"in the worst {length_s} s, of the steady one",
                1.5,
                1.25,
                Figure.of([each.get(f"most_{length_s}s")]),
                ".2f",
                "",
                beside,
                why="restart",
            )
        )
    return rows


def table(results: Results) -> list[Row]:
    """All targets, in the order of the design."""
    etf = results.micro("test_etf_encode_of_a_message[tocsin]")
    others = [
        (name, each["stats"]["min"] * 1e6)
        for name in ("orjson", "erlpack")
        if (each := results.micro(f"test_etf_encode_of_a_message[{name}]"))
    ]
    ours = Figure.of([etf["stats"]["min"] * 1e6]) if etf else None
    return [
        *_fanout(results),
        *_idle(results),
        *_storms(results),
        *_boundary(results),
        *_api(results),
        *_testing(results),
        *_flapping(results),
        _row(
            "ETF encode of a 1.4 KB message",
            1.4,
            0.7,
            ours,
            ".2f",
            "us",
            ", ".join(f"{name} {us:.2f} us" for name, us in others) or "no peer",
            why="etf-encode",
            fraction=_over(min(us for _, us in others), ours) if others else None,
        ),
        *_bus(results),
        *_takeover(results),
        *_restart(results),
    ]
