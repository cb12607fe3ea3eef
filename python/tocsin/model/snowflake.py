"""Snowflake: 64-bit ids that carry their time, and the factory that never repeats one or goes back (protocol.md §6)."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

EPOCH_MS = 1_420_070_400_000
"""2015-01-01T00:00:00Z, in Unix milliseconds."""

MAX_SNOWFLAKE = (1 << 63) - 1
_NODE_BITS = 10
_SEQUENCE_BITS = 12
_SEQUENCE_MASK = (1 << _SEQUENCE_BITS) - 1


def snowflake_ms(snowflake: int) -> int:
    """Return the Unix milliseconds at which the id was made."""
    return (snowflake >> 22) + EPOCH_MS


def snowflake_at(ms: int) -> int:
    """Return the lowest id of a moment in Unix milliseconds."""
    return max(ms - EPOCH_MS, 0) << 22


class SnowflakeFactory:
    """Makes ids for one node. Safe to share between threads.

    Time never runs back: when the clock does, or 4,096 ids were made in one millisecond, the factory's own
    milliseconds go on from the last id.

    Args:
        node_number: 0-1023, unique among the nodes of a cluster; fills the worker and process bits.
        clock: gives Unix milliseconds.
        floor: the highest id known to exist; every new id is greater.
    """

    def __init__(self, node_number: int, clock: Callable[[], int], floor: int = 0) -> None:
        if not 0 <= node_number < 1 << _NODE_BITS:
            raise ValueError(f"node_number must be within 0 and 1023, not {node_number}")
        self._node = node_number << _SEQUENCE_BITS
        self._clock = clock
        self._lock = Lock()
        self._tick = floor >> 22
        self._sequence = _SEQUENCE_MASK if floor else -1

    def next(self) -> int:
        """Return a new id, greater than every id this factory has made."""
        now = self._clock() - EPOCH_MS
        with self._lock:
            if now > self._tick:
                self._tick, self._sequence = now, 0
            elif self._sequence < _SEQUENCE_MASK:
                self._sequence += 1
            else:
                self._tick, self._sequence = self._tick + 1, 0
            return self._tick << 22 | self._node | self._sequence
