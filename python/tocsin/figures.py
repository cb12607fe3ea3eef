"""Timing: a histogram that costs a fraction of a microsecond to note, and its text for Prometheus."""

from __future__ import annotations

from bisect import bisect_left

from tocsin.errors import Conflict, StoreFull

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Timing:
    """How often and how long. One thread notes, anyone reads."""

    __slots__ = ("_counts", "seconds")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._counts)

    def lines(self, name: str, labels: str = "") -> list[str]:
        """Return the samples of a histogram; `labels` as `a="b"`, without braces."""
        before = f"{labels}," if labels else ""
        after = f"{{{labels}}}" if labels else ""
        lines, total = [], 0
        for bound, count in zip((*BOUNDS_S, "+Inf"), self._counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{{before}le="{bound}"}} {total}')
        return [*lines, f"{name}_sum{after} {self.seconds}", f"{name}_count{after} {total}"]


def family(name: str, kind: str, text: str, lines: list[str]) -> str:
    """Return a metric with its head; `kind` is counter, gauge or histogram."""
    return "\n".join([f"# HELP {name} {text}.", f"# TYPE {name} {kind}", *lines, ""])


_REASONS = ("conflict", "full", "unavailable")


def reason_of(error: Exception) -> str:
    """Return why something was not written, as the label of a counter says it."""
    if isinstance(error, Conflict):
        return "conflict"
    return "full" if isinstance(error, StoreFull) else "unavailable"


def _by_reason(name: str, counts: dict[str, int]) -> list[str]:
    return [f'{name}{{reason="{reason}"}} {count}' for reason, count in counts.items()]


class ContentFigures:
    """What is noted of people's files."""

    def __init__(self) -> None:
        self.refused = {"full": 0, "unavailable": 0}

    def refuse(self, error: Exception) -> None:
        """Count a file that was not kept."""
        self.refused[reason_of(error)] += 1

    def text(self) -> str:
        """Return all in Prometheus' text format."""
        name = "tocsin_content_refused_total"
        return family(name, "counter", "Files that could not be kept", _by_reason(name, self.refused))


class CommitFigures:
    """What a store notes of its commits."""

    def __init__(self) -> None:
        self.done = Timing()
        self.refused = dict.fromkeys(_REASONS, 0)
        self.waiting = 0

    def refuse(self, error: Exception) -> None:
        """Count a commit that came to nothing."""
        self.refused[reason_of(error)] += 1

    def text(self) -> str:
        """Return all in Prometheus' text format."""
        commits = "tocsin_store_commit_seconds"
        refused = "tocsin_store_refused_total"
        waiting = "tocsin_store_waiting_commits"
        return (
            family(commits, "histogram", "From handing over a commit to its being on disk", self.done.lines(commits))
            + family(refused, "counter", "Commits that failed or conflicted", _by_reason(refused, self.refused))
            + family(waiting, "gauge", "Commits under way", [f"{waiting} {self.waiting}"])
        )
