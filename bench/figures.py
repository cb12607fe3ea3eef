"""Figures: what a result file says, as medians with their spread; nothing here is typed by hand."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Step = dict[str, Any]
Run = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A median and the lowest and highest of the rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Figure | None:
        """None when no round has it."""
        found = [value for value in values if value is not None]
        return cls(statistics.median(found), min(found), max(found), len(found)) if found else None

    def text(self, unit: str = "", digits: int = 2, spread: bool = True) -> str:
        """`8.1 (7.9..8.6) unit`; no spread for a single round."""
        shown = f"{self.median:,.{digits}f}"
        if spread and self.rounds > 1:
            shown += f" ({self.low:,.{digits}f}..{self.high:,.{digits}f})"
        return f"{shown} {unit}".rstrip()


class Results:
    """A result file, and where its pictures go."""

    def __init__(self, data: dict[str, Any], images: Path) -> None:
        self.data = data
        self.images = images

    def runs(self, group: str, server: str, connections: int | None = None) -> list[Run]:
        """The rounds of a scenario, without those that failed."""
        return [
            run
            for run in self.data["runs"]
            if run["group"] == group
            and run["server"] == server
            and connections in (None, run["connections"])
            and "error" not in run
            and "skipped" not in run
        ]

    def sizes(self, group: str) -> list[int]:
        """The connection counts of a group, in order."""
        return sorted({run["connections"] for run in self.data["runs"] if run["group"] == group})

    def servers(self, group: str) -> list[str]:
        """The servers of a group, in the order they ran."""
        return list(dict.fromkeys(run["server"] for run in self.data["runs"] if run["group"] == group))

    def figure(
        self, group: str, server: str, connections: int | None, read: Callable[[Run], float | None]
    ) -> Figure | None:
        """`read` over the rounds of a scenario."""
        return Figure.of(read(run) for run in self.runs(group, server, connections))

    def micro(self, name: str) -> dict[str, Any] | None:
        """A microbench by its name."""
        return next((each for each in self.data.get("micro", []) if each.get("name") == name), None)


def steps(run: Run, kind: str) -> list[Step]:
    """The steps of a kind (`closed:1`, `connect`), warm-ups left out: of several with the same kind, the longest."""
    found = [step for step in run["steps"] if step["step"] == kind or step["step"].startswith(kind + ":")]
    longest = max((step["wall_s"] for step in found), default=0)
    return found if kind == "connect" else [step for step in found if step["wall_s"] == longest]


def last(run: Run, kind: str) -> Step | None:
    """The last step of a kind."""
    found = steps(run, kind)
    return found[-1] if found else None


def cpu_per_million(kind: str) -> Callable[[Run], float | None]:
    """Server CPU seconds per million deliveries, or per million of what a step does."""
    return lambda run: step["server_cpu_s_per_million"] if (step := last(run, kind)) else None


def cpu_of_threads(kind: str, prefix: str) -> Callable[[Run], float | None]:
    """The same for the threads whose name begins with `prefix`."""

    def read(run: Run) -> float | None:
        step = last(run, kind)
        if step is None or not step.get("deliveries"):
            return None
        used = sum(s for name, s in step["server_cpu"]["threads_s"].items() if name.startswith(prefix))
        return float(used / step["deliveries"] * 1e6)

    return read


def value(kind: str, *path: str) -> Callable[[Run], float | None]:
    """A value of a step by its path."""

    def read(run: Run) -> float | None:
        found: Any = last(run, kind)
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found if found is None else float(found)

    return read


def per_cpu_second(kind: str) -> Callable[[Run], float | None]:
    """How many of what a step does one core would do a second."""

    def read(run: Run) -> float | None:
        step = last(run, kind)
        used = step["server_cpu"]["total_s"] if step else 0
        return step["done"] / used if step and used else None

    return read


def cpu_us_per_publish(kind: str) -> Callable[[Run], float | None]:
    """Server CPU microseconds per event published."""

    def read(run: Run) -> float | None:
        step = last(run, kind)
        return step["server_cpu"]["total_s"] / step["published"] * 1e6 if step and step.get("published") else None

    return read


def kib_per_session(run: Run) -> float | None:
    """Resident memory that a session added which is identified, has sent a heartbeat and is idle."""
    return kib_after("idle")(run)


def kib_after(kind: str, key: str = "rss_kib") -> Callable[[Run], float | None]:
    """Memory per connection that a run added until the end of a step's last occurrence: RSS, or another `key`."""

    def read(run: Run) -> float | None:
        first = run["steps"][0]["server_memory"].get(key)
        ends = [step["server_memory"].get(key) for step in run["steps"] if step["step"].split(":")[0] == kind]
        return float(ends[-1] - first) / float(run["connections"]) if first is not None and ends and ends[-1] else None

    return read


def live_ms(*kinds: str) -> Callable[[Run], list[float]]:
    """Milliseconds that live sessions waited for heartbeats that were out during steps of these kinds."""
    return lambda run: [ms for kind in kinds for step in _all(run, kind) for ms in step.get("live_ms", [])]


def _all(run: Run, kind: str) -> list[Step]:
    return [step for step in run["steps"] if step["step"].split(":")[0] == kind]


def percentile(values: list[float], q: float) -> float | None:
    """The smallest value that `q` of all are not above; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(q * 1000) // 1000) - 1)] if ordered else None


def live_p99(kind: str) -> Callable[[Run], float | None]:
    """The 99th percentile of `live_ms`."""
    return lambda run: percentile(live_ms(kind)(run), 0.99)


def pooled_per_cpu_second(kind: str) -> Callable[[Run], float | None]:
    """`per_cpu_second` over all steps of a kind, not the last alone."""

    def read(run: Run) -> float | None:
        used = sum(step["server_cpu"]["total_s"] for step in _all(run, kind))
        return sum(step["done"] for step in _all(run, kind)) / used if used else None

    return read


@dataclass(frozen=True)
class Growth:
    """A straight line through the second half of a run's memory samples."""

    half: int
    """Cycles of the second half."""
    kib: float
    """What the line rises over it."""
    error: float
    """Twice the standard error of that."""
    first: float
    """KiB at its beginning."""

    @property
    def grows(self) -> bool:
        """Whether it rises beyond doubt, by more than a hundredth of what was there."""
        return self.kib - self.error > self.first / 100

    def verdict(self) -> str:
        """In words."""
        return "**grows**" if self.grows else "does not grow"


def growth(samples: list[list[float]]) -> Growth | None:
    """The growth over the second half of (cycles, KiB) samples; None with fewer than six."""
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        return None
    xs, ys = [each[0] for each in half], [each[1] for each in half]
    line = statistics.linear_regression(xs, ys)
    spread = sum((x - statistics.fmean(xs)) ** 2 for x in xs)
    rest = sum((y - line.slope * x - line.intercept) ** 2 for x, y in zip(xs, ys, strict=True))
    error = (rest / (len(half) - 2) / spread) ** 0.5
    width = xs[-1] - xs[0]
    return Growth(int(width), line.slope * width, 2 * error * width, ys[0])
