"""Slowmode: a channel's wait between two messages of one person (protocol.md §8.2).

What this process let through is remembered; what others did, and this one before it was started, the store knows.
Two messages under way at once, at two processes, may both pass.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from tocsin.errors import RateLimited
from tocsin.model.entities import Channel
from tocsin.model.permissions import Permission
from tocsin.model.snowflake import snowflake_at, snowflake_ms
from tocsin.store.base import Select, Store

MAX_WAITS = 65536
_BYPASS = int(Permission.BYPASS_SLOWMODE)
_SAID = (0, 19)
"""Types of what people say, in answer to something or not; the others are notes of what they did."""


class _Said(msgspec.Struct):
    id: int


class Slowmode:
    """When each person last spoke in each slow channel; beyond `MAX_WAITS` the store is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sent: OrderedDict[tuple[int, int], int] = OrderedDict()

    async def check(self, channel: Channel, user_id: int, is_bot: bool, permissions: int, now_ms: int) -> None:
        """Raise `RateLimited` (429 with code 20016) while the user has to wait. Bots need not."""
        if not applies(channel, is_bot, permissions):
            return
        wait_ms = channel.rate_limit_per_user * 1000
        since = now_ms - self._sent.get((channel.id, user_id), now_ms - wait_ms)
        if not 0 <= since < wait_ms:
            # Of a busy channel this reads the end of an index, as far back as the wait.
            where = {"channel_id": channel.id, "author_id": user_id, "type": list(_SAID)}
            above = {"id": snowflake_at(now_ms - wait_ms + 1) - 1}
            asked = Select(entity=_Said, table="messages", where=where, above=above, order="-id", limit=1)
            said = await self._store.find_one(asked)
            if said is None:
                return
            since = max(0, now_ms - snowflake_ms(said.id))
        raise RateLimited((wait_ms - since) / 1000, code=20016)

    def note(self, channel: Channel, user_id: int, is_bot: bool, permissions: int, now_ms: int) -> None:
        """Remember that the user spoke."""
        if not applies(channel, is_bot, permissions):
            return
        self._sent[(channel.id, user_id)] = now_ms
        self._sent.move_to_end((channel.id, user_id))
        if len(self._sent) > MAX_WAITS:
            self._sent.popitem(last=False)


def applies(channel: Channel, is_bot: bool, permissions: int) -> bool:
    """Whether the channel is slow for this user."""
    return bool(channel.rate_limit_per_user) and not is_bot and not permissions & _BYPASS
