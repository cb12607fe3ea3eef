"""PruneService: members who have not been about for days leave a guild together (protocol.md §8.7).

Nobody's last visit is kept here, as it is at Discord. Inactive is who joined before, has written nothing in the guild
since, and has no session on this node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from tocsin.errors import unknown
from tocsin.model.audit import AuditAction
from tocsin.model.entities import User
from tocsin.model.event import Event
from tocsin.model.permissions import Permission
from tocsin.model.snowflake import snowflake_at
from tocsin.service import guild_events
from tocsin.service.audit import note
from tocsin.service.auth import Principal
from tocsin.service.hierarchy import is_above
from tocsin.service.world import GuildAccess
from tocsin.store import rows
from tocsin.store.base import Op, Select, ThreadQuery

if TYPE_CHECKING:
    from tocsin.service.context import Context

MIN_DAYS, DAYS, MAX_DAYS = 1, 7, 30
_DAY_MS = 86_400_000
_PAGE = 1000
_PRUNES = int(Permission.MANAGE_GUILD | Permission.KICK_MEMBERS)


class _Writer(msgspec.Struct, frozen=True):
    author_id: int


class PruneService:
    """Counts and removes inactive members. `has_session` says who is connected; the gateway sets it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world
        self.has_session: Callable[[int], bool] = lambda user_id: False

    async def count(self, actor: Principal, guild_id: int, days: int, include_roles: Sequence[int] = ()) -> int:
        """Return how many members `prune` would remove. Raises as `prune`."""
        access = await self._world.require_guild(guild_id, actor.id, _PRUNES)
        return len(await self._inactive(access, days, include_roles))

    async def prune(self, actor: Principal, guild_id: int, days: int, include_roles: Sequence[int] = ()) -> int:
        """Remove members who were inactive for `days` in one commit; return how many.

        Members with a role are spared, unless all their roles are in `include_roles`; so are bots, and who stands not
        below the actor.

        Raises:
            errors.NotFound: 10004, or 10011 for a role of `include_roles`.
            errors.Forbidden: 50001, or 50013 without MANAGE_GUILD and KICK_MEMBERS.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require_guild(guild_id, actor.id, _PRUNES)
            users = await self._inactive(access, days, include_roles)
            if users:
                ops: list[Op] = [op for user in users for op in rows.member_delete_ops(guild_id, user.id)]
                told: list[Event] = [guild_events.member_remove(guild_id, user) for user in users]
                note(AuditAction.MEMBER_PRUNE, None, delete_member_days=str(days), members_removed=str(len(users)))
                await self._store.commit(ops, told)
            return len(users)

    async def _inactive(self, access: GuildAccess, days: int, include_roles: Sequence[int]) -> list[User]:
        state, included = access.guild, set(include_roles)
        if included - state.roles.keys():
            raise unknown("role")
        since = self._context.clock() - days * _DAY_MS
        found: dict[int, User] = {}
        after, more = 0, True
        while more:
            page = await self._store.members(state.guild.id, after=after, limit=_PAGE)
            more = len(page) == _PAGE
            after = page[-1][0].user_id if page else 0
            for member, user in page:
                if (
                    member.joined_at < since
                    and not user.bot
                    and included.issuperset(member.roles)
                    and is_above(state, access.member, member)
                    and not self.has_session(user.id)
                ):
                    found[user.id] = user
        for writer in await self._writers(access, list(found), since):
            found.pop(writer, None)
        return list(found.values())

    async def _writers(self, access: GuildAccess, user_ids: list[int], since_ms: int) -> set[int]:
        """Return who of the users wrote in the guild since then."""
        if not user_ids:
            return set()
        threads = await self._store.threads(ThreadQuery(guild_id=access.guild.guild.id))
        places = [*access.guild.channels, *(thread.id for thread in threads)]
        where = {"channel_id": places, "author_id": user_ids}
        above = {"id": snowflake_at(since_ms)}
        wrote = await self._store.find(Select(entity=_Writer, table="messages", where=where, above=above))
        return {each.author_id for each in wrote}
