"""Permissions against the vectors of `tests/vectors/permissions.json`, and against a slow bit-by-bit oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.model import permissions
from tocsin.model.entities import Channel, ChannelType, Guild, Member, Overwrite, Role
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import Permission

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "permissions.json").read_text())
GUILD, USER, OTHER, NOW = (int(VECTORS[key]) for key in ("guild_id", "user_id", "other_id", "now_ms"))


def bits(names: list[str]) -> int:
    return sum(int(VECTORS["bits"][name]) for name in names)


def role(role_id: int, held: int, position: int = 0) -> Role:
    return Role(id=role_id, guild_id=GUILD, name=str(role_id), permissions=held, position=position)


def names_of(held: int) -> set[str]:
    return {name for name, bit in VECTORS["bits"].items() if held & int(bit)}


def test_the_bits_are_those_of_the_protocol() -> None:
    assert {each.name: str(each.value) for each in Permission} == VECTORS["bits"]
    assert int(VECTORS["all"]) == permissions.ALL


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_vector(case: dict[str, Any]) -> None:
    roles = [role(GUILD, bits(case["everyone"]))]
    roles += [role(int(role_id), bits(held)) for role_id, held in case["roles"].items()]
    member = Member(
        guild_id=GUILD,
        user_id=USER,
        joined_at=0,
        roles=tuple(map(int, case["member"]["roles"])),
        timeout_until=case["member"]["timeout_until"],
        pending=case["member"]["pending"],
    )
    channel = None
    if case["channel"] is not None:
        overwrites = tuple(
            Overwrite(id=int(each["id"]), type=each["type"], allow=bits(each["allow"]), deny=bits(each["deny"]))
            for each in case["channel"]["overwrites"]
        )
        channel = Channel(id=5, guild_id=GUILD, type=case["channel"]["type"], name="c", overwrites=overwrites)
    state = GuildState(Guild(id=GUILD, name="g", owner_id=USER if case["owner"] else OTHER), roles)
    held = state.permissions(member, channel, NOW)
    if case["expect"] == "ALL":
        assert held == permissions.ALL
    else:
        assert names_of(held) == set(case["expect"])
        assert held == bits(case["expect"])
    if channel is not None:
        assert state.can_view(member, channel) is bool(held & Permission.VIEW_CHANNEL)


@pytest.mark.parametrize("case", VECTORS["ranks"], ids=lambda case: case["name"])
def test_roles_rank(case: dict[str, Any]) -> None:
    roles = [role(int(role_id), 0, position) for role_id, position in case["roles"]]
    upwards = sorted(roles, key=lambda each: permissions.role_rank(each, GUILD))
    assert [str(each.id) for each in upwards] == case["upwards"]


def test_participants_of_a_dm_have_every_permission_of_text_and_none_of_a_guild() -> None:
    text = [
        "VIEW_CHANNEL",
        "SEND_MESSAGES",
        "READ_MESSAGE_HISTORY",
        "EMBED_LINKS",
        "ATTACH_FILES",
        "ADD_REACTIONS",
        "PIN_MESSAGES",
    ]
    guild = [
        "ADMINISTRATOR",
        "MANAGE_GUILD",
        "MANAGE_ROLES",
        "MANAGE_CHANNELS",
        "MANAGE_MESSAGES",
        "KICK_MEMBERS",
        "BAN_MEMBERS",
    ]
    assert set(text) <= names_of(permissions.DM_PERMISSIONS)
    assert not set(guild) & names_of(permissions.DM_PERMISSIONS)


def test_a_new_guilds_everyone_may_talk_but_not_manage() -> None:
    assert {"VIEW_CHANNEL", "SEND_MESSAGES", "READ_MESSAGE_HISTORY", "CONNECT"} <= names_of(permissions.DEFAULT)
    assert not {name for name in names_of(permissions.DEFAULT) if name.startswith(("MANAGE", "KICK", "BAN", "ADMIN"))}


# -- the oracle: one bit at a time, written from protocol.md §7.1 without a look at the code

P = Permission
FOUR = (P.MENTION_EVERYONE, P.SEND_TTS_MESSAGES, P.ATTACH_FILES, P.EMBED_LINKS)
THREADS = (10, 11, 12)


def oracle(bit: int, owner: bool, roles: dict[int, Role], member: Member, channel: Channel | None) -> bool:
    held_roles = [GUILD, *member.roles]

    def base(one: int) -> bool:
        return any(roles[each].permissions & one for each in held_roles if each in roles)

    if owner or base(P.ADMINISTRATOR):
        return True

    def layered(one: int) -> bool:
        verdict = base(one)
        if channel is not None:
            layers = [
                [each for each in channel.overwrites if each.type == 0 and each.id == GUILD],
                [each for each in channel.overwrites if each.type == 0 and each.id in member.roles],
                [each for each in channel.overwrites if each.type == 1 and each.id == member.user_id],
            ]
            for layer in layers:
                if any(each.allow & one for each in layer):
                    verdict = True
                elif any(each.deny & one for each in layer):
                    verdict = False
        if member.timeout_until is not None and member.timeout_until > NOW:
            verdict = verdict and one in (P.VIEW_CHANNEL, P.READ_MESSAGE_HISTORY)
        if member.pending and one in (P.SEND_MESSAGES, P.SEND_MESSAGES_IN_THREADS, P.ADD_REACTIONS, P.CONNECT):
            verdict = False
        return verdict

    if channel is None:
        return layered(bit)
    send = P.SEND_MESSAGES_IN_THREADS if channel.type in THREADS else P.SEND_MESSAGES
    if not layered(P.VIEW_CHANNEL):
        return False
    if channel.type in (2, 13) and not layered(P.CONNECT):
        return bit == P.VIEW_CHANNEL
    if bit in FOUR and not layered(send):
        return False
    return layered(send if bit == P.SEND_MESSAGES else bit)


_BITS = [1 << n for n in range(53)]
_TELLING = [int(each) for each in (P.VIEW_CHANNEL, P.SEND_MESSAGES, P.SEND_MESSAGES_IN_THREADS, P.CONNECT, *FOUR)]
_sets = st.lists(st.sampled_from(_BITS + _TELLING * 6), max_size=20).map(lambda chosen: sum(set(chosen)))
_overwrites = st.lists(
    st.builds(
        Overwrite, id=st.sampled_from([GUILD, 10, 11, 12, USER, 101]), type=st.integers(0, 1), allow=_sets, deny=_sets
    ),
    max_size=6,
    unique_by=lambda each: each.id,
)


@settings(max_examples=400, deadline=None)
@given(
    owner=st.sampled_from([False, False, False, True]),
    held=st.fixed_dictionaries({GUILD: _sets}, optional={10: _sets, 11: _sets, 12: _sets}),
    has=st.sets(st.sampled_from([10, 11, 12, 13])),
    timeout=st.sampled_from([None, NOW - 1, NOW, NOW + 1]),
    pending=st.booleans(),
    kind=st.none() | st.sampled_from(list(ChannelType)),
    overwrites=_overwrites,
)
def test_the_computation_agrees_with_the_oracle(
    owner: bool,
    held: dict[int, int],
    has: set[int],
    timeout: int | None,
    pending: bool,
    kind: ChannelType | None,
    overwrites: list[Overwrite],
) -> None:
    roles = {role_id: role(role_id, value) for role_id, value in held.items()}
    member = Member(guild_id=GUILD, user_id=USER, joined_at=0, roles=tuple(has), timeout_until=timeout, pending=pending)
    channel = None if kind is None else Channel(id=5, guild_id=GUILD, type=kind, overwrites=tuple(overwrites))
    state = GuildState(Guild(id=GUILD, name="g", owner_id=USER if owner else OTHER), roles.values())
    found = state.permissions(member, channel, NOW)
    assert found == sum(bit for bit in _BITS if oracle(bit, owner, roles, member, channel))
