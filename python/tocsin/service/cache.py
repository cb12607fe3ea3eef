"""ReadThrough: a bounded cache over an async read, exact under invalidation.

Invariant: a value that was read before a `drop` of its key is never kept nor handed out after it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ReadThrough(Generic[K, V]):
    """Least-recently-used values by key; `load(key)` fills it, one flight per key.

    None is never kept: an unknown key is asked for again, so a creation needs no invalidation.
    """

    def __init__(self, limit: int, load: Callable[[K], Awaitable[V | None]]) -> None:
        self._limit = limit
        self._load = load
        self._items: OrderedDict[K, V] = OrderedDict()
        self._flights: dict[K, asyncio.Task[V | None]] = {}
        self._dirty: set[K] = set()

    def __len__(self) -> int:
        return len(self._items)

    def peek(self, key: K) -> V | None:
        """Return the value if it is at hand, without a read."""
        value = self._items.get(key)
        if value is not None:
            self._items.move_to_end(key)
        return value

    async def get(self, key: K) -> V | None:
        """Return the value, reading it if it is not at hand."""
        value = self.peek(key)
        if value is not None:
            return value
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._fly(key))
            flight.add_done_callback(_retrieve)
            self._flights[key] = flight
        return await asyncio.shield(flight)

    def put(self, key: K, value: V) -> None:
        """Keep `value`, dropping the least recently used beyond the limit."""
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._limit:
            self._items.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget `key`; a read under way is made again."""
        self._items.pop(key, None)
        if key in self._flights:
            self._dirty.add(key)

    def drop_where(self, matches: Callable[[K, V | None], bool]) -> None:
        """Forget every key that `matches`; reads under way get None as their value."""
        for key in [key for key, value in self._items.items() if matches(key, value)]:
            del self._items[key]
        self._dirty.update(key for key in self._flights if matches(key, None))

    async def _fly(self, key: K) -> V | None:
        try:
            while True:
                self._dirty.discard(key)
                value = await self._load(key)
                if key not in self._dirty:
                    break
            if value is not None:
                self.put(key, value)
            return value
        finally:
            self._dirty.discard(key)
            self._flights.pop(key, None)


def _retrieve(flight: asyncio.Task[V | None]) -> None:
    """Mark the outcome as seen, so that a flight whose waiters left does not warn."""
    if not flight.cancelled():
        flight.exception()
