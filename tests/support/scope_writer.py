"""A process that writes events of scopes which others write too: `python scope_writer.py URL COMMITS NAME`."""

from __future__ import annotations

import asyncio
import sys

from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.store.postgres import PostgresStore

SCOPES = [Scope(ScopeKind.GUILD, number) for number in (1, 2, 3)]


async def write(url: str, commits: int, name: str) -> None:
    """Commit to all three scopes at a time, in another order each time, twelve commits under way at once."""
    store = PostgresStore(url, lambda: 1, timeout_ms=30_000)
    await store.open()

    async def one(turn: int) -> None:
        body = f"{name}:{turn}".encode()
        first = turn % 3
        events = [Event(name="X", scope=scope, body=body) for scope in SCOPES[first:] + SCOPES[:first]]
        await store.commit([], events)

    for start in range(0, commits, 12):
        await asyncio.gather(*(one(turn) for turn in range(start, min(start + 12, commits))))
    await store.close()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
