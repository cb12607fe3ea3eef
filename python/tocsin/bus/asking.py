"""Asking: questions to Redis over a connection of their own, by redis-py; events go through the core, not through this.

redis-py is imported by who builds an `Asking`, not with this module: that takes 65 ms, and not every node has a Redis.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

TIMEOUT_S = 0.5
"""Of connecting, and of each answer."""
PAUSE_S = 1.0
"""After a failure nobody asks for so long."""
HOPS = 3
"""Members of a cluster that one question may be sent to, each by the one before."""

_NAMES = {"pass": "password", "user": "username"}

log = structlog.get_logger("tocsin.bus")


def client_url(url: str) -> str:
    """Return the `bus` setting as redis-py spells it: `redis+unix` is `unix`, and its query's names are longer."""
    parts = urlsplit(url)
    if parts.scheme != "redis+unix":
        return url
    query = urlencode([(_NAMES.get(name, name), value) for name, value in parse_qsl(parts.query)])
    return f"unix://{parts.path}" + (f"?{query}" if query else "")


def member_url(url: str, host: str, port: int) -> str:
    """Return the URL of another member of the cluster that `url`, as redis-py spells it, is one of."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    name = f"[{host}]" if ":" in host else host or parts.hostname or "127.0.0.1"
    # A cluster has no numbered databases.
    return urlunsplit(("redis", f"{user}{at}{name}:{port}", "", parts.query, ""))


class Asking:
    """Runs scripts, one at a time; while Redis is away it says so at once.

    Of a Redis Cluster it asks the master that has the keys. It learns of others as they send it on, and begins with one
    of those when the one that it asked before is away.

    Args:
        url: of Redis, or of any member of a cluster, as the `bus` setting has it.
        what: is not shared while it is away; for the log.
    """

    def __init__(self, url: str, what: str) -> None:
        from redis.exceptions import MovedError, RedisError

        self._scripts: dict[str, AsyncScript] = {}
        self._links: dict[str, Redis] = {}
        self._homes: dict[int, str] = {}
        """By slot, the URL of its master; those that the first one sent elsewhere."""
        self._members = deque([client_url(url)])
        """The first one is asked where a slot's keys are."""
        self._failures = (OSError, RedisError)
        self._moved = MovedError
        self._what = what
        self._turn = asyncio.Lock()
        self._not_before = 0.0

    async def run(self, script: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> object:
        """Return what a Lua script answers; None while Redis is away.

        `keys`: one at least, and all of one hash tag, as are those that the script makes for itself.
        """
        async with self._turn:
            if time.monotonic() < self._not_before:
                return None
            try:
                return await self._run(script, keys, args)
            except self._failures as error:
                log.warning("not shared", what=self._what, why=str(error))
                self._not_before = time.monotonic() + PAUSE_S
                self._homes.clear()
                self._members.rotate(-1)
                return None

    async def _run(self, script: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> object:
        from redis.crc import key_slot

        slot = key_slot(keys[0].encode())
        home = self._homes.get(slot, self._members[0])
        for _ in range(HOPS - 1):
            try:
                return await self._ask(home, script, keys, args)
            except self._moved as moved:
                # Nothing was done.
                home = self._homes[slot] = member_url(home, moved.host, moved.port)
                if home not in self._members:
                    self._members.append(home)
        return await self._ask(home, script, keys, args)

    async def _ask(self, home: str, script: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> object:
        link = self._links.get(home)
        if link is None:
            link = self._links[home] = _link_to(home)
        known = self._scripts.get(script)
        if known is None:
            known = self._scripts[script] = link.register_script(script)
        return await known(keys=keys, args=args, client=link)

    async def stop(self) -> None:
        """End the connections."""
        async with self._turn:
            self._not_before = float("inf")
            for link in self._links.values():
                await link.aclose()


def _link_to(url: str) -> Redis:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # a question may have been counted, though its answer was lost
        protocol=2,
    )
