"""Hierarchy as values."""

from __future__ import annotations

import pytest

from tocsin.errors import MissingPermissions
from tocsin.model.entities import Guild, Member, Role
from tocsin.model.guild_state import GuildState
from tocsin.service.hierarchy import EVERYONE, OWNER, member_rank, need_above_member, need_above_role, need_bits

STATE = GuildState(
    Guild(id=1, name="g", owner_id=10),
    [Role(id=1, guild_id=1, name="@everyone")]
    + [
        Role(id=number, guild_id=1, name=str(number), position=position)
        for number, position in ((5, 2), (6, 2), (7, 9))
    ],
)


def member(user_id: int, *roles: int) -> Member:
    return Member(guild_id=1, user_id=user_id, joined_at=0, roles=roles)


def test_members_rank_by_their_highest_role_and_the_owner_above_all() -> None:
    ordered = [member(2), member(3, 6), member(4, 5), member(5, 5, 7), member(10)]
    ranks = [member_rank(STATE, each) for each in ordered]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
    assert (ranks[0], ranks[-1]) == (EVERYONE, OWNER)


def test_a_role_that_is_gone_counts_for_nothing() -> None:
    assert member_rank(STATE, member(2, 99)) == EVERYONE


def test_one_stands_above_what_is_strictly_below() -> None:
    need_above_role(STATE, member(2, 7), STATE.roles[5])
    need_above_member(STATE, member(2, 7), member(3, 5))
    for role_id in (7, 5):
        with pytest.raises(MissingPermissions):
            need_above_role(STATE, member(2, 5), STATE.roles[role_id])
    with pytest.raises(MissingPermissions):
        need_above_role(STATE, member(2), STATE.roles[1])
    with pytest.raises(MissingPermissions):
        need_above_member(STATE, member(2, 5), member(3, 5))
    with pytest.raises(MissingPermissions):
        need_above_member(STATE, member(2, 7), member(10))


def test_bits_must_be_held_to_be_granted() -> None:
    need_bits(0b111, 0b101)
    with pytest.raises(MissingPermissions):
        need_bits(0b101, 0b111)
