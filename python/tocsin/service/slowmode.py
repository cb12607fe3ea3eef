"""Slowmode: a channel's wait between two messages of one person (protocol.md §8.2). Kept in memory, per node."""

from __future__ import annotations

from collections import OrderedDict

from tocsin.errors import RateLimited
from tocsin.model.entities import Channel
from tocsin.model.permissions import Permission

MAX_WAITS = 65536
_BYPASS = int(Permission.BYPASS_SLOWMODE)


class Slowmode:
    """When each person may next speak in each slow channel; beyond `MAX_WAITS` the oldest are let off."""

    def __init__(self) -> None:
        self._sent: OrderedDict[tuple[int, int], int] = OrderedDict()

    def check(self, channel: Channel, user_id: int, is_bot: bool, permissions: int, now_ms: int) -> None:
        """Raise `RateLimited` (429 with code 20016) while the user has to wait. Bots need not."""
        if not applies(channel, is_bot, permissions):
            return
        wait_ms = channel.rate_limit_per_user * 1000
        since = now_ms - self._sent.get((channel.id, user_id), now_ms - wait_ms)
        if 0 <= since < wait_ms:
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
