"""Policy: who is told what of a guild's changes, and in which order (protocol.md §3.2, §3.3)."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.api_world import BELL, CARL, DORA, GENERAL, LAB, STAFF_ONLY, STAFF_ROLE
from tests.support.gateway_rig import Rig
from tocsin.gateway import automod, policy
from tocsin.gateway.cohorts import POWERS
from tocsin.model.entities import Channel, Guild, Member, Overwrite, Role, User
from tocsin.model.event import Event
from tocsin.model.permissions import Permission
from tocsin.service import guild_events
from tocsin.service.users import UserPatch
from tocsin.store import rows
from tocsin.store.base import Op

VIEW = int(Permission.VIEW_CHANNEL)
NEW = 3900


class Lab:
    """Changes of the guild, committed as the services commit them."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.store = rig.services.context.store

    async def _commit(self, ops: list[Op], *events: Event) -> None:
        await self.store.commit(ops, events)
        await self.rig.settle()

    async def channel(self, *overwrites: Overwrite, channel_id: int = NEW) -> Channel:
        made = Channel(id=channel_id, guild_id=LAB, type=0, name="made", overwrites=overwrites)
        await self._commit(list(rows.channel_ops(made)), guild_events.channel_create(made))
        return made

    async def overwrite(self, channel_id: int, *overwrites: Overwrite) -> None:
        before = await self.store.channel(channel_id)
        assert before is not None
        after = msgspec.structs.replace(before, overwrites=overwrites)
        await self._commit(rows.channel_update_ops(after), guild_events.channel_update(after))

    async def drop_channel(self, channel_id: int) -> None:
        channel = await self.store.channel(channel_id)
        assert channel is not None
        await self._commit(rows.channel_delete_ops(channel_id), guild_events.channel_delete(channel))

    async def roles_of(self, user_id: int, *roles: int) -> None:
        member, user = await self.store.member(LAB, user_id), await self.store.user(user_id)
        assert member is not None
        assert user is not None
        after = msgspec.structs.replace(member, roles=roles)
        await self._commit(rows.member_update_ops(after), guild_events.member_update(after, user))

    async def join(self, user_id: int) -> None:
        user = await self.store.user(user_id)
        assert user is not None
        member = Member(guild_id=LAB, user_id=user_id, joined_at=self.rig.clock())
        await self._commit(list(rows.member_ops(member)), guild_events.member_add(member, user))

    async def leave(self, user_id: int) -> None:
        user = await self.store.user(user_id)
        assert user is not None
        await self._commit(rows.member_delete_ops(LAB, user_id), guild_events.member_remove(LAB, user))


@pytest.fixture
def lab(rig: Rig) -> Lab:
    return Lab(rig)


def hide(target: int, *, kind: int = 0) -> Overwrite:
    return Overwrite(id=target, type=kind, deny=VIEW)


def show(target: int, *, kind: int = 0) -> Overwrite:
    return Overwrite(id=target, type=kind, allow=VIEW)


async def people(rig: Rig) -> tuple[int, int, int]:
    """Sessions of ada (owner), bell (staff) and carl (no role), with their first dispatches taken."""
    keys = (await rig.identify("ada"), await rig.identify("bell"), await rig.identify("carl"))
    await rig.settle()
    for key in keys:
        rig.told(key)
    rig.core.log.clear()
    return keys


# -- channels


async def test_a_new_channel_is_told_to_those_who_may_view_it_after_the_index_knows_it(rig: Rig, lab: Lab) -> None:
    ada, bell, carl = await people(rig)
    await lab.channel(hide(LAB), show(STAFF_ROLE))
    assert [rig.names(each) for each in (ada, bell, carl)] == [["CHANNEL_CREATE"], ["CHANNEL_CREATE"], []]
    assert [NEW in rig.sees(each) for each in (ada, bell, carl)] == [True, True, False]
    assert rig.core.log.index(f"set_channel {NEW}") < rig.core.log.index("CHANNEL_CREATE")


async def test_a_deleted_channel_is_told_to_those_who_saw_it(rig: Rig, lab: Lab) -> None:
    ada, bell, carl = await people(rig)
    await lab.drop_channel(STAFF_ONLY)
    assert [rig.names(each) for each in (ada, bell, carl)] == [["CHANNEL_DELETE"], ["CHANNEL_DELETE"], []]
    assert all(STAFF_ONLY not in rig.sees(each) for each in (ada, bell, carl))


async def test_an_overwrite_that_hides_a_channel_deletes_it_for_losers_and_updates_it_for_the_rest(
    rig: Rig, lab: Lab
) -> None:
    ada, bell, carl = await people(rig)
    await lab.overwrite(GENERAL, hide(LAB), show(STAFF_ROLE))
    assert [rig.names(each) for each in (ada, bell, carl)] == [
        ["CHANNEL_UPDATE"],
        ["CHANNEL_UPDATE"],
        ["CHANNEL_DELETE"],
    ]
    assert GENERAL not in rig.sees(carl)
    log = rig.core.log
    assert log.index("CHANNEL_DELETE") < log.index(f"set_channel {GENERAL}") < log.index("CHANNEL_UPDATE")


async def test_an_overwrite_for_one_member_moves_only_that_member(rig: Rig, lab: Lab) -> None:
    ada, bell, carl = await people(rig)
    eddy = await rig.identify("eddy", intents=1)
    rig.told(eddy)
    await lab.overwrite(GENERAL, hide(CARL, kind=1))
    assert [rig.names(each) for each in (ada, bell, carl, eddy)] == [
        ["CHANNEL_UPDATE"],
        ["CHANNEL_UPDATE"],
        ["CHANNEL_DELETE"],
        ["CHANNEL_UPDATE"],
    ]
    assert [GENERAL in rig.sees(each) for each in (bell, carl, eddy)] == [True, False, True]
    await lab.overwrite(GENERAL)
    assert rig.names(carl) == ["CHANNEL_CREATE"]
    assert GENERAL in rig.sees(carl)


# -- roles and members


async def test_gaining_a_role_shows_its_channels_and_losing_it_hides_them(rig: Rig, lab: Lab) -> None:
    ada, bell, carl = await people(rig)
    await lab.roles_of(CARL, STAFF_ROLE)
    assert rig.names(carl) == ["CHANNEL_CREATE", "GUILD_MEMBER_UPDATE"]
    assert rig.names(ada) == rig.names(bell) == ["GUILD_MEMBER_UPDATE"]
    assert STAFF_ONLY in rig.sees(carl)
    await lab.roles_of(CARL)
    assert rig.names(carl) == ["CHANNEL_DELETE", "GUILD_MEMBER_UPDATE"]
    assert STAFF_ONLY not in rig.sees(carl)


async def test_ones_own_update_comes_once_and_without_the_intent(rig: Rig, lab: Lab) -> None:
    bell = await rig.identify("bell", intents=1)
    rig.told(bell)
    await lab.roles_of(BELL)
    assert rig.names(bell).count("GUILD_MEMBER_UPDATE") == 1
    await lab.roles_of(CARL, STAFF_ROLE)
    assert "GUILD_MEMBER_UPDATE" not in rig.names(bell)


async def test_a_role_that_loses_sight_hides_channels_from_all_who_hold_it(rig: Rig, lab: Lab) -> None:
    ada, bell, carl = await people(rig)
    everyone = Role(id=LAB, guild_id=LAB, name="@everyone", permissions=0)
    await lab.store.commit(rows.role_ops(everyone), [guild_events.role_update(everyone)])
    await rig.settle()
    assert rig.sees(carl) == set()
    names = rig.names(carl)
    assert names.count("CHANNEL_DELETE") == 4
    assert names[-1] == "GUILD_ROLE_UPDATE"
    assert rig.names(ada) == ["GUILD_ROLE_UPDATE"]
    assert rig.sees(bell) == {STAFF_ONLY}


async def test_a_deleted_role_takes_its_channels_with_it(rig: Rig, lab: Lab) -> None:
    ada, bell, carl = await people(rig)
    role = rig.guilds.get(LAB).state.roles[STAFF_ROLE]  # type: ignore[union-attr]
    await lab.store.commit(rows.role_delete_ops(LAB, STAFF_ROLE), [guild_events.role_delete(role)])
    await rig.settle()
    assert rig.names(bell) == ["CHANNEL_DELETE", "GUILD_ROLE_DELETE"]
    assert rig.names(ada) == rig.names(carl) == ["GUILD_ROLE_DELETE"]
    assert rig.sees(bell) == rig.sees(carl)


async def test_a_new_owner_sees_everything(rig: Rig, lab: Lab) -> None:
    _, _, carl = await people(rig)
    guild = Guild(id=LAB, name="Lab", owner_id=CARL)
    state = rig.guilds.get(LAB).state  # type: ignore[union-attr]
    changed = guild_events.guild_update(guild, list(state.roles.values()), [])
    await lab.store.commit(rows.guild_update_ops(guild), [changed])
    await rig.settle()
    assert rig.names(carl) == ["CHANNEL_CREATE", "GUILD_UPDATE"]
    assert rig.sees(carl) == set(state.channels)


async def test_who_joins_is_told_the_guild_and_the_others_the_member(rig: Rig, lab: Lab) -> None:
    ada, _, _ = await people(rig)
    dora = await rig.identify("dora")
    assert rig.names(dora) == ["READY"]
    await lab.join(DORA)
    assert rig.names(dora) == ["GUILD_CREATE"]
    assert rig.names(ada) == ["GUILD_MEMBER_ADD"]
    assert GENERAL in rig.sees(dora)


async def test_who_is_removed_is_told_the_guild_is_gone_and_the_others_the_member(rig: Rig, lab: Lab) -> None:
    ada, _, carl = await people(rig)
    await lab.leave(CARL)
    assert rig.told(carl) == [("GUILD_DELETE", {"id": str(LAB)})]
    assert rig.names(ada) == ["GUILD_MEMBER_REMOVE"]
    assert rig.sees(carl) == set()
    await lab.join(CARL)
    assert rig.names(carl) == ["GUILD_CREATE"]


async def test_a_join_to_a_guild_nobody_here_was_in_loads_it(rig: Rig, lab: Lab) -> None:
    dora = await rig.identify("dora")
    rig.told(dora)
    assert rig.guilds.get(LAB) is None
    await lab.join(DORA)
    assert rig.names(dora) == ["GUILD_CREATE"]
    assert GENERAL in rig.sees(dora)


# -- guilds, bans and users


async def test_a_new_guild_is_told_to_its_owners_sessions(rig: Rig, lab: Lab) -> None:
    ada, _, carl = await people(rig)
    await rig.services.guilds.create(await rig.who("ada"), {"name": "New"})
    await rig.settle()
    [(name, body)] = rig.told(ada)
    assert name == "GUILD_CREATE"
    assert body["name"] == "New"
    assert body["owner"] is True
    assert rig.names(carl) == []


async def test_a_deleted_guild_is_told_to_all_and_forgotten(rig: Rig, lab: Lab) -> None:
    keys = await people(rig)
    await rig.services.guilds.delete(await rig.who("ada"), LAB)
    await rig.settle()
    assert [rig.told(each) for each in keys] == [[("GUILD_DELETE", {"id": str(LAB)})]] * 3
    assert rig.guilds.get(LAB) is None
    assert rig.core.views == {}


def test_whoever_holds_none_of_the_powers_is_told_nothing_that_goes_by_a_permission_in_the_guild() -> None:
    """Takeovers take the powerless for people who missed nothing of it."""
    for masks in (policy._GUILD_HOLDERS.values(), (automod._MANAGE_GUILD,)):
        assert all(mask & ~POWERS == 0 for mask in masks)


async def test_bans_are_told_to_those_who_may_ban(rig: Rig, lab: Lab) -> None:
    ada, bell, carl = await people(rig)
    user = User(id=DORA, username="dora")
    await lab.store.commit([], [guild_events.ban_add(LAB, user)])
    await rig.settle()
    assert [rig.names(each) for each in (ada, bell, carl)] == [["GUILD_BAN_ADD"], [], []]


async def test_a_user_update_goes_to_ones_own_sessions_and_the_guild_hears_of_the_member(rig: Rig) -> None:
    ada, _, carl = await people(rig)
    await rig.services.users.update(await rig.who("carl"), UserPatch(global_name="K"))
    await rig.settle()
    assert sorted(rig.names(carl)) == ["GUILD_MEMBER_UPDATE", "USER_UPDATE"]
    assert rig.names(ada) == ["GUILD_MEMBER_UPDATE"]


async def test_an_event_that_cannot_be_applied_ends_the_guilds_sessions_and_is_resolved(rig: Rig) -> None:
    ada, bell, carl = await people(rig)
    rig.policy.apply(999, 1, LAB, 0, "CHANNEL_UPDATE", b'{"id":"no number"}')
    assert rig.core.resolved[-1] == 999
    assert set(rig.core.ended) == {ada, bell, carl}
    assert rig.guilds.get(LAB) is None


async def test_an_event_of_a_guild_nobody_is_in_is_resolved_at_once(rig: Rig) -> None:
    rig.policy.apply(7, 1, LAB, 0, "CHANNEL_UPDATE", b"{}")
    assert rig.core.resolved == [7]
    assert rig.core.log == []
