"""InviteService: codes that let people into a guild (protocol.md §8.6, §8.8)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from tocsin.errors import BadRequest, Forbidden, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.entities import ChannelType, Invite, Member, Message, TemporaryMember
from tocsin.model.event import Event
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import Permission
from tocsin.service import events, guild_events
from tocsin.service.auth import Principal
from tocsin.service.automod_profiles import ProfileRules
from tocsin.service.guilds import MAX_GUILDS, GuildService
from tocsin.service.message_view import NOTHING_MORE, for_event
from tocsin.service.world import ChannelAccess
from tocsin.store import rows
from tocsin.store.base import Delete, Op, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_INVITES = 1000
JOINED = 7
"""The type of the message that says that somebody joined."""

_ALPHABET = "23456789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
_CODE_CHARS = 10
_NO_JOIN_MESSAGES = 1
_CREATE = int(Permission.CREATE_INSTANT_INVITE)
_MANAGE_CHANNELS = int(Permission.MANAGE_CHANNELS)
_MANAGE_GUILD = int(Permission.MANAGE_GUILD)
_SEES_ALL = int(Permission.MANAGE_GUILD | Permission.VIEW_AUDIT_LOG)
Body = dict[str, Any]


class InviteService:
    """Makes, shows, lists, revokes and accepts invites."""

    def __init__(self, context: Context, guilds: GuildService, profiles: ProfileRules) -> None:
        self._context = context
        self._profiles = profiles
        self._store = context.store
        self._world = context.world
        self._guilds = guilds

    async def create(
        self,
        actor: Principal,
        channel_id: int,
        *,
        max_age: int = 86_400,
        max_uses: int = 0,
        temporary: bool = False,
        unique: bool = False,
    ) -> Body:
        """Make an invite; unless `unique`, one of the actor's that is the same and unused is given again.

        Raises:
            errors.ApiError: 10003, 50001, 50013, 50003 in a DM, 50024 for a category, 30016.
        """
        access = await self._in_guild(actor, channel_id, _CREATE)
        if access.channel.type == ChannelType.GUILD_CATEGORY:
            raise BadRequest(50024, "Cannot execute action on this channel type")
        guild_id = access.channel.guild_id
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._in_guild(actor, channel_id, _CREATE)
            every = await self._find({"guild_id": guild_id})
            living = [each for each in every if self._lives(each)]
            wanted = (channel_id, actor.id, max_age, max_uses, temporary, 0)
            if not unique:
                for each in living:
                    if (
                        each.channel_id,
                        each.user_id,
                        each.max_age,
                        each.max_uses,
                        each.temporary,
                        each.uses,
                    ) == wanted:
                        return await self._render(each, metadata=True)
            if len(living) >= MAX_INVITES:
                raise BadRequest(30016, f"Maximum number of invites reached ({MAX_INVITES})")
            invite = Invite(
                code="".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARS)),
                guild_id=guild_id,
                channel_id=channel_id,
                user_id=actor.id,
                created_at=self._context.clock(),
                max_age=max_age,
                max_uses=max_uses,
                temporary=temporary,
            )
            ops: list[Op] = list(rows.invite_ops(invite))
            if len(living) < len(every):
                ops.append(Delete("invites", {"code": [each.code for each in every if not self._lives(each)]}))
            await self._store.commit(ops, [guild_events.invite_create(invite, actor.user)])
        return await self._render(invite, metadata=True)

    async def get(self, code: str, *, with_counts: bool = False) -> Body:
        """Return an invite to whoever has its code. Raises `errors.NotFound` (10006)."""
        return await self._render(await self._invite(code), with_counts=with_counts)

    async def list_in_channel(self, actor: Principal, channel_id: int) -> list[Body]:
        """Return a channel's invites. Needs MANAGE_CHANNELS there."""
        await self._in_guild(actor, channel_id, _MANAGE_CHANNELS)
        found = await self._find({"channel_id": channel_id})
        return [await self._render(each, metadata=True) for each in found if self._lives(each)]

    async def list_in_guild(self, actor: Principal, guild_id: int) -> list[Body]:
        """Return the invites to those of a guild's channels that the actor may view.

        Raises:
            errors.MissingPermissions: 50013, neither MANAGE_GUILD nor VIEW_AUDIT_LOG.
        """
        access = await self._world.guild_access(guild_id, actor.id)
        if not access.permissions & _SEES_ALL:
            raise MissingPermissions
        channels = access.guild.channels.values()
        seen = {each.id for each in channels if access.guild.can_view(access.member, each)}
        found = await self._find({"guild_id": guild_id})
        return [
            await self._render(each, metadata=True) for each in found if self._lives(each) and each.channel_id in seen
        ]

    async def delete(self, actor: Principal, code: str) -> Body:
        """Revoke an invite; needs MANAGE_CHANNELS in its channel, or MANAGE_GUILD. Raises 10006, 50001, 50013."""
        invite = await self._invite(code)
        access = await self._world.guild_access(invite.guild_id, actor.id)
        if not access.permissions & _MANAGE_GUILD:
            await self._world.require(invite.channel_id, actor.id, _MANAGE_CHANNELS)
        body = await self._render(invite)
        await self._store.commit([Delete("invites", {"code": code})], [guild_events.invite_delete(invite)])
        return body

    async def accept(self, actor: Principal, code: str) -> Body:
        """Join the guild of an invite; a member already stays as they are. The system channel is told.

        Raises:
            errors.ApiError: 10006, 40007 for a banned user, 30001.
        """
        invite = await self._invite(code)
        async with self._context.locks.hold(("guild", invite.guild_id)):
            invite = await self._invite(code)
            state = await self._guild(invite)
            body = await self._render(invite)
            if await self._world.member(invite.guild_id, actor.id) is not None:
                return body
            if await self._store.ban(invite.guild_id, actor.id) is not None:
                raise Forbidden(40007, "The user is banned from this guild.")
            if len(await self._store.guild_ids_of(actor.id)) >= MAX_GUILDS:
                raise BadRequest(30001, f"Maximum number of guilds reached ({MAX_GUILDS})")
            member = Member(guild_id=invite.guild_id, user_id=actor.id, joined_at=self._context.clock())
            judged = await self._profiles.judge(member, actor.user)
            member = judged.member
            ops: list[Op] = list(rows.member_ops(member))
            if invite.temporary:
                ops += rows.temporary_member_ops(TemporaryMember(user_id=actor.id, guild_id=invite.guild_id))
            told = [guild_events.member_add(member, actor.user)]
            if invite.max_uses and invite.uses + 1 >= invite.max_uses:
                ops.append(Delete("invites", {"code": code}))
                told.append(guild_events.invite_delete(invite))
            else:
                ops += rows.invite_use_ops(code, invite.uses + 1)
            self._greet(state, actor, member, ops, told)
            await self._store.commit(ops, told)
            await self._profiles.act(actor.user, judged)
        return body

    def _greet(self, state: GuildState, actor: Principal, member: Member, ops: list[Op], told: list[Event]) -> None:
        """Add the message that says who joined."""
        channel = state.channels.get(state.guild.system_channel_id or 0)
        if channel is None or state.guild.system_channel_flags & _NO_JOIN_MESSAGES:
            return
        message = Message(
            id=self._context.snowflakes.next(),
            channel_id=channel.id,
            guild_id=state.guild.id,
            author_id=actor.id,
            content="",
            type=JOINED,
        )
        ops += rows.message_ops(message)
        body = for_event(message, actor.user, member, NOTHING_MORE)
        told.append(events.message_event("MESSAGE_CREATE", channel, message, body))

    async def _in_guild(self, actor: Principal, channel_id: int, permissions: int) -> ChannelAccess:
        access = await self._world.channel_access(channel_id, actor.id)
        if not access.channel.guild_id:
            raise Forbidden(50003, "Cannot execute action on a DM channel")
        access.need_no_thread()
        access.need(permissions)
        return access

    async def _invite(self, code: str) -> Invite:
        found = await self._find({"code": code})
        if not found or not self._lives(found[0]):
            raise unknown("invite")
        return found[0]

    def _lives(self, invite: Invite) -> bool:
        return invite.expires_at is None or invite.expires_at > self._context.clock()

    async def _find(self, where: Body) -> list[Invite]:
        return await self._store.find(Select(entity=Invite, table="invites", where=where, order="created_at"))

    async def _guild(self, invite: Invite) -> GuildState:
        state = await self._world.guild(invite.guild_id)
        if state is None or invite.channel_id not in state.channels:
            raise unknown("invite")
        return state

    async def _render(self, invite: Invite, *, metadata: bool = False, with_counts: bool = False) -> Body:
        state = await self._guild(invite)
        inviter = await self._world.user(invite.user_id)
        body = wire.invite(invite, state.guild, state.channels[invite.channel_id], inviter)
        if metadata:
            body |= wire.invite_metadata(invite)
        if with_counts:
            body["approximate_member_count"] = state.member_count
            online = await self._guilds.online_in([invite.guild_id])
            body["approximate_presence_count"] = online.get(invite.guild_id, 0)
        return body
