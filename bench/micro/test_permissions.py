"""Permissions: one member's rights in one channel of a guild with many roles and overwrites; beside discord.py's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, cast

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tocsin.model.entities import Channel, Member, Overwrite, Role
from tocsin.model.permissions import DEFAULT, Permission, channel_permissions

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord

GUILD, OWNER, USER, CHANNEL = 2001, 1001, 1002, 3001
VIEW, SEND = int(Permission.VIEW_CHANNEL), int(Permission.SEND_MESSAGES)
ADMINISTRATOR = int(Permission.ADMINISTRATOR)
ROLES = {
    GUILD: Role(id=GUILD, guild_id=GUILD, name="@everyone", permissions=DEFAULT),
    **{2100 + n: Role(id=2100 + n, guild_id=GUILD, name=f"role-{n}", position=n + 1) for n in range(30)},
}
MEMBER = Member(guild_id=GUILD, user_id=USER, joined_at=1, roles=tuple(range(2100, 2110)))

Compute = Callable[[], int]


def channel(*overwrites: Overwrite) -> Channel:
    return Channel(id=CHANNEL, type=0, guild_id=GUILD, name="general", overwrites=overwrites)


def plain(place: Channel) -> int:
    """The algorithm of Discord's documentation, written down as it stands there."""
    if MEMBER.user_id == OWNER:
        return (1 << 53) - 1
    permissions = ROLES[GUILD].permissions
    for role_id in MEMBER.roles:
        permissions |= ROLES[role_id].permissions
    if permissions & ADMINISTRATOR:
        return (1 << 53) - 1
    rules = {rule.id: rule for rule in place.overwrites}
    everyone = rules.get(GUILD)
    if everyone is not None:
        permissions = permissions & ~everyone.deny | everyone.allow
    allow = deny = 0
    for role_id in MEMBER.roles:
        rule = rules.get(role_id)
        if rule is not None:
            allow |= rule.allow
            deny |= rule.deny
    permissions = permissions & ~deny | allow
    own = rules.get(MEMBER.user_id)
    if own is not None:
        permissions = permissions & ~own.deny | own.allow
    return permissions


def discord_py(place: Channel) -> Compute:
    """discord.py's own objects, made from the payloads it would get."""
    state = discord.Client(intents=discord.Intents.all())._connection
    overwrites = [
        {"id": str(rule.id), "type": int(rule.type), "allow": str(rule.allow), "deny": str(rule.deny)}
        for rule in place.overwrites
    ]
    roles = [
        {"id": str(role.id), "name": role.name, "permissions": str(role.permissions), "position": role.position}
        for role in ROLES.values()
    ]
    user = {"id": str(USER), "username": "ada", "discriminator": "0", "avatar": None}
    data: Any = {
        "id": str(GUILD),
        "name": "Lab",
        "owner_id": str(OWNER),
        "member_count": 1,
        "roles": [{"color": 0, "colors": {"primary_color": 0}, "hoist": False, **role} for role in roles],
        "channels": [
            {"id": str(CHANNEL), "type": 0, "name": "general", "position": 0, "permission_overwrites": overwrites}
        ],
        "members": [{"user": user, "roles": [str(each) for each in MEMBER.roles], "joined_at": None, "flags": 0}],
    }
    guild = discord.Guild(data=data, state=state)
    member, text = guild.get_member(USER), guild.get_channel(CHANNEL)
    assert member is not None
    found = cast(discord.TextChannel, text)
    return lambda: found.permissions_for(member).value


WAYS: dict[str, Callable[[Channel], Compute]] = {
    "tocsin": lambda place: lambda: channel_permissions(GUILD, OWNER, ROLES, MEMBER, place, 0),
    "plain": lambda place: lambda: plain(place),
    "discord.py": discord_py,
}


@pytest.mark.benchmark(group="permissions of a member in a channel")
@pytest.mark.parametrize("overwrites", [0, 30])
@pytest.mark.parametrize("way", WAYS)
def test_channel_permissions(benchmark: BenchmarkFixture, way: str, overwrites: int) -> None:
    """`plain` and discord.py know no time-outs and no pending members; what they have in common comes out alike."""
    rules = [Overwrite(id=GUILD, type=0, deny=VIEW)] if overwrites else []
    rules += [Overwrite(id=2101 + n, type=0, allow=VIEW, deny=SEND if n == 0 else 0) for n in range(overwrites - 1)]
    place = channel(*rules)
    held = benchmark(WAYS[way](place))
    assert held & VIEW
    # The first role's overwrite takes SEND_MESSAGES away; without overwrites @everyone may.
    assert bool(held & SEND) == (overwrites == 0)
    both = VIEW | SEND | int(Permission.ADD_REACTIONS) | int(Permission.MANAGE_CHANNELS)
    assert held & both == plain(place) & both
