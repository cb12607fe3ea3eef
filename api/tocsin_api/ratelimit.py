"""Rate limits: windows per identity, route group and major parameter, and their headers (protocol.md §8.2).

`Windows` is pure: time is passed in. It holds the keys of unexpired windows, and at most as many that ended.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, NamedTuple

from tocsin.config import Settings
from tocsin.model.windows import Window
from tocsin.service.windows import SharedWindows

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
_KEY_MAX = 80
"""Characters of a window's key in Redis; a major parameter is whatever stands in a path."""


class Verdict(NamedTuple):
    """What a window says of one request. `retry_after_ms` is 0 when it may pass."""

    limit: int
    remaining: int
    reset_ms: int
    retry_after_ms: int


class Windows:
    """Counters that start with the first request of a key and end `window_ms` later.

    Where they are `shared` others count too, and a window ends for all when it does in Redis (ADR 0023).
    """

    def __init__(self, limit: int, window_ms: int, name: str = "", shared: SharedWindows | None = None) -> None:
        self.limit = limit
        self.window_ms = window_ms
        self._name = name
        self._shared = shared
        # In order of their start, which is about the order of their end: the front is what may be forgotten.
        self._open: OrderedDict[Hashable, Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def hit(self, key: Hashable, now_ms: int) -> Verdict:
        """Count one request of `key`. A refused one does not count."""
        self._sweep(now_ms)
        window = self._open.get(key)
        if window is None or not window.start_ms <= now_ms < window.end_ms:
            self._open.pop(key, None)
            window = self._open[key] = Window(self._text(key), now_ms, now_ms + self.window_ms)
        count = window.own + window.others
        if count >= self.limit:
            return Verdict(self.limit, 0, window.end_ms, max(1, window.end_ms - now_ms))
        window.own += 1
        if self._shared is not None and not window.due:
            self._shared.note(window)
        return Verdict(self.limit, self.limit - count - 1, window.end_ms, 0)

    def _text(self, key: Hashable) -> str:
        """Return what a window is called among processes."""
        if self._shared is None:
            return ""
        text = ":".join(map(str, (self._name, *key) if isinstance(key, tuple) else (self._name, key)))
        return text if len(text) <= _KEY_MAX else f"{self._name}:{hashlib.sha256(text.encode()).hexdigest()}"

    def _sweep(self, now_ms: int) -> None:
        while self._open:
            key = next(iter(self._open))
            if self._open[key].end_ms > now_ms:
                return
            del self._open[key]


class RateLimits:
    """All windows of a process's API. A setting of 0 switches its limit off; without a global limit no group has one.

    Args:
        settings: hold the limits.
        shared: where other processes count too.
    """

    def __init__(self, settings: Settings, shared: SharedWindows | None = None) -> None:
        self._settings = settings
        self._shared = shared
        limit = settings.global_rate_limit
        self._global = Windows(limit, GLOBAL_WINDOW_MS, "global", shared) if limit else None
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
        elif settings.global_rate_limit:
            limit, window_ms = _KNOWN.get(group, _DEFAULT)
        else:
            return None
        return Windows(limit, window_ms, self.bucket(group)[:16], self._shared) if limit else None


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
