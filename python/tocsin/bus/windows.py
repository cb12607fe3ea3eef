"""RedisWindows: what each process counted in open windows of rate limits, side by side in Redis (ADR 0023).

A window is a hash with a time to live, its fields are the processes: to tell a count again, or to another Redis after
the first was lost, changes nothing. The window's end is when the hash expires, by Redis' clock alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from tocsin.bus.asking import Asking
from tocsin.model.windows import Answer, Report

_TELL = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for at, report in ipairs(cmsgpack.unpack(ARGV[3])) do
  local key, own, window, age, known = ARGV[1] .. report[1], report[2], report[3], report[4], report[5]
  local ends, total = redis.call('PEXPIRETIME', key), 0
  if ends < 0 then
    ends = known > 0 and known or now - age + window
    if ends > now then
      redis.call('HSET', key, ARGV[2], own)
      redis.call('PEXPIREAT', key, ends)
    else
      ends = 0
    end
  elseif known == 0 or known == ends then
    redis.call('HSET', key, ARGV[2], own)
  end
  if ends > 0 then
    for _, count in ipairs(redis.call('HVALS', key)) do total = total + count end
  end
  answers[at] = {total, ends > 0 and ends - now or 0, ends}
end
return cmsgpack.pack(answers)
"""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Answer]).decode


class RedisWindows:
    """Implements `service.windows.Others`. It connects when it is first told something.

    Args:
        url: of Redis, or of a member of its cluster.
        prefix: what its keys begin with.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._asking = Asking(url, "rate limits")
        self._prefix = f"{{{prefix}:windows}}:"
        self._name = secrets.token_hex(4)  # of this process's life: another begins to count at 0
        self.stop = self._asking.stop

    async def tell(self, reports: Sequence[Report]) -> Sequence[Answer] | None:
        """Tell what was counted here, and return what is known of each window; None while Redis is away."""
        answer = await self._asking.run(_TELL, (self._prefix,), (self._prefix, self._name, _encode(reports)))
        return _decode(answer) if isinstance(answer, bytes) else None
