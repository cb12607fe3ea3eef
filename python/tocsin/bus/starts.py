"""RedisStarts: how many sessions bots have started, counted over all nodes in Redis: one call per identify of a bot.

Keys with a time to live, a day's and an identify window's; a Redis that lost them begins to count anew.
"""

from __future__ import annotations

from tocsin.bus.asking import Asking

_TAKE = """
local used, total, wide = tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1]), tonumber(ARGV[2])
if total > 0 and used >= total then return 0 end
if wide > 0 and tonumber(redis.call('GET', KEYS[2]) or '0') >= wide then return 0 end
if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
if tonumber(ARGV[4]) > 0 and redis.call('INCR', KEYS[2]) == 1 then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
return 1
"""
_USED = "return {tonumber(redis.call('GET', KEYS[1]) or '0'), redis.call('PTTL', KEYS[1])}"


class RedisStarts:
    """Implements `service.session_starts.SharedStarts`. It connects when it is first asked.

    Args:
        url: of Redis, or of a member of its cluster.
        prefix: what its keys begin with.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._asking = Asking(url, "session starts")
        self._prefix = prefix
        self.stop = self._asking.stop

    async def take(self, user_id: int, *, total: int, concurrency: int, day_ms: int, window_ms: int) -> bool | None:
        """Count a start unless a limit (0 for none) is used up; return whether it was, or None while Redis is away."""
        keys = (self._key(user_id, "day"), self._key(user_id, "window"))
        answer = await self._asking.run(_TAKE, keys, (total, concurrency, day_ms, window_ms))
        return None if answer is None else answer == 1

    async def used(self, user_id: int) -> tuple[int, int] | None:
        """Return the starts of the day and for how many ms it goes on; None while Redis is away."""
        match await self._asking.run(_USED, (self._key(user_id, "day"),), ()):
            case [int(used), int(left_ms)]:
                return used, max(left_ms, 0)
        return None

    def _key(self, user_id: int, what: str) -> str:
        return f"{{{self._prefix}:starts:{user_id}}}:{what}"
