"""Cohorts: one per set of permission inputs, with ids that never come back."""

from __future__ import annotations

from itertools import count

import pytest

from tests.support.gateway_rig import Dispatcher
from tocsin.gateway.cohorts import EMPTY_COHORTS_KEPT, CohortKey, CohortTable
from tocsin.model.entities import Channel, Guild, Member, Overwrite, Role
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import Permission

GUILD, STAFF, ADMIN = 1, 2, 3
OPEN, SECRET, PERSONAL = 10, 11, 12
OWNER, ANN, BEN = 100, 101, 102
VIEW = int(Permission.VIEW_CHANNEL)


@pytest.fixture
def state() -> GuildState:
    roles = [
        Role(id=GUILD, guild_id=GUILD, name="@everyone", permissions=VIEW),
        Role(id=STAFF, guild_id=GUILD, name="staff"),
        Role(id=ADMIN, guild_id=GUILD, name="admin", permissions=int(Permission.ADMINISTRATOR)),
    ]
    hidden = Overwrite(id=GUILD, type=0, deny=VIEW)
    channels = [
        Channel(id=OPEN, guild_id=GUILD, type=0),
        Channel(id=SECRET, guild_id=GUILD, type=0, overwrites=(hidden, Overwrite(id=STAFF, type=0, allow=VIEW))),
        Channel(id=PERSONAL, guild_id=GUILD, type=0, overwrites=(hidden, Overwrite(id=BEN, type=1, allow=VIEW))),
    ]
    return GuildState(Guild(id=GUILD, name="g", owner_id=OWNER), roles, channels)


@pytest.fixture
def table(state: GuildState) -> CohortTable:
    return CohortTable(state, count(1).__next__)


def member(user_id: int, *roles: int) -> Member:
    return Member(guild_id=GUILD, user_id=user_id, joined_at=0, roles=roles)


@pytest.mark.parametrize(
    ("who", "key", "view"),
    [
        (member(OWNER, STAFF), CohortKey(True, (STAFF,), 0), {OPEN, SECRET, PERSONAL}),
        (member(ANN), CohortKey(False, (), 0), {OPEN}),
        (member(ANN, STAFF), CohortKey(False, (STAFF,), 0), {OPEN, SECRET}),
        (member(ANN, ADMIN, STAFF), CohortKey(False, (STAFF, ADMIN), 0), {OPEN, SECRET, PERSONAL}),
        (member(BEN), CohortKey(False, (), BEN), {OPEN, PERSONAL}),
    ],
)
def test_a_member_falls_into_the_cohort_of_their_inputs(
    table: CohortTable, who: Member, key: CohortKey, view: set[int]
) -> None:
    assert table.key_of(who) == key
    cohort = table.cohort_for(key)
    assert cohort.view == view
    assert table.cohort_for(key) is cohort


def test_the_index_is_told_only_what_changed(table: CohortTable, state: GuildState) -> None:
    core = Dispatcher()
    table.cohort_for(CohortKey(False, (), 0))
    table.flush(core)
    assert core.log == [f"set_channel {OPEN}"]
    core.log.clear()
    table.cohort_for(CohortKey(False, (STAFF,), 0))
    table.flush(core)
    assert core.log == [f"set_channel {OPEN}", f"set_channel {SECRET}"]
    core.log.clear()
    del state.channels[SECRET]
    table.recompute_channels((SECRET,))
    table.flush(core)
    table.flush(core)
    assert core.log == [f"remove_channel {SECRET}"]


def test_the_index_hears_of_roles_as_soon_as_it_matters_and_of_changes_then(state: GuildState) -> None:
    core, matters = Dispatcher(), [False]
    table = CohortTable(state, count(1).__next__, lambda: matters[0])
    staff, both = (table.cohort_for(CohortKey(False, roles, 0)) for roles in ((STAFF,), (STAFF, ADMIN)))
    table.flush(core)
    assert not {STAFF, ADMIN} & {channel for _, channel in core.views}
    matters[0] = True
    table.flush(core)
    assert (core.views[GUILD, STAFF], core.views[GUILD, ADMIN]) == ({staff.id, both.id}, {both.id})
    core.log.clear()
    table.rekey(both, CohortKey(False, (ADMIN,), 0))
    table.flush(core)
    assert (core.views[GUILD, STAFF], core.views[GUILD, ADMIN]) == ({staff.id}, {both.id})
    table.rekey(staff, CohortKey(False, (), 0))
    table.flush(core)
    table.flush(core)
    assert core.log == [f"set_channel {STAFF}", f"set_channel {ADMIN}", f"remove_channel {STAFF}"]


def test_a_user_is_named_by_the_first_overwrite_and_until_the_last(table: CohortTable, state: GuildState) -> None:
    names_ann = Overwrite(id=ANN, type=1, deny=VIEW)
    changes = []
    for channel_id, overwrites in ((OPEN, (names_ann,)), (SECRET, (names_ann,)), (OPEN, ()), (SECRET, ())):
        state.channels[channel_id] = Channel(id=channel_id, guild_id=GUILD, type=0, overwrites=overwrites)
        changes.append(table.note_channel(channel_id))
    assert changes == [{ANN}, frozenset(), frozenset(), {ANN}]


def test_many_empty_cohorts_are_forgotten_and_their_ids_never_used_again(table: CohortTable) -> None:
    made = {table.cohort_for(CohortKey(False, (), user_id)).id for user_id in range(1, EMPTY_COHORTS_KEPT + 2)}
    kept = table.cohort_for(CohortKey(True, (), 0))
    kept.users.add(OWNER)
    table.sweep()
    assert set(table.by_id) == {kept.id}
    assert table.cohort_for(CohortKey(False, (), 1)).id not in made
