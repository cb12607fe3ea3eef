"""BanService: who may not be in a guild (protocol.md §8.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tocsin.errors import BadRequest, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.entities import Ban, Member, User
from tocsin.model.event import Event
from tocsin.model.permissions import Permission
from tocsin.model.snowflake import snowflake_at
from tocsin.service import events, guild_events
from tocsin.service.auth import Principal
from tocsin.service.hierarchy import is_above, need_above_member
from tocsin.service.thread_members import ThreadMemberService
from tocsin.service.world import GuildAccess
from tocsin.store import rows
from tocsin.store.base import Delete, Op

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_PURGE_SECONDS = 604_800
BULK_IDS = 100
"""The most ids that one MESSAGE_DELETE_BULK carries."""

MAX_BULK = 200
"""The most users that one bulk ban names."""

_BAN = int(Permission.BAN_MEMBERS)
_BULK = int(Permission.BAN_MEMBERS | Permission.MANAGE_GUILD)
Body = dict[str, Any]


class BanService:
    """Lists, makes and lifts bans."""

    def __init__(self, context: Context, thread_members: ThreadMemberService) -> None:
        self._context = context
        self._thread_members = thread_members
        self._store = context.store
        self._world = context.world

    async def list_of(
        self, actor: Principal, guild_id: int, *, after: int = 0, before: int = 0, limit: int = 1000
    ) -> list[Body]:
        """Return a page of bans by rising user id."""
        await self._banner(actor, guild_id)
        page = await self._store.bans(guild_id, after=after, before=before, limit=limit)
        return [render(ban, user) for ban, user in page]

    async def get(self, actor: Principal, guild_id: int, user_id: int) -> Body:
        """Return one ban. Raises `errors.NotFound` (10026)."""
        await self._banner(actor, guild_id)
        ban = await self._store.ban(guild_id, user_id)
        user = await self._world.user(user_id)
        if ban is None or user is None:
            raise unknown("ban")
        return render(ban, user)

    async def ban(
        self, actor: Principal, guild_id: int, user_id: int, *, purge_seconds: int = 0, reason: str | None = None
    ) -> None:
        """Ban a user, member or not, and delete what they wrote in the last `purge_seconds`.

        A user who is banned already stays so, without an event.

        Raises:
            errors.NotFound: 10013.
            errors.MissingPermissions: 50013, no BAN_MEMBERS, or the user stands not below the actor.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._banner(actor, guild_id)
            user = await self._world.user(user_id)
            if user is None:
                raise unknown("user")
            if user_id == actor.id:
                raise MissingPermissions
            member = await self._world.member(guild_id, user_id)
            if member is not None:
                need_above_member(access.guild, access.member, member)
            ops: list[Op] = []
            told: list[Event] = []
            known = await self._store.ban(guild_id, user_id)
            ban = None if known is not None else Ban(guild_id=guild_id, user_id=user_id, reason=reason)
            await self._put_out(access, user, member, ban, purge_seconds, ops, told)
            if ops:
                await self._store.commit(ops, told)

    async def ban_many(
        self,
        actor: Principal,
        guild_id: int,
        user_ids: Sequence[int],
        *,
        purge_seconds: int = 0,
        reason: str | None = None,
    ) -> Body:
        """Ban all that can be banned in one commit; return who was, and who was not.

        Not banned are the unknown, the already banned, the actor, and who stands not below the actor.

        Raises:
            errors.MissingPermissions: 50013, no BAN_MEMBERS or no MANAGE_GUILD.
            errors.BadRequest: 500000, none could be banned.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require_guild(guild_id, actor.id, _BULK)
            ops: list[Op] = []
            told: list[Event] = []
            banned: list[int] = []
            wanted = list(dict.fromkeys(user_ids))
            users = await self._world.users(wanted)
            for user_id in wanted:
                member = await self._world.member(guild_id, user_id)
                refused = user_id == actor.id or (
                    member is not None and not is_above(access.guild, access.member, member)
                )
                if user_id not in users or refused or await self._store.ban(guild_id, user_id) is not None:
                    continue
                ban = Ban(guild_id=guild_id, user_id=user_id, reason=reason)
                await self._put_out(access, users[user_id], member, ban, purge_seconds, ops, told)
                banned.append(user_id)
            if not banned:
                raise BadRequest(500000, "Failed to ban users")
            await self._store.commit(ops, told)
        failed = [str(user_id) for user_id in wanted if user_id not in banned]
        return {"banned_users": [str(user_id) for user_id in banned], "failed_users": failed}

    async def unban(self, actor: Principal, guild_id: int, user_id: int) -> None:
        """Lift a ban. Raises `errors.NotFound` (10026)."""
        async with self._context.locks.hold(("guild", guild_id)):
            await self._banner(actor, guild_id)
            user = await self._world.user(user_id)
            if user is None or await self._store.ban(guild_id, user_id) is None:
                raise unknown("ban")
            op = Delete("bans", {"guild_id": guild_id, "user_id": user_id})
            await self._store.commit([op], [guild_events.ban_remove(guild_id, user)])

    async def _put_out(
        self,
        access: GuildAccess,
        user: User,
        member: Member | None,
        ban: Ban | None,
        purge_seconds: int,
        ops: list[Op],
        told: list[Event],
    ) -> None:
        """Add a user's ban, unless they are banned already, the end of their membership, and of what they wrote."""
        guild_id = access.guild.guild.id
        if ban is not None:
            ops += rows.ban_ops(ban)
            told.append(guild_events.ban_add(guild_id, user))
        if member is not None:
            ops += rows.member_delete_ops(guild_id, user.id)
            told.append(guild_events.member_remove(guild_id, user))
        if purge_seconds:
            await self._purge(access, user.id, purge_seconds, ops, told)

    async def _purge(self, access: GuildAccess, user_id: int, seconds: int, ops: list[Op], told: list[Event]) -> None:
        """Add what deletes the user's latest messages in the guild to `ops` and `told`."""
        since = snowflake_at(self._context.clock() - min(seconds, MAX_PURGE_SECONDS) * 1000)
        by_channel: dict[int, list[int]] = {}
        for channel_id, message_id in await self._store.messages_by_author(access.guild.guild.id, user_id, since):
            by_channel.setdefault(channel_id, []).append(message_id)
        for channel_id, ids in by_channel.items():
            channel = await self._world.channel(channel_id)
            for start in range(0, len(ids), BULK_IDS):
                chunk = ids[start : start + BULK_IDS]
                ops += rows.message_delete_ops(channel_id, chunk, channel)
                if channel is not None:
                    told.append(await self._thread_members.told_of(channel, events.message_delete_bulk(channel, chunk)))

    async def _banner(self, actor: Principal, guild_id: int) -> GuildAccess:
        return await self._world.require_guild(guild_id, actor.id, _BAN)


def render(ban: Ban, user: User) -> Body:
    """Render a ban."""
    return {"reason": ban.reason, "user": wire.user(user)}
