"""SharedWindows: windows of rate limits, counted over all processes that share a Redis, without waiting for it.

A process counts for itself and, while it counts, tells Redis in batches and takes from the answers what the others
counted. A decision is made by its own count and what it knows of theirs. So a process may let in what comes to it
until it has heard that the limit was reached: within `PAUSE_S` and two answers of Redis, and never more than the limit
by itself (docs/adr/0023-rate-limits-across-nodes.md). What is not used costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from tocsin.figures import family
from tocsin.model.windows import Answer, Report, Window

PAUSE_S = 0.025
"""Between two batches. The first after a pause goes at once."""
AWAY_PAUSE_S = 1.0
BATCH_MAX = 1000
"""Windows told at a time: 2 to 3 ms of Redis."""

log = structlog.get_logger("tocsin.limits")


class Others(Protocol):
    """Where processes tell each other."""

    async def tell(self, reports: Sequence[Report]) -> Sequence[Answer] | None:
        """Return an answer to each report; None while nobody can be told."""
        ...


class SharedWindows:
    """Tells what was counted, and takes over what others did. All on one loop.

    Args:
        others: where to.
        clock: gives Unix milliseconds, as for the windows.
    """

    def __init__(self, others: Others, clock: Callable[[], int]) -> None:
        self._others = others
        self._clock = clock
        self._due: list[Window] = []
        self._telling: asyncio.Task[None] | None = None
        self._alone = False
        self._asked = 0
        self._told = 0
        self._failed = 0
        self._unshared = 0

    def note(self, window: Window) -> None:
        """Have a window told that counted something. Cheap; call it only for one that is not `due`."""
        window.due = True
        self._due.append(window)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self._tell_all())

    async def stop(self) -> None:
        """Tell nothing more."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    async def _tell_all(self) -> None:
        try:
            while self._due:
                await self._tell_some()
                await asyncio.sleep(AWAY_PAUSE_S if self._alone else PAUSE_S)
        finally:
            self._telling = None

    async def _tell_some(self) -> None:
        now = self._clock()
        windows = [window for window in self._due[:BATCH_MAX] if self._is_open(window, now)]
        del self._due[:BATCH_MAX]
        if not windows:
            return
        reports = [
            Report(
                window.key,
                window.own,
                window.end_ms - window.start_ms,
                max(0, now - window.start_ms),
                window.agreed_ms,
            )
            for window in windows
        ]
        for window in windows:
            window.due = False
        self._asked = len(reports)
        try:
            answers = await self._others.tell(reports)
        except Exception:
            log.exception("rate limits not shared")
            answers = None
        finally:
            self._asked = 0
        self._alone = answers is None
        if answers is None:
            self._failed += 1
            for window in windows:
                if not window.due:
                    self.note(window)
            return
        self._told += len(windows)
        now = self._clock()
        for window, report, answer in zip(windows, reports, answers, strict=True):
            if take(window, report, answer, now) and not window.due:
                self.note(window)

    def _is_open(self, window: Window, now: int) -> bool:
        if now < window.end_ms:
            return True
        window.due = False
        if self._alone:
            self._unshared += window.own - window.told
        return False

    def text(self) -> str:
        """Return the figures in Prometheus' text format."""
        told, failed = "tocsin_rate_limit_windows_told_total", "tocsin_rate_limit_failures_total"
        alone, due = "tocsin_rate_limit_alone", "tocsin_rate_limit_windows_due"
        unshared = "tocsin_rate_limit_unshared_requests_total"
        waiting = len(self._due) + self._asked
        return (
            family(told, "counter", "Windows of rate limits told to Redis", [f"{told} {self._told}"])
            + family(failed, "counter", "Batches of them that Redis did not take", [f"{failed} {self._failed}"])
            + family(alone, "gauge", "Whether this process counts by itself", [f"{alone} {int(self._alone)}"])
            + family(due, "gauge", "Windows not yet told, or not yet answered", [f"{due} {waiting}"])
            + family(unshared, "counter", "Requests that only this process counted", [f"{unshared} {self._unshared}"])
        )


def take(window: Window, report: Report, answer: Answer, now: int) -> bool:
    """Take over what is known of a window; return whether there is something of it to tell already."""
    if answer.agreed_ms and report.agreed_ms in (0, answer.agreed_ms):
        window.told = report.own
        window.others = answer.total - report.own
        end_ms = now + answer.left_ms
        # Of the same end every estimate is late, by the answer's way back.
        window.end_ms = min(window.end_ms, end_ms) if report.agreed_ms else end_ms
        window.agreed_ms = answer.agreed_ms
        return False
    # The window ended elsewhere a moment before it did here: what came since belongs to the next one.
    window.own -= window.told
    window.told = 0
    window.others = answer.total
    window.agreed_ms = answer.agreed_ms
    window.end_ms = now + answer.left_ms
    return bool(answer.agreed_ms and window.own)
