"""MemberService: who is in a guild, and as what (protocol.md §8.7, §7.2).

`changes` map a `Member`'s field names to values whose form is checked; what they may be is checked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.errors import BadRequest, Forbidden, InvalidForm, MissingAccess, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.audit import AuditAction
from tocsin.model.entities import Member, User
from tocsin.model.guild_state import GuildState
from tocsin.model.intents import Intents
from tocsin.model.permissions import Permission
from tocsin.service import guild_events
from tocsin.service.audit import AuditService
from tocsin.service.auth import Principal
from tocsin.service.automod_profiles import ProfileRules
from tocsin.service.hierarchy import need_above_member, need_above_role
from tocsin.service.voice import VoiceService
from tocsin.service.world import GuildAccess
from tocsin.store import rows

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_TIMEOUT_MS = 28 * 24 * 3600 * 1000
BYPASSES_VERIFICATION = 1 << 2
"""The one member flag that others may set."""

_ADMINISTRATOR = int(Permission.ADMINISTRATOR)
_CHANGE_NICKNAME = int(Permission.CHANGE_NICKNAME)
_CREATE_INSTANT_INVITE = int(Permission.CREATE_INSTANT_INVITE)
_DEAFEN = int(Permission.DEAFEN_MEMBERS)
_KICK = int(Permission.KICK_MEMBERS)
_MANAGE_NICKNAMES = int(Permission.MANAGE_NICKNAMES)
_MANAGE_ROLES = int(Permission.MANAGE_ROLES)
_MODERATE = int(Permission.MODERATE_MEMBERS)
_MOVE = int(Permission.MOVE_MEMBERS)
_MUTE = int(Permission.MUTE_MEMBERS)
_FLAG_EDITORS = (
    int(Permission.MANAGE_GUILD),
    _MANAGE_ROLES,
    int(Permission.MODERATE_MEMBERS | Permission.KICK_MEMBERS | Permission.BAN_MEMBERS),
)
Body = dict[str, Any]


class MemberService:
    """Lists, adds, changes and removes members."""

    def __init__(self, context: Context, voice: VoiceService, audit: AuditService, profiles: ProfileRules) -> None:
        self._context = context
        self._profiles = profiles
        self._audit = audit
        self._voice = voice
        self._store = context.store
        self._world = context.world

    # -- read

    async def list_of(self, actor: Principal, guild_id: int, *, after: int = 0, limit: int = 1) -> list[Body]:
        """Return a page of members by rising user id.

        Raises:
            errors.MissingAccess: 50001, also for a bot whose application lacks the GUILD_MEMBERS intent.
        """
        await self._world.guild_access(guild_id, actor.id)
        if actor.is_bot and not (actor.application and actor.application.intents & Intents.GUILD_MEMBERS):
            raise MissingAccess
        page = await self._store.members(guild_id, after=after, limit=limit)
        return [wire.member(member, user) for member, user in page]

    async def search(self, actor: Principal, guild_id: int, query: str, limit: int = 1) -> list[Body]:
        """Return members whose username or nick begins with `query`."""
        await self._world.guild_access(guild_id, actor.id)
        return [wire.member(member, user) for member, user in await self._store.search_members(guild_id, query, limit)]

    async def get(self, actor: Principal, guild_id: int, user_id: int) -> Body:
        """Return one member. Raises `errors.NotFound` (10007, or 10013 for no such user)."""
        await self._world.guild_access(guild_id, actor.id)
        user = await self._user(user_id)
        return wire.member(await self._member(guild_id, user_id), user)

    # -- add

    async def add(self, actor: Principal, guild_id: int, user_id: int, changes: dict[str, Any]) -> Body | None:
        """Make a user a member and return them; None when they are one already.

        tocsin has no OAuth2: whoever may invite (CREATE_INSTANT_INVITE) may add.

        Raises:
            errors.NotFound: 10013.
            errors.Forbidden: 40007 for a banned user, 50013.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require_guild(guild_id, actor.id, _CREATE_INSTANT_INVITE)
            user = await self._user(user_id)
            if await self._world.member(guild_id, user_id) is not None:
                return None
            if await self._store.ban(guild_id, user_id) is not None:
                raise Forbidden(40007, "The user is banned from this guild.")
            member = Member(guild_id=guild_id, user_id=user_id, joined_at=self._context.clock())
            judged = await self._profiles.judge(self._changed(access, actor, member, changes), user)
            member = judged.member
            await self._store.commit(rows.member_ops(member), [guild_events.member_add(member, user)])
            await self._profiles.act(user, judged)
            return wire.member(member, user)

    # -- change

    async def update(
        self,
        actor: Principal,
        guild_id: int,
        user_id: int,
        changes: dict[str, Any],
        *,
        moves: bool = False,
        channel_id: int | None = None,
    ) -> Body:
        """Change a member, field by field as the actor may. `moves`: to another voice channel, or out of voice.

        Raises:
            errors.NotFound: 10007, 10011, 10013.
            errors.MissingPermissions: 50013.
            errors.BadRequest: 50028, a managed role; 40032, a move of one who is in no voice channel;
                50024, to what is none.
            errors.InvalidForm: 50035, a timeout longer than 28 days.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.guild_access(guild_id, actor.id)
            user = await self._user(user_id)
            member = await self._member(guild_id, user_id)
            if moves:
                access.need(_MOVE)
                await self._voice.check_move(actor, guild_id, user_id, channel_id)
            body = await self._commit(member, self._changed(access, actor, member, changes), user)
            if moves:
                self._voice.move(guild_id, user_id, channel_id)
                await self._tell_move(actor, guild_id, channel_id)
            return body

    async def _tell_move(self, actor: Principal, guild_id: int, channel_id: int | None) -> None:
        # As Discord counts them: by the channel, not by who was moved.
        if channel_id is None:
            await self._audit.write(guild_id, actor.id, AuditAction.MEMBER_DISCONNECT, None, count="1")
        else:
            options = {"channel_id": str(channel_id), "count": "1"}
            await self._audit.write(guild_id, actor.id, AuditAction.MEMBER_MOVE, None, **options)

    async def update_me(self, actor: Principal, guild_id: int, changes: dict[str, Any]) -> Body:
        """Change the actor's own membership: the nick, with CHANGE_NICKNAME."""
        own = {name: value for name, value in changes.items() if name == "nick"}
        return await self.update(actor, guild_id, actor.id, own)

    async def add_role(self, actor: Principal, guild_id: int, user_id: int, role_id: int) -> None:
        """Give a member a role below the actor's highest. Raises as `update`."""
        await self._edit_role(actor, guild_id, user_id, role_id, held=True)

    async def remove_role(self, actor: Principal, guild_id: int, user_id: int, role_id: int) -> None:
        """Take a role below the actor's highest from a member. Raises as `update`."""
        await self._edit_role(actor, guild_id, user_id, role_id, held=False)

    async def _edit_role(self, actor: Principal, guild_id: int, user_id: int, role_id: int, *, held: bool) -> None:
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require_guild(guild_id, actor.id, _MANAGE_ROLES)
            user = await self._user(user_id)
            member = await self._member(guild_id, user_id)
            self._check_role(access, role_id)
            roles = {*member.roles, role_id} if held else {*member.roles} - {role_id}
            await self._commit(member, msgspec.structs.replace(member, roles=tuple(sorted(roles))), user)

    async def _commit(self, member: Member, changed: Member, user: User) -> Body:
        if changed != member:
            judged = await self._profiles.judge(changed, user)
            changed = judged.member
            await self._store.commit(rows.member_update_ops(changed), [guild_events.member_update(changed, user)])
            await self._profiles.act(user, judged, (user.username, user.global_name, member.nick))
        return wire.member(changed, user)

    # -- remove

    async def kick(self, actor: Principal, guild_id: int, user_id: int) -> None:
        """Remove a member who stands below the actor. Raises 10007, 10013 or 50013."""
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require_guild(guild_id, actor.id, _KICK)
            user = await self._user(user_id)
            member = await self._member(guild_id, user_id)
            need_above_member(access.guild, access.member, member)
            await self._store.commit(
                rows.member_delete_ops(guild_id, user_id), [guild_events.member_remove(guild_id, user)]
            )

    async def leave(self, actor: Principal, guild_id: int) -> None:
        """Remove the actor from a guild. Raises `errors.BadRequest` (50055) for its owner."""
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.guild_access(guild_id, actor.id)
            if access.guild.guild.owner_id == actor.id:
                raise BadRequest(50055, "Invalid Guild")
            await self._store.commit(
                rows.member_delete_ops(guild_id, actor.id), [guild_events.member_remove(guild_id, actor.user)]
            )

    # -- rules

    def _changed(self, access: GuildAccess, actor: Principal, member: Member, changes: dict[str, Any]) -> Member:
        """Return the member as `changes` make them, if the actor may make each of them."""
        state, own = access.guild, member.user_id == actor.id
        if "nick" in changes:
            access.need(_CHANGE_NICKNAME if own and not access.permissions & _MANAGE_NICKNAMES else _MANAGE_NICKNAMES)
            if not own:
                need_above_member(state, access.member, member)
        if "roles" in changes:
            access.need(_MANAGE_ROLES)
            wanted = {role_id for role_id in changes["roles"] if role_id != state.guild.id}
            self._check_roles(access, wanted ^ {*member.roles})
            changes = {**changes, "roles": tuple(sorted(wanted))}
        if "mute" in changes:
            access.need(_MUTE)
        if "deaf" in changes:
            access.need(_DEAFEN)
        if "timeout_until" in changes:
            self._check_timeout(access, member, changes["timeout_until"])
        if "flags" in changes:
            if not any(access.permissions & needed == needed for needed in _FLAG_EDITORS):
                raise MissingPermissions
            kept = member.flags & ~BYPASSES_VERIFICATION
            changes = {**changes, "flags": kept | changes["flags"] & BYPASSES_VERIFICATION}
        return msgspec.structs.replace(member, **changes)

    def _check_timeout(self, access: GuildAccess, member: Member, until_ms: int | None) -> None:
        access.need(_MODERATE)
        need_above_member(access.guild, access.member, member)
        now = self._context.clock()
        if until_ms is None:
            return
        if _base_permissions(access.guild, member) & _ADMINISTRATOR:
            raise MissingPermissions
        if until_ms > now + MAX_TIMEOUT_MS:
            message = "Communication cannot be disabled for more than 28 days."
            raise InvalidForm.field("communication_disabled_until", "COMMUNICATION_DISABLED_UNTIL_MAX", message)

    def _check_roles(self, access: GuildAccess, role_ids: Iterable[int]) -> None:
        for role_id in sorted(role_ids):
            self._check_role(access, role_id)

    def _check_role(self, access: GuildAccess, role_id: int) -> None:
        """Check that the actor may give or take the role."""
        role = access.guild.roles.get(role_id)
        if role is None:
            raise unknown("role")
        if role.managed or role.id == access.guild.guild.id:
            raise BadRequest(50028, "Invalid Role")
        need_above_role(access.guild, access.member, role)

    # -- lookups

    async def _user(self, user_id: int) -> User:
        user = await self._world.user(user_id)
        if user is None:
            raise unknown("user")
        return user

    async def _member(self, guild_id: int, user_id: int) -> Member:
        member = await self._world.member(guild_id, user_id)
        if member is None:
            raise unknown("member")
        return member


def _base_permissions(state: GuildState, member: Member) -> int:
    """Return the member's guild-wide permissions as if no timeout ran."""
    return state.permissions(msgspec.structs.replace(member, timeout_until=None), None, 0)
