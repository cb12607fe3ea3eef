"""TemporaryMembers: who came by a temporary invite goes with their last session, unless they were given a role."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tocsin.errors import Conflict
from tocsin.model.entities import TemporaryMember
from tocsin.service import guild_events
from tocsin.store import rows
from tocsin.store.base import Select

if TYPE_CHECKING:
    from tocsin.service.context import Context


class TemporaryMembers:
    """Removes members whose time is over. `has_session` tells who is connected; the gateway sets it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.has_session: Callable[[int], bool] = lambda user_id: False

    async def disconnected(self, user_id: int) -> None:
        """Remove a user without sessions from the guilds where they were for a time."""
        await self._end(Select(entity=TemporaryMember, table="temporary_members", where={"user_id": user_id}))

    async def sweep(self) -> None:
        """Do the same for everybody: after a start, for those who did not come back."""
        await self._end(Select(entity=TemporaryMember, table="temporary_members", where={}, above={"user_id": 0}))

    async def _end(self, wanted: Select[TemporaryMember]) -> None:
        for each in await self._context.store.find(wanted):
            async with self._context.locks.hold(("guild", each.guild_id)):
                await self._end_one(each.guild_id, each.user_id)

    async def _end_one(self, guild_id: int, user_id: int) -> None:
        world = self._context.world
        member, user = await world.member(guild_id, user_id), await world.user(user_id)
        if member is None or user is None or member.roles or self.has_session(user_id):
            return
        try:
            await self._context.store.commit(
                rows.member_delete_ops(guild_id, user_id), [guild_events.member_remove(guild_id, user)]
            )
        except Conflict:
            return  # another node was first
