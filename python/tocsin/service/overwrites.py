"""Overwrites: who may set which exceptions on a channel, and what a category hands to its children (protocol.md §7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tocsin.errors import BadRequest, MissingPermissions, unknown
from tocsin.model.entities import Channel, Member, Overwrite
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import ALL, Permission

if TYPE_CHECKING:
    from tocsin.service.world import World

MAX_OVERWRITES = 1000
ROLE, MEMBER = 0, 1
_MANAGE_ROLES = int(Permission.MANAGE_ROLES)

Overwrites = tuple[Overwrite, ...]


def normal(overwrites: Iterable[Overwrite]) -> Overwrites:
    """Return the overwrites in the order of their targets, the last one of each target, known bits only.

    Raises:
        errors.BadRequest: 30060, there are more than `MAX_OVERWRITES`.
    """
    by_target = {
        each.id: Overwrite(id=each.id, type=each.type, allow=each.allow & ALL, deny=each.deny & ALL & ~each.allow)
        for each in overwrites
    }
    if len(by_target) > MAX_OVERWRITES:
        raise BadRequest(30060, f"Maximum number of channel permission overwrites reached ({MAX_OVERWRITES})")
    return tuple(by_target[target] for target in sorted(by_target))


def synced(a: Channel, b: Channel) -> bool:
    """Return whether two channels have the same overwrites, in whatever order."""
    return set(a.overwrites) == set(b.overwrites)


def touched_bits(old: Overwrites, new: Overwrites) -> int:
    """Return the bits whose state differs between two sets of overwrites for any target."""
    before = {each.id: each for each in old}
    after = {each.id: each for each in new}
    bits = 0
    for target in before.keys() | after.keys():
        was, now = before.get(target), after.get(target)
        bits |= (was.allow if was else 0) ^ (now.allow if now else 0)
        bits |= (was.deny if was else 0) ^ (now.deny if now else 0)
    return bits


def need_may_touch(
    state: GuildState, actor: Member, now_ms: int, touched: int, channel: Channel | None, parent: Channel | None
) -> None:
    """Raise `MissingPermissions` (50013) unless the actor may change these bits in overwrites.

    They may change bits they have in the guild or in the parent channel; all bits if they have ADMINISTRATOR, or
    MANAGE_ROLES by an overwrite of the channel itself. `channel` is None for one that is being made, where
    MANAGE_ROLES itself takes ADMINISTRATOR.
    """
    held = state.permissions(actor, None, now_ms)
    if held == ALL:
        return
    if channel is None:
        held &= ~_MANAGE_ROLES
    elif _manages_by_overwrite(channel, actor):
        return
    if parent is not None:
        held |= state.permissions(actor, parent, now_ms) & (ALL if channel is not None else ~_MANAGE_ROLES)
    if touched & ~held:
        raise MissingPermissions


def _manages_by_overwrite(channel: Channel, actor: Member) -> bool:
    targets = {channel.guild_id, actor.user_id, *actor.roles}
    return any(each.id in targets and each.allow & _MANAGE_ROLES for each in channel.overwrites)


async def need_targets(world: World, state: GuildState, old: Overwrites, new: Overwrites) -> None:
    """Raise `NotFound` (10009) if an overwrite that is new names no role or member of the guild."""
    known = {(each.id, each.type) for each in old}
    for each in new:
        if (each.id, each.type) in known:
            continue
        if each.type == ROLE:
            if each.id not in state.roles:
                raise unknown("overwrite")
        elif await world.member(state.guild.id, each.id) is None:
            raise unknown("overwrite")
