"""SessionStarts: how many sessions a bot may start, per day and at a time (protocol.md §1.8)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from tocsin.config import Settings

DAY_MS = 24 * 3600 * 1000

MOST_TOLD = 65_535
"""The greatest concurrency that is told: twilight reads it as 16 bits."""


class SessionStartLimit(NamedTuple):
    """The `session_start_limit` of GET /gateway/bot. `reset_after` in ms."""

    total: int
    remaining: int
    reset_after: int
    max_concurrency: int


class SharedStarts(Protocol):
    """The count over all nodes; it answers None when there is none to be had."""

    async def take(self, user_id: int, *, total: int, concurrency: int, day_ms: int, window_ms: int) -> bool | None:
        """Count a start unless a limit (0 for none) is used up; return whether it was counted."""
        ...

    async def used(self, user_id: int) -> tuple[int, int] | None:
        """Return the starts of the day, and for how many ms it goes on."""
        ...


class _Starts:
    """One user's starts: of the day since `day_ms`, and of the identify window since `window_ms`."""

    __slots__ = ("day_ms", "day_used", "window_ms", "window_used")

    def __init__(self, now: int) -> None:
        self.day_ms = self.window_ms = now
        self.day_used = self.window_used = 0


class SessionStarts:
    """Counts identifies per user. `identify_max_concurrency` may start per `identify_window_ms`; 0 lifts a limit.

    Where `shared` is set it decides, and what this node counted by itself does while there is no answer.
    """

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self.shared: SharedStarts | None = None
        self._settings = settings
        self._clock = clock
        self._starts: OrderedDict[int, _Starts] = OrderedDict()  # by the beginning of their day

    async def left(self, user_id: int) -> SessionStartLimit:
        """Return what is left of the user's day, over all nodes."""
        limit = self.limit(user_id)
        found = None if self.shared is None else await self.shared.used(user_id)
        if found is None:
            return limit
        used, reset_after = found
        return limit._replace(remaining=max(0, limit.total - used), reset_after=reset_after)

    async def admit(self, user_id: int) -> bool:
        """Count one identify; False when the user's day or identify window is used up over all nodes."""
        alone = self.take(user_id)
        settings = self._settings
        if self.shared is None or not (settings.session_start_limit or settings.identify_max_concurrency):
            return alone
        found = await self.shared.take(
            user_id,
            total=settings.session_start_limit,
            concurrency=settings.identify_max_concurrency,
            day_ms=DAY_MS,
            window_ms=settings.identify_window_ms,
        )
        return alone if found is None else found

    def limit(self, user_id: int) -> SessionStartLimit:
        """Return what is left of the user's day."""
        settings = self._settings
        now = self._clock()
        self._sweep(now)
        starts = self._starts.get(user_id)
        used = 0 if starts is None else starts.day_used
        reset_after = 0 if starts is None else max(0, starts.day_ms + DAY_MS - now)
        total = settings.session_start_limit or 1_000_000
        concurrency = min(settings.identify_max_concurrency or 1000, MOST_TOLD)
        return SessionStartLimit(total, max(0, total - used), reset_after, concurrency)

    def take(self, user_id: int) -> bool:
        """Count one identify; False when the user's day or identify window is used up."""
        settings = self._settings
        now = self._clock()
        self._sweep(now)
        starts = self._starts.get(user_id)
        if starts is None:
            starts = self._starts[user_id] = _Starts(now)
        if not 0 <= now - starts.window_ms < settings.identify_window_ms:
            starts.window_ms, starts.window_used = now, 0
        if 0 < settings.session_start_limit <= starts.day_used:
            return False
        if 0 < settings.identify_max_concurrency <= starts.window_used:
            return False
        starts.day_used += 1
        starts.window_used += 1
        return True

    def _sweep(self, now: int) -> None:
        while self._starts:
            user_id = next(iter(self._starts))
            if self._starts[user_id].day_ms + DAY_MS > now:
                return
            del self._starts[user_id]
