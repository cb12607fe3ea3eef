"""Rereading: changes of what was read before, over again when another process changed it in between.

Locks (`locks.py`) keep the changes of one process apart; this is for those of several nodes and API workers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tocsin.errors import Conflict, StoreUnavailable

ATTEMPTS = 20
"""Each time that one fails another process's change was kept."""

T = TypeVar("T")


async def reread(change: Callable[[], Awaitable[T]]) -> T:
    """Return what `change` does, which reads, then commits `store.rows.swap_ops`.

    Raises:
        errors.StoreUnavailable: it was overtaken `ATTEMPTS` times.
    """
    for _ in range(ATTEMPTS):
        try:
            return await change()
        except Conflict:
            continue
    raise StoreUnavailable("what is to be changed was changed too often meanwhile")
