"""Rate limits: windows per identity, route group and major parameter, and their headers (protocol.md §8.2).

`Windows` is pure: time is passed in, and it never holds more than the keys of one unexpired window.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, NamedTuple

from tocsin.config import Settings

GLOBAL_WINDOW_MS = 1000
_MAJOR = ("channel_id", "guild_id", "webhook_id")
_DEFAULT = (50, 10_000)
_KNOWN: dict[str, tuple[int, int]] = {  # requests, window in ms
    "messages.edit": (5, 5000),
    "messages.delete": (5, 1000),
    "messages.bulk_delete": (5, 5000),
    "messages.list": (50, 5000),
    "typing": (5, 5000),
    "reactions.own": (4, 1000),
    "dms.open": (60, 60_000),
    "auth": (30, 60_000),
}
CREATE_MESSAGE = "messages.create"


class Verdict(NamedTuple):
    """What a window says of one request. `retry_after_ms` is 0 when it may pass."""

    limit: int
    remaining: int
    reset_ms: int
    retry_after_ms: int


class Windows:
    """Counters that start with the first request of a key and end `window_ms` later."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self.limit = limit
        self.window_ms = window_ms
        # In order of their start, which is also the order of their end: the front is what may be forgotten.
        self._open: OrderedDict[Hashable, list[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def hit(self, key: Hashable, now_ms: int) -> Verdict:
        """Count one request of `key`. A refused one does not count."""
        self._sweep(now_ms)
        entry = self._open.get(key)
        if entry is None or not entry[0] <= now_ms < entry[0] + self.window_ms:
            self._open.pop(key, None)
            entry = self._open[key] = [now_ms, 0]
        reset_ms = entry[0] + self.window_ms
        if entry[1] >= self.limit:
            return Verdict(self.limit, 0, reset_ms, max(1, reset_ms - now_ms))
        entry[1] += 1
        return Verdict(self.limit, self.limit - entry[1], reset_ms, 0)

    def _sweep(self, now_ms: int) -> None:
        while self._open:
            key = next(iter(self._open))
            if self._open[key][0] + self.window_ms > now_ms:
                return
            del self._open[key]


class RateLimits:
    """All windows of a node's API. A setting of 0 switches its limit off; without a global limit no group has one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._global = Windows(settings.global_rate_limit, GLOBAL_WINDOW_MS) if settings.global_rate_limit else None
        self._groups: dict[str, Windows | None] = {}
        self._hashes: dict[str, str] = {}

    def hit_global(self, identity: Hashable, now_ms: int) -> Verdict | None:
        """Count a request against the identity's global limit; None when there is none."""
        return None if self._global is None else self._global.hit(identity, now_ms)

    def hit_group(self, group: str, identity: Hashable, params: dict[str, Any], now_ms: int) -> Verdict | None:
        """Count a request against its route group, per identity and major parameter; None when there is no limit."""
        try:
            windows = self._groups[group]
        except KeyError:
            windows = self._groups[group] = self._make(group)
        if windows is None:
            return None
        major = next((params[name] for name in _MAJOR if name in params), "")
        return windows.hit((identity, major), now_ms)

    def bucket(self, group: str) -> str:
        """Return the opaque name of a route group."""
        name = self._hashes.get(group)
        if name is None:
            name = self._hashes[group] = hashlib.sha256(group.encode()).hexdigest()[:32]
        return name

    def _make(self, group: str) -> Windows | None:
        settings = self._settings
        if group == CREATE_MESSAGE:
            limit, window_ms = settings.message_rate_limit, settings.message_rate_window_ms
            return Windows(limit, window_ms) if limit else None
        if not settings.global_rate_limit:
            return None
        return Windows(*_KNOWN.get(group, _DEFAULT))


def headers_of(verdict: Verdict, bucket: str, now_ms: int) -> list[tuple[bytes, bytes]]:
    """Return the X-RateLimit headers of a route group's verdict."""
    reset = verdict.reset_ms
    left = max(0, reset - now_ms)
    return [
        (b"x-ratelimit-limit", b"%d" % verdict.limit),
        (b"x-ratelimit-remaining", b"%d" % verdict.remaining),
        (b"x-ratelimit-reset", b"%d.%03d" % divmod(reset, 1000)),
        (b"x-ratelimit-reset-after", b"%d.%03d" % divmod(left, 1000)),
        (b"x-ratelimit-bucket", bucket.encode()),
        (b"x-ratelimit-scope", b"user"),
    ]
