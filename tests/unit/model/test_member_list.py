"""The rules of member lists: ids, groups and names (protocol.md §1.11)."""

from __future__ import annotations

import msgspec
import pytest

from tocsin.model.entities import Channel, Guild, Member, Overwrite, Role, User
from tocsin.model.guild_state import GuildState
from tocsin.model.member_list import (
    OFFLINE,
    ONLINE,
    group_name,
    group_of,
    group_order,
    list_id,
    murmur3,
    sort_name,
)
from tocsin.model.permissions import Permission

VIEW = int(Permission.VIEW_CHANNEL)


@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        # Public vectors of MurmurHash3 x86-32 with seed 0.
        (b"", 0),
        (b"test", 0xBA6BD213),
        (b"Hello, world!", 0xC0363E43),
        (b"The quick brown fox jumps over the lazy dog", 0x2E4FF723),
        (b"\xff\xff\xff\xff", 0x76293B50),
        (b"\x21\x43\x65", 0x7E4A8634),
        (b"\x21\x43", 0xA0F7B07A),
        (b"\x21", 0x72661CF4),
    ],
)
def test_the_hash_is_murmur3(data: bytes, hashed: int) -> None:
    assert murmur3(data) == hashed


def state(everyone: int = VIEW) -> GuildState:
    return GuildState(
        Guild(id=1, name="g", owner_id=9), [Role(id=1, guild_id=1, name="@everyone", permissions=everyone)]
    )


def channel(*overwrites: Overwrite) -> Channel:
    return Channel(id=5, type=0, guild_id=1, overwrites=overwrites)


def test_a_channel_that_nobody_is_kept_from_has_the_list_of_everyone() -> None:
    assert list_id(state(), channel()) == "everyone"
    assert list_id(state(), channel(Overwrite(id=3, type=0, allow=VIEW))) == "everyone"


def test_channels_with_the_same_exceptions_share_a_list_that_names_them() -> None:
    deny, allow = Overwrite(id=1, type=0, deny=VIEW), Overwrite(id=30, type=0, allow=VIEW | 2048)
    quiet = Overwrite(id=4, type=1, deny=2048)
    assert list_id(state(), channel(deny, allow)) == list_id(state(), channel(quiet, allow, deny))
    assert list_id(state(), channel(deny, allow)) == str(murmur3(b"allow:30,deny:1"))
    assert list_id(state(0), channel()) == "0"


def test_groups_are_hoisted_roles_from_the_top_then_online_and_offline() -> None:
    roles = [
        Role(id=1, guild_id=1, name="@everyone", hoist=True),
        Role(id=2, guild_id=1, name="low", hoist=True, position=1),
        Role(id=3, guild_id=1, name="high", hoist=True, position=7),
        Role(id=4, guild_id=1, name="plain", position=9),
    ]
    order = group_order(roles, 1)
    assert order == [3, 2, ONLINE, OFFLINE]
    ranks = {group: rank for rank, group in enumerate(order)}
    member = Member(guild_id=1, user_id=6, joined_at=0, roles=(2, 3, 4))
    assert group_of(member, ranks, online=True) == 3
    assert group_of(member, ranks, online=False) == OFFLINE
    assert group_of(msgspec.structs.replace(member, roles=(4,)), ranks, online=True) == ONLINE
    assert [group_name(each) for each in order] == ["3", "2", "online", "offline"]


def test_members_are_sorted_by_what_they_are_called() -> None:
    user, member = User(id=6, username="zed"), Member(guild_id=1, user_id=6, joined_at=0)
    assert sort_name(member, user) == "zed"
    assert sort_name(member, msgspec.structs.replace(user, global_name="Straße")) == "strasse"
    assert sort_name(msgspec.structs.replace(member, nick="Ada"), user) == "ada"
