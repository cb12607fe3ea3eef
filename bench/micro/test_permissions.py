"""Permissions: one member's rights in one channel of a guild with many roles and overwrites."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tocsin.model.entities import Channel, Member, Overwrite, Role
from tocsin.model.permissions import DEFAULT, Permission, channel_permissions

GUILD, OWNER, USER = 2001, 1001, 1002
VIEW, SEND = int(Permission.VIEW_CHANNEL), int(Permission.SEND_MESSAGES)
ROLES = {
    GUILD: Role(id=GUILD, guild_id=GUILD, name="@everyone", permissions=DEFAULT),
    **{2100 + n: Role(id=2100 + n, guild_id=GUILD, name=f"role-{n}", position=n + 1) for n in range(30)},
}
MEMBER = Member(guild_id=GUILD, user_id=USER, joined_at=1, roles=tuple(range(2100, 2110)))


def channel(*overwrites: Overwrite) -> Channel:
    return Channel(id=3001, type=0, guild_id=GUILD, name="general", overwrites=overwrites)


@pytest.mark.benchmark(group="permissions of a member in a channel")
@pytest.mark.parametrize("overwrites", [0, 30])
def test_channel_permissions(benchmark: BenchmarkFixture, overwrites: int) -> None:
    rules = [Overwrite(id=GUILD, type=0, deny=VIEW)] if overwrites else []
    rules += [Overwrite(id=2101 + n, type=0, allow=VIEW, deny=SEND if n == 0 else 0) for n in range(overwrites - 1)]
    place = channel(*rules)
    held = benchmark(channel_permissions, GUILD, OWNER, ROLES, MEMBER, place, 0)
    assert held & VIEW
    # The first role's overwrite takes SEND_MESSAGES away; without overwrites @everyone may.
    assert bool(held & SEND) == (overwrites == 0)
