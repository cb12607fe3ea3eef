"""Hierarchy: who stands above whom in a guild, and who may grant what (protocol.md §7.2).

ADMINISTRATOR does not lift it; only the owner stands above all.
"""

from __future__ import annotations

from tocsin.errors import MissingPermissions
from tocsin.model.entities import Member, Role
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import role_rank

Rank = tuple[int, int]
"""A place in a guild's order; the greater stands higher."""

EVERYONE: Rank = (-1, 0)
OWNER: Rank = (1 << 62, 0)


def member_rank(state: GuildState, member: Member) -> Rank:
    """Return the place of a member: that of their highest role, above all for the owner."""
    if member.user_id == state.guild.owner_id:
        return OWNER
    roles = (state.roles.get(role_id) for role_id in member.roles)
    return max((role_rank(role, state.guild.id) for role in roles if role is not None), default=EVERYONE)


def need_above_role(state: GuildState, actor: Member, role: Role) -> None:
    """Raise `MissingPermissions` (50013) unless the role stands strictly below the actor."""
    if role_rank(role, state.guild.id) >= member_rank(state, actor):
        raise MissingPermissions


def is_above(state: GuildState, actor: Member, target: Member) -> bool:
    """Return whether the target stands strictly below the actor."""
    return member_rank(state, target) < member_rank(state, actor)


def need_above_member(state: GuildState, actor: Member, target: Member) -> None:
    """Raise `MissingPermissions` (50013) unless the target stands strictly below the actor."""
    if not is_above(state, actor, target):
        raise MissingPermissions


def need_bits(held: int, wanted: int) -> None:
    """Raise `MissingPermissions` (50013) unless every wanted bit is held: nobody grants what they lack."""
    if wanted & ~held:
        raise MissingPermissions
