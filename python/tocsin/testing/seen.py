"""Seen: what one person's session was told, and the waiting for more. Lives on the portal's loop alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

Payload = dict[str, Any]
TIMEOUT_S = 5.0
SHOWN = 25
"""How many of the latest events a failure lists."""


class NotSeen(AssertionError):
    """What was waited for did not come; the message lists what came instead."""


def matches(value: Any, wanted: Any) -> bool:
    """Return whether a value is as wanted: by a callable, by the keys of a mapping, else by equality (ids as text)."""
    if callable(wanted):
        return bool(wanted(value))
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and all(matches(value.get(key), each) for key, each in wanted.items())
    return bool(value == wanted) or (isinstance(wanted, int) and value == str(wanted))


def _brief(d: Any, fields: Mapping[str, Any]) -> str:
    """Return the start of a payload, with what was asked of it first."""
    if not isinstance(d, Mapping):  # SESSIONS_REPLACE's is an array
        return str(d)[:300]
    asked = {key: d[key] for key in fields if key in d}
    return str(asked | {key: value for key, value in d.items() if key not in asked})[:300]


class Seen:
    """Events in the order they came. Each answers one wait only."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._events: list[tuple[str, Payload]] = []
        self._taken: set[int] = set()
        self._waiting: list[tuple[int, Callable[[str, Payload], bool], asyncio.Future[Payload]]] = []
        self._ended: str | None = None

    def __len__(self) -> int:
        return len(self._events)

    def add(self, name: str, d: Payload) -> None:
        """Take in an event, and give it to the first who waits for it."""
        at = len(self._events)
        self._events.append((name, d))
        for index, (since, wanted, future) in enumerate(self._waiting):
            if not future.done() and since <= at and wanted(name, d):
                self._taken.add(at)
                del self._waiting[index]
                future.set_result(d)
                return

    def end(self, why: str) -> None:
        """No more will come; whoever waits is told why."""
        self._ended = why
        for _, _, future in self._waiting:
            if not future.done():
                future.set_exception(NotSeen(f"{self._who}'s session ended: {why}"))
        self._waiting.clear()

    def begin(self) -> None:
        """More will come again."""
        self._ended = None

    def find(self, name: str, fields: Mapping[str, Any], since: int = 0) -> Payload | None:
        """Take the first event that no wait has had yet, or None."""
        for at in range(since, len(self._events)):
            found, d = self._events[at]
            if at not in self._taken and found == name and matches(d, fields):
                self._taken.add(at)
                return d
        return None

    async def wait(self, name: str, fields: Mapping[str, Any], timeout_s: float, since: int = 0) -> Payload:
        """Return the `d` of an event, of those that came or of one to come.

        Raises:
            NotSeen: it did not come in time, or the session ended.
        """
        d = self.find(name, fields, since)
        if d is not None:
            return d
        if self._ended is not None:
            raise NotSeen(f"{self._who}'s session ended: {self._ended}; {self._story(name, fields)}")
        future: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._waiting.append((since, lambda found, d: found == name and matches(d, fields), future))
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise NotSeen(f"within {timeout_s:g} s {self._who} {self._story(name, fields)}") from None
        finally:
            self._waiting[:] = [each for each in self._waiting if each[2] is not future]

    def _story(self, name: str, fields: Mapping[str, Any]) -> str:
        wanted = name + (f" with {dict(fields)}" if fields else "")
        lines = [
            f"  {'(had) ' if at in self._taken else ''}{found} {_brief(d, fields)}"
            for at, (found, d) in enumerate(self._events)
        ]
        left = f"  ({len(lines) - SHOWN} earlier ones)\n" if len(lines) > SHOWN else ""
        return f"saw no {wanted}; what came:\n{left}" + ("\n".join(lines[-SHOWN:]) or "  nothing")
