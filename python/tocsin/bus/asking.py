"""Asking: questions to Redis over a connection of their own, by redis-py; events go through the core, not through this.

redis-py is imported by who builds an `Asking`, not with this module: that takes 65 ms, and not every node has a Redis.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript

TIMEOUT_S = 0.5
"""Of connecting, and of each answer."""
PAUSE_S = 1.0
"""After a failure nobody asks for so long."""

_NAMES = {"pass": "password", "user": "username"}

log = structlog.get_logger("tocsin.bus")


def client_url(url: str) -> str:
    """Return the `bus` setting as redis-py spells it: `redis+unix` is `unix`, and its query's names are longer."""
    parts = urlsplit(url)
    if parts.scheme != "redis+unix":
        return url
    query = urlencode([(_NAMES.get(name, name), value) for name, value in parse_qsl(parts.query)])
    return f"unix://{parts.path}" + (f"?{query}" if query else "")


class Asking:
    """Runs scripts, one at a time; while Redis is away it says so at once.

    Args:
        url: of Redis, as the `bus` setting has it.
        what: is not shared while it is away; for the log.
    """

    def __init__(self, url: str, what: str) -> None:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        self._scripts: dict[str, AsyncScript] = {}
        self._redis = Redis.from_url(
            client_url(url),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # a question may have been counted, though its answer was lost
            protocol=2,
        )
        self._failures = (OSError, RedisError)
        self._what = what
        self._turn = asyncio.Lock()
        self._not_before = 0.0

    async def run(self, script: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> object:
        """Return what a Lua script answers; None while Redis is away."""
        async with self._turn:
            if time.monotonic() < self._not_before:
                return None
            try:
                known = self._scripts.get(script)
                if known is None:
                    known = self._scripts[script] = self._redis.register_script(script)
                return await known(keys=keys, args=args)
            except self._failures as error:
                log.warning("not shared", what=self._what, why=str(error))
                self._not_before = time.monotonic() + PAUSE_S
                return None

    async def stop(self) -> None:
        """End the connection."""
        async with self._turn:
            self._not_before = float("inf")
            await self._redis.aclose()
