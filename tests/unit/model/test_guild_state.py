"""GuildState follows its guild's log: every state event, once, in order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tocsin.model import wire
from tocsin.model.entities import Channel, Guild, Member, Overwrite, Role, User
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import Permission
from tocsin.model.snapshot import GuildSnapshot

G = 1
VIEW = int(Permission.VIEW_CHANNEL)
SEND = int(Permission.SEND_MESSAGES)
ADA, BELL, CARL = User(id=100, username="ada"), User(id=101, username="bell"), User(id=102, username="carl")
STAFF = Role(id=10, guild_id=G, name="staff")


def member(user: User, *roles: int) -> Member:
    return Member(guild_id=G, user_id=user.id, joined_at=1_700_000_000_000, roles=roles)


@pytest.fixture
def state() -> GuildState:
    hidden = (Overwrite(id=G, type=0, deny=VIEW), Overwrite(id=STAFF.id, type=0, allow=VIEW))
    return GuildState.from_snapshot(
        GuildSnapshot(
            seq=5,
            guild=Guild(id=G, name="lab", owner_id=ADA.id),
            roles=[Role(id=G, guild_id=G, name="@everyone", permissions=VIEW | SEND), STAFF],
            channels=[
                Channel(id=20, type=0, guild_id=G, name="general"),
                Channel(id=21, type=0, guild_id=G, name="staff", overwrites=hidden),
            ],
            members=[member(ADA), member(BELL, STAFF.id)],
            users=[ADA, BELL],
            member_count=2,
        )
    )


def event(name: str, body: dict[str, Any], seq: int = 6) -> Event:
    return Event(
        name=name, scope=Scope(ScopeKind.GUILD, G), body=msgspec.json.encode(body), guild_id=G, state=True, seq=seq
    )


def with_guild(body: dict[str, Any]) -> dict[str, Any]:
    return {"guild_id": str(G), **body}


def test_a_snapshot_is_all_there_is(state: GuildState) -> None:
    assert set(state.roles) == {G, STAFF.id}
    assert set(state.channels) == {20, 21}
    assert set(state.members) == set(state.users) == {ADA.id, BELL.id}
    assert (state.member_count, state.seq) == (2, 5)


def test_who_sees_what(state: GuildState) -> None:
    carl = member(CARL)
    assert state.can_view(carl, state.channels[20])
    assert not state.can_view(carl, state.channels[21])
    assert state.can_view(state.members[BELL.id], state.channels[21])
    assert state.can_view(state.members[ADA.id], state.channels[21])


def test_a_timeout_takes_speech_but_not_sight(state: GuildState) -> None:
    quiet = msgspec.structs.replace(member(CARL), timeout_until=2000)
    assert state.can_view(quiet, state.channels[20])
    assert state.permissions(quiet, state.channels[20], 1000) == VIEW
    assert state.permissions(quiet, state.channels[20], 2000) == VIEW | SEND


def test_events_move_the_place_in_the_log_and_old_ones_are_skipped(state: GuildState) -> None:
    renamed = msgspec.structs.replace(state.guild, name="new")
    state.apply(event("GUILD_UPDATE", wire.guild(renamed, []), seq=5))
    assert (state.guild.name, state.seq) == ("lab", 5)
    state.apply(event("GUILD_UPDATE", wire.guild(renamed, []), seq=6))
    assert (state.guild, state.seq) == (renamed, 6)
    assert set(state.roles) == {G, STAFF.id}


def test_names_that_change_nothing_still_move_the_place(state: GuildState) -> None:
    state.apply(event("GUILD_BAN_ADD", with_guild({"user": wire.user(CARL)}), seq=6))
    state.apply(event("MESSAGE_CREATE", {"id": "1"}, seq=7))
    assert state.seq == 7
    assert state.member_count == 2


def test_roles_come_change_and_go(state: GuildState) -> None:
    role = Role(id=11, guild_id=G, name="mod", permissions=SEND, position=2, color=5, hoist=True)
    state.apply(event("GUILD_ROLE_CREATE", with_guild({"role": wire.role(role)})))
    assert state.roles[11] == role
    louder = msgspec.structs.replace(role, permissions=SEND | VIEW)
    state.apply(event("GUILD_ROLE_UPDATE", with_guild({"role": wire.role(louder)}), seq=7))
    assert state.roles[11] == louder


def test_a_deleted_role_leaves_members_and_overwrites(state: GuildState) -> None:
    state.apply(event("GUILD_ROLE_DELETE", with_guild({"role_id": str(STAFF.id)})))
    assert STAFF.id not in state.roles
    assert state.members[BELL.id].roles == ()
    assert [each.id for each in state.channels[21].overwrites] == [G]
    assert not state.can_view(state.members[BELL.id], state.channels[21])


def test_channels_come_change_and_go(state: GuildState) -> None:
    channel = Channel(id=22, type=0, guild_id=G, name="news", position=3, topic="t", default_auto_archive_duration=1440)
    state.apply(event("CHANNEL_CREATE", wire.channel(channel)))
    assert state.channels[22] == channel
    hidden = msgspec.structs.replace(channel, overwrites=(Overwrite(id=G, type=0, deny=VIEW),))
    state.apply(event("CHANNEL_UPDATE", wire.channel(hidden), seq=7))
    assert state.channels[22] == hidden
    assert not state.can_view(member(CARL), state.channels[22])
    state.apply(event("CHANNEL_DELETE", wire.channel(hidden), seq=8))
    assert 22 not in state.channels


def test_members_come_change_and_go(state: GuildState) -> None:
    state.apply(event("GUILD_MEMBER_ADD", with_guild(wire.member(member(CARL), CARL))))
    assert state.members[CARL.id] == member(CARL)
    assert state.users[CARL.id] == CARL
    assert state.member_count == 3
    state.apply(event("GUILD_MEMBER_UPDATE", with_guild(wire.member(member(CARL, STAFF.id), CARL)), seq=7))
    assert state.members[CARL.id].roles == (STAFF.id,)
    assert state.can_view(state.members[CARL.id], state.channels[21])
    state.apply(event("GUILD_MEMBER_REMOVE", with_guild({"user": wire.user(CARL)}), seq=8))
    assert CARL.id not in state.members
    assert CARL.id not in state.users
    assert state.member_count == 2


def test_a_repeated_join_counts_once_and_a_repeated_leave_too(state: GuildState) -> None:
    for seq in (6, 7):
        state.apply(event("GUILD_MEMBER_ADD", with_guild(wire.member(member(CARL), CARL)), seq=seq))
    assert state.member_count == 3
    for seq in (8, 9):
        state.apply(event("GUILD_MEMBER_REMOVE", with_guild({"user": wire.user(CARL)}), seq=seq))
    assert state.member_count == 2


def test_an_update_of_a_stranger_does_not_make_a_member(state: GuildState) -> None:
    state.apply(event("GUILD_MEMBER_UPDATE", with_guild(wire.member(member(CARL), CARL))))
    assert CARL.id not in state.members
    assert state.member_count == 2


def test_a_users_change_is_taken_whatever_its_place_in_their_own_log(state: GuildState) -> None:
    renamed = msgspec.structs.replace(BELL, global_name="Bell")
    scope = Scope(ScopeKind.USER, BELL.id)
    body = msgspec.json.encode(wire.own_user(renamed))
    state.apply(Event(name="USER_UPDATE", scope=scope, body=body, users=(BELL.id,), state=True, seq=1))
    assert state.users[BELL.id].global_name == "Bell"
    assert state.seq == 5
    stranger = msgspec.json.encode(wire.own_user(CARL))
    state.apply(Event(name="USER_UPDATE", scope=Scope(ScopeKind.USER, CARL.id), body=stranger, state=True, seq=900))
    assert CARL.id not in state.users
    assert state.seq == 5


def test_a_created_guild_is_read_whole() -> None:
    guild = Guild(id=G, name="fresh", owner_id=ADA.id)
    everyone = Role(id=G, guild_id=G, name="@everyone", permissions=VIEW)
    general = Channel(id=20, type=0, guild_id=G, name="general", default_auto_archive_duration=1440)
    in_guild = wire.channel(general)
    del in_guild["guild_id"]
    body = {
        **wire.guild(guild, [everyone]),
        "channels": [in_guild],
        "members": [wire.member(member(ADA), ADA)],
        "member_count": 1,
    }
    state = GuildState(guild)
    state.apply(event("GUILD_CREATE", body, seq=1))
    assert state.roles == {G: everyone}
    assert state.channels == {20: general}
    assert state.members == {ADA.id: member(ADA)}
    assert (state.member_count, state.seq) == (1, 1)


def test_a_body_that_is_not_the_payload_raises_and_leaves_the_place(state: GuildState) -> None:
    with pytest.raises(KeyError):
        state.apply(event("GUILD_ROLE_CREATE", with_guild({})))
    broken = Event(name="CHANNEL_CREATE", scope=Scope(ScopeKind.GUILD, G), body=b"{", state=True, seq=6)
    with pytest.raises(msgspec.DecodeError):
        state.apply(broken)
    assert state.seq == 5
