"""TypingService: who is typing where. Ephemeral: never stored, and may be dropped."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from tocsin.model import wire
from tocsin.service import events
from tocsin.service.auth import Principal
from tocsin.service.messages import SEND

if TYPE_CHECKING:
    from tocsin.service.context import Context


class TypingService:
    """Sends TYPING_START, at most once per user, channel and `typing_throttle_ms`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # In order of time, so that the front is what may be forgotten.
        self._last: OrderedDict[tuple[int, int], int] = OrderedDict()

    async def start(self, actor: Principal, channel_id: int) -> None:
        """Tell those who may view the channel that the actor types there.

        Raises:
            errors.ApiError: 10003, 50001, 50008, 50013.
        """
        context = self._context
        access = await context.world.require(channel_id, actor.id, SEND)
        access.need_text()
        now = context.clock()
        if not self._may_pass((actor.id, channel_id), now):
            return
        member = None if access.member is None else wire.member(access.member, actor.user)
        context.bus.publish_ephemeral(events.typing_start(access.channel, actor.id, now, member))

    def _may_pass(self, key: tuple[int, int], now: int) -> bool:
        throttle = self._context.settings.typing_throttle_ms
        while self._last:
            oldest = next(iter(self._last))
            if self._last[oldest] + throttle > now:
                break
            del self._last[oldest]
        if 0 <= now - self._last.get(key, now - throttle) < throttle:
            return False
        self._last[key] = now
        self._last.move_to_end(key)
        return True
