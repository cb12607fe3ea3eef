"""When presences are told: once per user and second, a few at a time in a storm; and who is idle (protocol.md §9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.support.api_world import ADA, BELL, CARL, LAB
from tests.support.gateway_rig import Rig
from tocsin.gateway import presence as policy
from tocsin.model.intents import ALL, Intents

Timers = list[Callable[[], None]]


@pytest.fixture
def timers(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Timers:
    """The presences' own timers, run by hand, over a window of one second."""
    waiting: Timers = []
    monkeypatch.setattr(rig.presences, "_window_ms", 1000)
    monkeypatch.setattr(rig.presences, "_call_later", lambda _, run: waiting.append(run))
    return waiting


async def say(rig: Rig, key: int, status: str) -> None:
    d: dict[str, Any] = {"since": None, "activities": [], "status": status, "afk": False}
    rig.commands.handle(key, 3, msgspec.json.encode(d))
    await rig.settle()


def seen(rig: Rig, key: int, user_id: int) -> list[str]:
    told: list[tuple[str, Any]] = rig.told(key)
    return [d["status"] for name, d in told if name == "PRESENCE_UPDATE" and d["user"]["id"] == str(user_id)]


async def run(rig: Rig, timers: Timers) -> None:
    due, timers[:] = timers[:], []
    for each in due:
        each()
    await rig.settle()


async def test_changes_within_a_second_are_told_once_and_the_last_is_told(rig: Rig, timers: Timers) -> None:
    watch, carl = await rig.identify("ada"), await rig.identify("carl")
    await run(rig, timers)
    assert seen(rig, watch, CARL) == ["online"]
    for status in ("dnd", "online", "idle"):
        await say(rig, carl, status)
    await run(rig, timers)
    assert seen(rig, watch, CARL) == []
    rig.clock.now += 1000
    await run(rig, timers)
    assert seen(rig, watch, CARL) == ["idle"]
    assert rig.presences.merged == 2
    await run(rig, timers)
    assert timers == []


async def test_who_flaps_back_is_not_told_of(rig: Rig, timers: Timers) -> None:
    watch, carl = await rig.identify("ada"), await rig.identify("carl")
    await run(rig, timers)
    assert seen(rig, watch, CARL) == ["online"]
    await say(rig, carl, "dnd")
    await say(rig, carl, "online")
    rig.clock.now += 1000
    await run(rig, timers)
    assert seen(rig, watch, CARL) == []


async def test_a_storm_is_told_a_part_at_a_time_and_to_its_end(
    rig: Rig, timers: Timers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "USERS_AT_LEAST", 1)
    watch = await rig.identify("bell")
    await run(rig, timers)
    rig.presences.touch(ADA, [LAB])
    ada, carl = await rig.identify("ada"), await rig.identify("carl")
    rig.clock.now += 1000
    for _ in range(4):
        await run(rig, timers)
    assert {ada, carl} <= set(rig.core.sessions)
    told = rig.told(watch)
    assert {d["user"]["id"] for name, d in told if name == "PRESENCE_UPDATE"} == {str(ADA), str(CARL)}
    assert not rig.presences._dirty


async def test_a_large_storm_goes_in_lots_and_counts_whom_it_put_off_once(rig: Rig, timers: Timers) -> None:
    for user_id in range(200):
        rig.presences.touch(user_id, [LAB])
    waiting = []
    await rig.settle()
    while timers:
        waiting.append(len(rig.presences._dirty))
        await run(rig, timers)
    assert waiting[:4] == [184, 168, 152, 136]
    assert waiting[-1] <= policy.USERS_AT_LEAST
    assert rig.presences.delayed == 184
    assert not rig.presences._dirty


async def test_who_waits_for_their_second_holds_up_nobody_else(rig: Rig, timers: Timers) -> None:
    watch, carl = await rig.identify("ada"), await rig.identify("carl")
    await run(rig, timers)
    await say(rig, carl, "dnd")
    await run(rig, timers)
    assert timers == [rig.presences._on_expired]
    await rig.identify("bell")
    told = [d for name, d in rig.told(watch) if name == "PRESENCE_UPDATE"]
    assert [(d["user"]["id"], d["status"]) for d in told] == [(str(CARL), "online"), (str(BELL), "online")]


async def test_people_who_do_nothing_become_idle_until_they_do_something(rig: Rig) -> None:
    watch, carl = await rig.identify("ada"), await rig.identify("carl")
    bot = await rig.identify("bell")
    seen(rig, watch, CARL)
    rig.clock.now += 299_999
    rig.presences.sweep()
    await rig.settle()
    assert seen(rig, watch, CARL) == []
    rig.clock.now += 1
    rig.presences.sweep()
    await rig.settle()
    told = rig.told(watch)
    idle = [(d["user"]["id"], d["status"]) for name, d in told if name == "PRESENCE_UPDATE"]
    assert (str(CARL), "idle") in idle
    assert not [who for who, _ in idle if who == str(rig.sessions.get(bot).user_id)]  # type: ignore[union-attr]
    rig.commands.handle(carl, 31, b'{"guild_ids":[]}')
    await rig.settle()
    assert seen(rig, watch, CARL) == ["online"]


async def test_who_is_busy_or_hidden_does_not_become_idle(rig: Rig) -> None:
    watch, carl = await rig.identify("ada"), await rig.identify("carl")
    await say(rig, carl, "dnd")
    seen(rig, watch, CARL)
    rig.clock.now += 300_000
    rig.presences.sweep()
    await rig.settle()
    assert seen(rig, watch, CARL) == []
    await say(rig, carl, "invisible")
    rig.clock.now += 300_000
    rig.presences.sweep()
    await rig.settle()
    assert seen(rig, watch, CARL) == ["offline"]


async def test_in_a_large_guild_people_get_the_presences_they_asked_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.presences, "_limit", 2)
    intents = int(ALL & ~Intents.MESSAGE_CONTENT)
    watch, other = await rig.identify("ada", intents=intents), await rig.identify("ada", intents=intents)
    bot = await rig.identify("bell")
    rig.commands.handle(watch, 14, msgspec.json.encode({"guild_id": str(LAB), "members": [str(CARL)]}))
    await rig.identify("carl")
    assert [seen(rig, key, CARL) for key in (watch, other, bot)] == [["online"], [], ["online"]]
    rig.commands.handle(other, 14, msgspec.json.encode({"guild_id": str(LAB), "members": [str(CARL)]}))
    assert seen(rig, other, CARL) == ["online"]
