"""RoleService: the roles of a guild (protocol.md §8.7, §7.2).

`changes` map a `Role`'s field names to values whose form is checked; what they may be is checked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.errors import BadRequest, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.entities import Role
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import ALL, Permission, role_rank
from tocsin.service import guild_events
from tocsin.service.auth import Principal
from tocsin.service.hierarchy import member_rank, need_above_role, need_bits
from tocsin.service.world import GuildAccess
from tocsin.store import rows
from tocsin.store.base import Op, Update

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_ROLES = 250
"""@everyone included."""

_MANAGE_ROLES = int(Permission.MANAGE_ROLES)
Body = dict[str, Any]


def sorted_roles(state: GuildState) -> list[Role]:
    """Return the guild's roles by (position, id)."""
    return sorted(state.roles.values(), key=lambda role: (role.position, role.id))


class RoleService:
    """Lists, makes, changes, moves and deletes roles."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world

    async def list_of(self, actor: Principal, guild_id: int) -> list[Body]:
        """Return all roles of a guild the actor is in."""
        access = await self._world.guild_access(guild_id, actor.id)
        return [wire.role(role) for role in sorted_roles(access.guild)]

    async def get(self, actor: Principal, guild_id: int, role_id: int) -> Body:
        """Return one role. Raises `errors.NotFound` (10011)."""
        access = await self._world.guild_access(guild_id, actor.id)
        return wire.role(_role_of(access.guild, role_id))

    async def create(self, actor: Principal, guild_id: int, changes: dict[str, Any]) -> Body:
        """Make a role just above @everyone, with @everyone's permissions unless others are given.

        Raises:
            errors.MissingPermissions: 50013, no MANAGE_ROLES, bits the actor lacks, or no role of the actor is above.
            errors.BadRequest: 30005, there are `MAX_ROLES` already.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._manager(actor, guild_id)
            state = access.guild
            if len(state.roles) >= MAX_ROLES:
                raise BadRequest(30005, f"Maximum number of server roles reached ({MAX_ROLES})")
            fields = {"name": "new role", "permissions": state.roles[guild_id].permissions, **changes}
            fields["permissions"] &= ALL
            need_bits(access.permissions, fields["permissions"])
            role = Role(id=self._context.snowflakes.next(), guild_id=guild_id, position=1, **fields)
            need_above_role(state, access.member, role)
            await self._store.commit(rows.role_ops(role), [guild_events.role_create(role)])
            return wire.role(role)

    async def update(self, actor: Principal, guild_id: int, role_id: int, changes: dict[str, Any]) -> Body:
        """Change a role below the actor's highest; only bits the actor has may change.

        Raises:
            errors.NotFound: 10011.
            errors.MissingPermissions: 50013.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._manager(actor, guild_id)
            role = _role_of(access.guild, role_id)
            need_above_role(access.guild, access.member, role)
            if "permissions" in changes:
                changes = {**changes, "permissions": changes["permissions"] & ALL}
                need_bits(access.permissions, changes["permissions"] ^ role.permissions)
            if role.id == guild_id:
                # @everyone has no look and no name of its own.
                changes = {name: value for name, value in changes.items() if name in ("permissions", "mentionable")}
            changed = msgspec.structs.replace(role, **changes)
            if changed != role:
                await self._store.commit(
                    [Update("roles", {"id": role.id}, changes)], [guild_events.role_update(changed)]
                )
            return wire.role(changed)

    async def move(self, actor: Principal, guild_id: int, positions: Sequence[tuple[int, int]]) -> list[Body]:
        """Set positions of roles below the actor's highest, and return all roles. @everyone stays at 0.

        Raises:
            errors.NotFound: 10011.
            errors.MissingPermissions: 50013, a role is not below the actor before the move, or not after it.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._manager(actor, guild_id)
            state = access.guild
            highest = member_rank(state, access.member)
            moved: dict[int, Role] = {}
            for role_id, position in positions:
                role = _role_of(state, role_id)
                if role.id == guild_id:
                    continue
                changed = msgspec.structs.replace(role, position=max(1, position))
                if changed == role:
                    moved.pop(role.id, None)
                    continue
                if max(role_rank(role, guild_id), role_rank(changed, guild_id)) >= highest:
                    raise MissingPermissions
                moved[role.id] = changed
            ops: list[Op] = [Update("roles", {"id": role.id}, {"position": role.position}) for role in moved.values()]
            if ops:
                await self._store.commit(ops, [guild_events.role_update(role) for role in moved.values()])
            roles = [moved.get(role.id, role) for role in state.roles.values()]
            return [wire.role(role) for role in sorted(roles, key=lambda role: (role.position, role.id))]

    async def delete(self, actor: Principal, guild_id: int, role_id: int) -> None:
        """Delete a role, and with it its place in members and overwrites.

        Raises:
            errors.NotFound: 10011.
            errors.BadRequest: 50028, @everyone or a managed role.
            errors.MissingPermissions: 50013.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._manager(actor, guild_id)
            role = _role_of(access.guild, role_id)
            if role.id == guild_id or role.managed:
                raise BadRequest(50028, "Invalid Role")
            need_above_role(access.guild, access.member, role)
            await self._store.commit(rows.role_delete_ops(guild_id, role.id), [guild_events.role_delete(role)])

    async def _manager(self, actor: Principal, guild_id: int) -> GuildAccess:
        return await self._world.require_guild(guild_id, actor.id, _MANAGE_ROLES)


def _role_of(state: GuildState, role_id: int) -> Role:
    role = state.roles.get(role_id)
    if role is None:
        raise unknown("role")
    return role
