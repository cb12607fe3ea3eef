"""RedisStarts: how many sessions bots have started, counted over all nodes in Redis: one call per identify of a bot.

Keys with a time to live, a day's and an identify window's; a Redis that lost them begins to count anew.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from tocsin.bus.resp import Resp, RespError

TIMEOUT_S = 0.5
PAUSE_S = 1.0
"""After a failure nobody asks for so long, and each node counts by itself."""

_TAKE = """
local used, total, wide = tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1]), tonumber(ARGV[2])
if total > 0 and used >= total then return 0 end
if wide > 0 and tonumber(redis.call('GET', KEYS[2]) or '0') >= wide then return 0 end
if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
if tonumber(ARGV[4]) > 0 and redis.call('INCR', KEYS[2]) == 1 then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
return 1
"""

log = structlog.get_logger("tocsin.bus")


class RedisStarts:
    """Implements `service.session_starts.SharedStarts`. It connects when it is first asked.

    Args:
        url: of Redis.
        prefix: what its keys begin with.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix
        self._redis: Resp | None = None
        self._turn = asyncio.Lock()
        self._not_before = 0.0

    async def take(self, user_id: int, *, total: int, concurrency: int, day_ms: int, window_ms: int) -> bool | None:
        """Count a start unless a limit (0 for none) is used up; return whether it was, or None while Redis is away."""
        numbers = (str(each) for each in (total, concurrency, day_ms, window_ms))
        answer = await self._ask("EVAL", _TAKE, "2", self._key(user_id, "day"), self._key(user_id, "window"), *numbers)
        return None if answer is None else answer == 1

    async def used(self, user_id: int) -> tuple[int, int] | None:
        """Return the starts of the day and for how many ms it goes on; None while Redis is away."""
        script = "return {tonumber(redis.call('GET', KEYS[1]) or '0'), redis.call('PTTL', KEYS[1])}"
        match await self._ask("EVAL", script, "1", self._key(user_id, "day")):
            case [int(used), int(left_ms)]:
                return used, max(left_ms, 0)
        return None

    async def stop(self) -> None:
        """End the connection."""
        async with self._turn:
            self._not_before = float("inf")
            self._close()

    def _key(self, user_id: int, what: str) -> str:
        return f"{{{self._prefix}:starts:{user_id}}}:{what}"

    async def _ask(self, *words: str) -> object:
        async with self._turn:
            if time.monotonic() < self._not_before:
                return None
            try:
                return await asyncio.to_thread(self._ask_now, words)
            except (OSError, RespError) as error:
                log.warning("session starts not shared", why=str(error))
                self._close()
                self._not_before = time.monotonic() + PAUSE_S
                return None

    def _ask_now(self, words: tuple[str, ...]) -> object:
        if self._redis is None:
            self._redis = Resp(self._url, TIMEOUT_S)
        return self._redis.ask(*words)

    def _close(self) -> None:
        if self._redis is not None:
            self._redis.close()
            self._redis = None
