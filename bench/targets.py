"""Targets: the figures tocsin wants to reach (two cores, loopback), each with what was measured beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.figures import (
    Figure,
    Results,
    cpu_per_million,
    cpu_us_per_publish,
    kib_after,
    kib_per_session,
    per_cpu_second,
    value,
)
from bench.plan import PEERS

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Row:
    """A line of the table: `beside` is the floor or the best peer of the same run."""

    what: str
    must: str
    aim: str
    figure: str
    beside: str
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
) -> Row:
    sign = ">=" if more_is_better else "<="
    bounds = (f"{sign} {must:{form}} {unit}".rstrip(), f"{aim:{form}} {unit}".rstrip())
    if figure is None:
        return Row(what, *bounds, NOT_MEASURED, beside, NOT_MEASURED)
    shown = f"{figure.median:{form}}"
    if figure.rounds > 1:
        shown += f" ({figure.low:{form}}..{figure.high:{form}})"
    return Row(what, *bounds, f"{shown} {unit}".rstrip(), beside, _verdict(figure.median, must, aim, more_is_better))


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


def _best_peer(results: Results, kind: str, count: int) -> str:
    found = []
    for server in results.servers("fanout"):
        figure = results.figure("fanout", server, count, cpu_per_million(kind))
        if figure and server in PEERS:
            found.append((figure.median, server))
    return f"best peer {min(found)[1]} {min(found)[0]:.2f} CPU-s/M" if found else "no peer"


def _floor(results: Results, kind: str, count: int) -> str:
    figure = results.figure("fanout", "floor", count, cpu_per_million(kind))
    return f"floor {figure.text('CPU-s/M')}" if figure else "no floor"


def _fanout(results: Results) -> list[Row]:
    rows = []
    one, burst = cpu_per_million("closed:1"), cpu_per_million("closed:16")
    for count in results.sizes("fanout"):
        rows.append(
            _row(
                f"fan-out of a 336-byte event, one at a time, {count:,} sessions, JSON, as a fraction of the floor",
                0.80,
                0.92,
                _pairs(results, "fanout", ("core-json", one), ("floor", one), lambda ours, floor: floor / ours, count),
                ".2f",
                "",
                f"{_floor(results, 'closed:1', count)}; {_best_peer(results, 'closed:1', count)}",
                more_is_better=True,
            )
        )
    count = results.sizes("fanout")[0] if results.sizes("fanout") else 0
    rows.append(
        _row(
            "the same in bursts (16 outstanding), CPU-s per million",
            1.0,
            0.7,
            results.figure("fanout", "core-json", count, burst),
            ".2f",
            "",
            f"{_floor(results, 'closed:16', count)}; {_best_peer(results, 'closed:16', count)}",
        )
    )
    rows.append(
        _row(
            "zlib-stream fan-out over plain, us per delivery",
            1.0,
            0.5,
            _pairs(results, "fanout", ("core-zlib", one), ("core-json", one), lambda zlib, plain: zlib - plain, count),
            "+.2f",
            "",
            "JSON of the same round",
        )
    )
    rows.append(
        _row(
            "ETF fan-out over JSON",
            3.0,
            0.0,
            _pairs(
                results,
                "fanout",
                ("core-etf", one),
                ("core-json", one),
                lambda etf, plain: (etf / plain - 1) * 100,
                count,
            ),
            "+.1f",
            "%",
            "JSON of the same round",
        )
    )
    return rows


def _largest(results: Results, *servers: str) -> int:
    """The most idle sessions at which all of these servers were measured."""
    sizes = results.sizes("idle")
    whole = [size for size in sizes if all(results.runs("idle", server, size) for server in servers)]
    return (whole or sizes)[-1]


def _idle(results: Results) -> list[Row]:
    if not results.sizes("idle"):
        return []
    most = _largest(results, "core-json", "core-zlib", "node-json")
    core = results.figure("idle", "core-json", most, kib_per_session)
    alone = core.text("KiB", 1) if core else NOT_MEASURED
    extra = _pairs(
        results,
        "idle",
        ("core-zlib", kib_after("connect")),
        ("core-json", kib_after("connect")),
        lambda zlib, plain: zlib - plain,
        most,
    )
    floor = results.figure("fanout", "floor", None, lambda run: (each := per_cpu_second("connect")(run)) and 1e6 / each)
    return [
        _row(
            f"memory per idle identified session in 10 guilds (RSS of the node, {most:,} sessions)",
            8.0,
            4.0,
            results.figure("idle", "node-json", most, kib_per_session),
            ".1f",
            "KiB",
            f"the Rust core alone {alone}",
        ),
        _row(
            "extra for a zlib-stream connection (Rust core, before identify: later it drowns in what malloc keeps)",
            1.5,
            0.7,
            extra,
            ".1f",
            "KiB",
            "JSON of the same run",
        ),
        _row(
            "connection accept and upgrade",
            50.0,
            30.0,
            results.figure(
                "fanout", "core-json", None, lambda run: (each := per_cpu_second("connect")(run)) and 1e6 / each
            ),
            ".0f",
            "us CPU",
            floor.text("us CPU for the floor", 0) if floor else "no floor",
        ),
        _row(
            "identify: READY + 10 GUILD_CREATE of 20 channels and 100 members, per core",
            1500,
            4000,
            results.figure("idle", "node-json", None, per_cpu_second("identify")),
            ",.0f",
            "/s",
            "no peer does this",
            more_is_better=True,
        ),
    ]


def table(results: Results) -> list[Row]:
    """All targets, in the order of the design."""
    first = ("open:20", "first_ms")
    post = results.figure("post", "node-json", 1, value(*first, "p50"))
    p99 = results.figure("post", "node-json", 1, value(*first, "p99"))
    etf = results.micro("test_etf_encode_of_a_message[tocsin]")
    others = [
        f"{name} {each['stats']['min'] * 1e6:.2f} us"
        for name in ("orjson", "erlpack")
        if (each := results.micro(f"test_etf_encode_of_a_message[{name}]"))
    ]
    return [
        *_fanout(results),
        *_idle(results),
        _row(
            "resume with 100 missed events, per core",
            6000,
            12000,
            results.figure("resume", "node-json", None, per_cpu_second("resume")),
            ",.0f",
            "/s",
            "no peer does this",
            more_is_better=True,
        ),
        _row("POST to first delivery, idle, p50", 3.0, 1.0, post, ".2f", "ms", "no peer does this"),
        _row("POST to first delivery, idle, p99", 15.0, 5.0, p99, ".2f", "ms", "no peer does this"),
        _row(
            "durable message POST, CPU of the node",
            200.0,
            100.0,
            results.figure("post", "node-json", 1, cpu_us_per_publish("closed:16")),
            ".0f",
            "us",
            "no peer does this",
        ),
        _row(
            "ETF encode of a 1.4 KB message",
            1.4,
            0.7,
            Figure.of([etf["stats"]["min"] * 1e6]) if etf else None,
            ".2f",
            "us",
            ", ".join(others) or "no peer",
        ),
        Row("Redis CPU per routed event, k nodes", "<= 6 + 4k us", "batch to 2k", NOT_MEASURED, "-", NOT_MEASURED),
    ]
