"""GroupIcons: the pictures of group DMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.errors import unknown
from tocsin.service.pictures import Pictures

if TYPE_CHECKING:
    from tocsin.service.context import Context


class GroupIcons(Pictures):
    """Pictures, served while a group has them."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "groupicons")

    async def image(self, channel_id: int, name: str) -> bytes:
        """Return the icon that a group has. Raises `errors.NotFound` (10003) for every other name."""
        channel = await self._context.world.channel(channel_id)
        data = await self.given(None if channel is None or channel.guild_id else channel.icon, name)
        if data is None:
            raise unknown("channel")
        return data
