"""Commands after READY: presence, members, typing, and what is accepted and ignored (protocol.md §1.3, §1.9, §9)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.api_world import ADA, BELL, CARL, GENERAL, LAB, STAFF_ONLY, VOICE
from tests.support.gateway_rig import Rig


async def send(rig: Rig, key: int, op: int, d: Any) -> None:
    rig.commands.handle(key, op, msgspec.json.encode(d))
    await rig.settle()


def presences(rig: Rig, key: int) -> list[tuple[str, str, list[str]]]:
    """Return (user, status, activity names) of each PRESENCE_UPDATE since the last call."""
    return [
        (body["user"]["id"], body["status"], [each["name"] for each in body["activities"]])
        for name, body in rig.told(key)
        if name == "PRESENCE_UPDATE"
    ]


# -- presence


async def test_coming_online_is_told_to_the_others_of_the_guild_and_not_to_oneself(rig: Rig) -> None:
    ada = await rig.identify("ada")
    carl = await rig.identify("carl")
    assert presences(rig, ada) == [(str(CARL), "online", [])]
    assert presences(rig, carl) == []


async def test_a_presence_is_shown_with_its_activity_and_device(rig: Rig) -> None:
    ada, bell = await rig.identify("ada"), await rig.identify("bell")
    rig.told(ada)
    game = {"name": "chess", "type": 0, "application_id": "1", "secrets": {"join": "x"}}
    await send(rig, bell, 3, {"since": None, "activities": [game], "status": "dnd", "afk": False})
    [(_, body)] = rig.told(ada)
    [activity] = body["activities"]
    assert body["status"] == "dnd"
    assert body["client_status"] == {"web": "dnd"}
    assert body["guild_id"] == str(LAB)
    nulls = {"url": None, "details": None, "state": None, "flags": 0}
    assert activity == {"name": "chess", "type": 0, "created_at": activity["created_at"], **nulls}


async def test_invisible_looks_like_offline_everywhere(rig: Rig) -> None:
    ada, carl = await rig.identify("ada"), await rig.identify("carl")
    rig.told(ada)
    await send(rig, carl, 3, {"since": None, "activities": [], "status": "invisible", "afk": False})
    assert presences(rig, ada) == [(str(CARL), "offline", [])]
    bell = await rig.identify("bell")
    guild = rig.told(bell)[1][1]
    assert str(CARL) not in {each["user"]["id"] for each in guild["presences"]}
    await send(rig, bell, 8, {"guild_id": str(LAB), "query": "", "limit": 0, "presences": True})
    [chunk] = [body for name, body in rig.told(bell) if name == "GUILD_MEMBERS_CHUNK"]
    assert str(CARL) not in {each["user"]["id"] for each in chunk["presences"]}


async def test_the_sixth_change_within_twenty_seconds_is_ignored(rig: Rig) -> None:
    ada, carl = await rig.identify("ada"), await rig.identify("carl")
    rig.told(ada)
    for number in range(7):
        status = "idle" if number % 2 == 0 else "dnd"
        await send(rig, carl, 3, {"since": None, "activities": [], "status": status, "afk": False})
    assert len(presences(rig, ada)) == 5
    rig.clock.advance(20_001)
    await send(rig, carl, 3, {"since": None, "activities": [], "status": "online", "afk": False})
    assert presences(rig, ada) == [(str(CARL), "online", [])]


@pytest.mark.parametrize(
    ("op", "d"), [(3, {"status": "asleep"}), (3, []), (8, {"guild_id": "x", "query": "", "limit": 0})]
)
async def test_a_payload_of_the_wrong_shape_closes_the_connection(rig: Rig, op: int, d: Any) -> None:
    bell = await rig.identify("bell")
    await send(rig, bell, op, d)
    assert rig.core.ended[bell].startswith("drop 400")


# -- members


def chunk_of(rig: Rig, key: int) -> Any:
    [chunk] = [body for name, body in rig.told(key) if name == "GUILD_MEMBERS_CHUNK"]
    return chunk


def ids(chunk: Any) -> set[int]:
    return {int(each["user"]["id"]) for each in chunk["members"]}


async def test_all_members_come_in_one_chunk_with_the_nonce(rig: Rig) -> None:
    bell = await rig.identify("bell")
    await send(rig, bell, 8, {"guild_id": [str(LAB)], "query": "", "limit": 0, "nonce": "n" * 32})
    chunk = chunk_of(rig, bell)
    assert len(ids(chunk)) == 4
    assert (chunk["chunk_index"], chunk["chunk_count"], chunk["nonce"]) == (0, 1, "n" * 32)
    assert "not_found" not in chunk
    assert "presences" not in chunk


async def test_a_prefix_finds_names_of_any_case_and_a_long_nonce_is_dropped(rig: Rig) -> None:
    bell = await rig.identify("bell")
    await send(rig, bell, 8, {"guild_id": str(LAB), "query": "CA", "limit": 5, "nonce": "n" * 33})
    chunk = chunk_of(rig, bell)
    assert ids(chunk) == {CARL}
    assert "nonce" not in chunk


async def test_ids_that_are_no_members_come_back_as_not_found(rig: Rig) -> None:
    bell = await rig.identify("bell")
    stranger = str(1 << 60)
    await send(rig, bell, 8, {"guild_id": str(LAB), "user_ids": [str(ADA), BELL, "123123", stranger], "limit": 0})
    chunk = chunk_of(rig, bell)
    assert ids(chunk) == {ADA, BELL}
    assert chunk["not_found"] == [123123, stranger]


async def test_all_members_without_the_intent_and_unknown_guilds_are_met_with_silence(rig: Rig) -> None:
    eddy = await rig.identify("eddy", intents=1)
    rig.told(eddy)
    await send(rig, eddy, 8, {"guild_id": str(LAB), "query": "", "limit": 0})
    await send(rig, eddy, 8, {"guild_id": "5", "query": "a", "limit": 1})
    assert rig.told(eddy) == []
    assert rig.core.ended == {}


# -- the rest


async def test_typing_over_the_gateway_reaches_those_who_may_view_the_channel(rig: Rig) -> None:
    ada, bell, carl = [await rig.identify(name) for name in ("ada", "bell", "carl")]
    for key in (ada, bell, carl):
        rig.told(key)
    await send(rig, bell, 0, {"t": "TYPING_START", "d": {"channel_id": str(STAFF_ONLY)}})
    assert rig.names(ada) == ["TYPING_START"]
    assert rig.names(carl) == []


async def test_typing_where_one_may_not_is_ignored(rig: Rig) -> None:
    carl = await rig.identify("carl")
    await send(rig, carl, 0, {"t": "TYPING_START", "d": {"channel_id": str(STAFF_ONLY)}})
    assert rig.core.ended == {}
    assert "TYPING_START" not in rig.core.log


@pytest.mark.parametrize(
    ("op", "d"),
    [
        (4, {"guild_id": None, "channel_id": str(VOICE), "self_mute": False, "self_deaf": False}),
        (14, {"guild_id": str(LAB), "channels": {str(GENERAL): [[0, 99]]}}),  # a bot's
        (37, {"subscriptions": {}}),
    ],
)
async def test_voice_and_subscriptions_are_accepted_and_ignored(rig: Rig, op: int, d: Any) -> None:
    bell = await rig.identify("bell")
    rig.told(bell)
    await send(rig, bell, op, d)
    assert rig.told(bell) == []
    assert rig.core.ended == {}


async def test_soundboards_are_empty_and_channel_info_lists_voice_channels_in_sight(rig: Rig) -> None:
    bell = await rig.identify("bell")
    rig.told(bell)
    await send(rig, bell, 31, {"guild_ids": [str(LAB), "5"]})
    await send(rig, bell, 43, {"guild_id": str(LAB), "fields": ["status"]})
    assert rig.told(bell) == [
        ("SOUNDBOARD_SOUNDS", {"guild_id": str(LAB), "soundboard_sounds": []}),
        ("CHANNEL_INFO", {"guild_id": str(LAB), "channels": [{"id": str(VOICE), "status": None}]}),
    ]
