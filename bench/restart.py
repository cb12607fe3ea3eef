"""Restart: three nodes are restarted one after the other under load, as a deploy does; the CPU of all three together
meanwhile, beside what it was before, and what became of the sessions. Prints one JSON object."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cluster import Cluster, cluster, world
from bench.crowd import commit, fleet, keep
from bench.servers import ROOT

INTENTS = 1 | 1 << 9 | 1 << 15
SAMPLE_S = 0.05
GATEWAYS = (2, 3, 4)
"""`tocsin gateway`, which are restarted. Another node takes the messages, has no sessions and is not counted."""
WINDOWS_S = (1.0, 5.0)
TICK_S = 0.01


def used_s(pid: int) -> float | None:
    """CPU seconds of a process, with its threads that have ended; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    words = text.rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) * TICK_S


def children() -> set[int]:
    """The processes that this one has started and that live."""
    found: set[int] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        found |= {int(word) for word in path.read_text().split()}
    return found


class Sampler:
    """Reads the CPU of all children but the excluded ones, again and again; also while one only just starts."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, dict[int, float]]] = []
        self.excluded: set[int] = set()
        self._seen: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_S):
            now = time.monotonic()
            for pid in children() - self.excluded:
                if (used := used_s(pid)) is not None:
                    self._seen[pid] = max(used, self._seen.get(pid, 0.0))
            # What has ended keeps what it had.
            self.samples.append((now, dict(self._seen)))


def series(
    samples: list[tuple[float, dict[int, float]]], free_s: dict[int, float], since: float
) -> list[tuple[float, float]]:
    """CPU seconds of all together by time, from a moment on. `free_s`: what of a process does not count."""
    return [
        (at, sum(max(0.0, used - free_s.get(pid, 0.0)) for pid, used in each.items()))
        for at, each in samples
        if at >= since
    ]


def windows(line: list[tuple[float, float]], length_s: float) -> list[tuple[float, float]]:
    """CPUs used over each stretch of that length: its end and the average."""
    found, first = [], 0
    for at, used in line:
        while first + 1 < len(line) and line[first + 1][0] <= at - length_s:
            first += 1
        if at - line[first][0] >= length_s:
            found.append((at, (used - line[first][1]) / (at - line[first][0])))
    return found


def restart(made: Cluster, number: int, offer: Callable[[], None], note: Callable[[str], None]) -> float:
    """Drain a node that no balancer names any more, start it again; what its start used until it was ready."""
    made.offered.discard(number)
    offer()
    note(f"drain {number}")
    made.drain(number)
    note(f"start {number}")
    node = made.start(number, verb="gateway")
    cost = used_s(node.pid) or 0.0
    made.offered.add(number)
    offer()
    note(f"up {number}")
    return cost


def of_pace(spread_ms: int, given: argparse.Namespace) -> dict[str, Any]:
    """One rolling restart at a pace of draining."""
    flags = (f"--drain-spread-ms={spread_ms}",)
    # A node is drained, has ended, is up and has settled.
    each_s = spread_ms / 1000 + given.start_s + given.settle_s
    steps = [
        "connect",
        "identify",
        "beat",
        f"open:{given.rate}:{given.warm_s}",
        "pause",
        f"open:{given.rate}:{given.steady_s}",
    ]
    steps += ["pause", f"open:{given.rate}:{each_s * len(GATEWAYS)}", "pause"]
    notes: list[tuple[float, str]] = []
    costs: list[float] = []
    with cluster(world(given.sessions), 1, *flags) as made, Sampler() as sampler:
        for number in GATEWAYS:
            made.start(number, verb="gateway")
        offers = made.folder / "offers"
        made.offered.update(GATEWAYS)

        def offer() -> None:
            ports = " ".join(made.nodes[number].gateway for number in sorted(made.offered))
            (made.folder / "offers.new").write_text(ports)
            (made.folder / "offers.new").rename(offers)

        def note(what: str) -> None:
            notes.append((time.monotonic(), what))

        offer()
        gateways = {made.nodes[number].pid for number in GATEWAYS}
        with fleet(
            given.load, made.nodes[2], given.sessions, "load-{n}", INTENTS, steps, None, post_to=made.nodes[1],
            more=("--offers", str(offers), "--posts-at-once", "64"),
        ) as sessions:  # fmt: skip
            sessions.paused()
            sampler.excluded = children() - gateways
            note("steady")
            sessions.go()
            sessions.paused()
            note("end of steady")
            sessions.go()
            began = time.monotonic()
            free_s: dict[int, float] = {}
            for turn, number in enumerate(GATEWAYS):
                time.sleep(max(0.0, began + turn * each_s + given.settle_s / 2 - time.monotonic()))
                costs.append(restart(made, number, offer, note))
                free_s[made.nodes[number].pid] = costs[-1]
            late_s = time.monotonic() - began - each_s * len(GATEWAYS)
            sessions.paused()
            note("end")
            sessions.go()
            report = [step for step in sessions.done() if step["step"].startswith("open")][-1]
    if late_s > 0:
        raise RuntimeError(f"the last node was up {late_s:.1f} s after the load had ended: --start-s is too short")
    return figures(given, sampler, notes, free_s) | {
        "spread_ms": spread_ms,
        "start_cpu_s": [round(cost, 2) for cost in costs],
        "moved": report["moved"],
        "invalidated": report["invalidated"],
        "published": report["published"],
        "p99_ms": round(report["latency_ms"]["p99"], 1),
    }


def figures(
    given: argparse.Namespace, sampler: Sampler, notes: list[tuple[float, str]], free_s: dict[int, float]
) -> dict[str, Any]:
    """The steady CPU, and the most there was of it since, with the starts of processes and without."""
    times = {what: at for at, what in notes}
    began, ended = times["steady"], times["end of steady"]
    whole = series(sampler.samples, {}, began)
    before, most_of_it_s = [each for each in whole if each[0] <= ended], given.steady_s * 0.9
    steady = windows(before, most_of_it_s)[-1][1]
    found: dict[str, Any] = {"steady_cpus": round(steady, 3)}
    for length_s in WINDOWS_S:
        # How much of what follows is the machine's unrest.
        undisturbed = max(cpus for _, cpus in windows(before, min(length_s, most_of_it_s)))
        found[f"most_{length_s:g}s_steady"] = round(undisturbed / steady, 2)
    for name, free in (("", {}), ("_without_starts", free_s)):
        line = [each for each in series(sampler.samples, free, ended) if each[0] <= times["end"]]
        for length_s in WINDOWS_S:
            at, most = max(windows(line, length_s), key=lambda each: each[1])
            phase = [what for then, what in notes if then <= at][-1]
            found[f"most_{length_s:g}s{name}"] = round(most / steady, 2)
            found[f"most_{length_s:g}s{name}_at"] = phase
    shown = windows(whole, WINDOWS_S[0])[:: round(0.25 / SAMPLE_S)]
    found["line"] = [(round(at - began, 2), round(cpus / steady, 3)) for at, cpus in shown if at <= times["end"]]
    found["notes"] = [(round(at - began, 2), what) for at, what in notes]
    return found


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1500)
    parser.add_argument("--rate", type=int, default=50, help="messages a second, each to all sessions")
    parser.add_argument(
        "--warm-s",
        type=float,
        default=60,
        help="before that: until each replay log is full and each client has beaten once since, events cost less",
    )
    parser.add_argument("--steady-s", type=float, default=40)
    parser.add_argument("--settle-s", type=float, default=3, help="after a node is up")
    parser.add_argument("--start-s", type=float, default=4, help="what a drain's end and a start may take")
    parser.add_argument("--spread-ms", type=int, nargs="+", default=[5000, 60000], help="drain_spread_ms, one run each")
    parser.add_argument("--load", type=Path, default=ROOT / "target" / "bench" / "release" / "tocsin-load")
    parser.add_argument("--out", type=Path, help="a file for the JSON")
    given = parser.parse_args()
    result = {
        "bench": "restart",
        "commit": commit(),
        "sessions": given.sessions,
        "rate": given.rate,
        "nodes": len(GATEWAYS),
        "figures": {str(spread_ms): of_pace(spread_ms, given) for spread_ms in given.spread_ms},
    }
    keep(result, given.out)


if __name__ == "__main__":
    main()
