"""The member list's rules: which list a channel has, and where in it a member stands (protocol.md §1.11)."""

from __future__ import annotations

from collections.abc import Iterable

from tocsin.model.entities import Channel, Member, Role, User
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import Permission

ONLINE, OFFLINE = 0, 1
"""The groups that are no roles; no role has such an id."""

EVERYONE = "everyone"
MAX_WITH_OFFLINE = 1000
"""Guilds with more members do not list those who are offline."""

_VIEW = int(Permission.VIEW_CHANNEL)
_MASK = 0xFFFFFFFF


def list_id(state: GuildState, channel: Channel) -> str:
    """Return the id of the channel's list; channels with an equal id have the same viewers and share one."""
    everyone = state.roles.get(state.guild.id)
    overwrites = channel.overwrites
    if everyone is not None and everyone.permissions & _VIEW and not any(each.deny & _VIEW for each in overwrites):
        return EVERYONE
    tokens = [
        f"{'allow' if each.allow & _VIEW else 'deny'}:{each.id}"
        for each in overwrites
        if (each.allow | each.deny) & _VIEW
    ]
    return str(murmur3(",".join(sorted(tokens)).encode()))


def group_order(roles: Iterable[Role], guild_id: int) -> list[int]:
    """Return the groups in order: hoisted roles, the highest first, then `ONLINE` and `OFFLINE`."""
    hoisted = [role for role in roles if role.hoist and role.id != guild_id]
    hoisted.sort(key=lambda role: (-role.position, role.id))
    return [*(role.id for role in hoisted), ONLINE, OFFLINE]


def group_of(member: Member, ranks: dict[int, int], *, online: bool) -> int:
    """Return a member's group: their highest hoisted role if they are not offline. `ranks`: place of each group."""
    if not online:
        return OFFLINE
    held = [role_id for role_id in member.roles if role_id in ranks]
    return min(held, key=ranks.__getitem__) if held else ONLINE


def sort_name(member: Member, user: User) -> str:
    """Return what a member is sorted by: nick, global name or username, case-folded."""
    return (member.nick or user.global_name or user.username).casefold()


def group_name(group: int) -> str:
    """Return the group's id on the wire."""
    return {ONLINE: "online", OFFLINE: "offline"}.get(group) or str(group)


def murmur3(data: bytes) -> int:
    """Return MurmurHash3 x86-32 with seed 0."""
    h = 0
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        h ^= _scrambled(int.from_bytes(data[at : at + 4], "little"))
        h = ((h << 13) | (h >> 19)) & _MASK
        h = (h * 5 + 0xE6546B64) & _MASK
    if whole < len(data):
        h ^= _scrambled(int.from_bytes(data[whole:], "little"))
    h ^= len(data)
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & _MASK
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & _MASK
    return h ^ (h >> 16)


def _scrambled(k: int) -> int:
    k = (k * 0xCC9E2D51) & _MASK
    k = ((k << 15) | (k >> 17)) & _MASK
    return (k * 0x1B873593) & _MASK
