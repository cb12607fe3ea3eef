"""Identify, READY and GUILD_CREATE: who gets in, and what they see first (protocol.md §1.5, §3.1, §3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.api_world import BELL, GENERAL, LAB, STAFF_ONLY
from tests.support.gateway_rig import Rig
from tests.support.shapes import FIXTURES, differences
from tocsin.gateway.session import MISSED_KEPT
from tocsin.service.auth import Principal
from tocsin.service.own import Own


async def test_a_bot_gets_ready_and_then_its_guilds(rig: Rig) -> None:
    key = await rig.identify("bell", shard=[0, 1])
    (first, ready), (second, guild) = rig.told(key)
    assert (first, second) == ("READY", "GUILD_CREATE")
    assert differences(FIXTURES["READY"], ready) == []
    # The fixture's first member is the bot itself, with what only it may see of its account.
    own = {f".members[].user.{each} is missing" for each in ("verified", "email", "flags", "locale")}
    assert set(differences(FIXTURES["GUILD_CREATE"], guild)) <= own
    assert ready["guilds"] == [{"id": str(LAB), "unavailable": True}]
    assert ready["session_id"] == f"session-{key}"
    assert ready["application"] == {"id": str(BELL), "flags": ready["application"]["flags"]}
    assert ready["private_channels"] == []
    assert ready["shard"] == [0, 1]
    assert len(guild["members"]) == guild["member_count"] == 4


async def test_shard_is_only_there_when_it_was_sent(rig: Rig) -> None:
    key = await rig.identify("bell")
    assert "shard" not in rig.told(key)[0][1]


async def test_a_guild_of_another_shard_is_left_out(rig: Rig) -> None:
    key = await rig.identify("bell", shard=[1, 2])
    [(name, ready)] = rig.told(key)
    assert name == "READY"
    assert ready["guilds"] == []


async def test_guild_create_shows_only_channels_that_one_may_view(rig: Rig) -> None:
    carl, bell = await rig.identify("carl"), await rig.identify("bell")
    seen = {key: {int(each["id"]) for each in rig.told(key)[1][1]["channels"]} for key in (carl, bell)}
    assert STAFF_ONLY not in seen[carl]
    assert STAFF_ONLY in seen[bell]
    assert seen[carl] == rig.sees(carl)
    assert seen[bell] == rig.sees(bell)


async def test_without_the_guilds_intent_the_guild_is_not_told_but_its_messages_are(rig: Rig) -> None:
    key = await rig.identify("bell", intents=512)
    assert rig.names(key) == ["READY"]
    assert GENERAL in rig.sees(key)


async def test_without_presences_a_session_lists_only_itself(rig: Rig) -> None:
    key = await rig.identify("bell", intents=1)
    guild = rig.told(key)[1][1]
    assert [each["user"]["id"] for each in guild["members"]] == [str(BELL)]
    assert guild["presences"] == []


async def test_people_get_their_dms_and_bots_do_not(rig: Rig) -> None:
    await rig.services.dms.open(await rig.who("ada"), BELL)
    ada, bell = await rig.identify("ada"), await rig.identify("bell")
    [dm] = rig.told(ada)[0][1]["private_channels"]
    assert [each["id"] for each in dm["recipients"]] == [str(BELL)]
    assert rig.told(bell)[0][1]["private_channels"] == []


@pytest.mark.parametrize(
    ("who", "d", "code"),
    [
        ("bell", {"token": "wrong"}, 4004),
        ("bell", {"token": 5}, 4002),
        ("bell", {"token": ...}, 4002),
        ("bell", {"properties": ...}, 4002),
        ("bell", {"properties": []}, 4002),
        ("bell", {"shard": [1, 1]}, 4010),
        ("bell", {"shard": [-1, 1]}, 4010),
        ("bell", {"shard": "0/1"}, 4010),
        ("bell", {"intents": ...}, 4013),
        ("bell", {"intents": -1}, 4013),
        ("bell", {"intents": 1 << 17}, 4013),
        ("bell", {"intents": "x"}, 4013),
        ("ada", {"intents": 1 << 30}, 4013),
        ("eddy", {"intents": 1 << 1}, 4014),
        ("eddy", {"intents": 1 << 8}, 4014),
        ("eddy", {"intents": 1 << 15}, 4014),
        ("bell", {"presence": {"status": "asleep"}}, 4002),
    ],
)
async def test_a_bad_identify_gets_its_close_code(rig: Rig, who: str, d: dict[str, Any], code: int) -> None:
    key = await rig.identify(who, **d)
    assert rig.core.refused == {key: code}
    assert len(rig.sessions) == 0


@pytest.mark.parametrize(
    "d",
    [
        {"presence": {"game": None, "activities": None, "status": "online"}},
        {"presence": {"game": {"name": "x", "type": 0}, "since": None, "afk": False, "status": "dnd"}},
        {"token": "Bot bell-token"},
        {"intents": "513"},
        {"large_threshold": 50, "compress": False, "shard": None},
        {"compress": "zlib-stream"},
    ],
)
async def test_an_odd_identify_is_taken(rig: Rig, d: dict[str, Any]) -> None:
    key = await rig.identify("bell", **d)
    assert rig.core.refused == {}
    assert rig.names(key)[0] == "READY"


async def test_people_may_leave_intents_out(rig: Rig) -> None:
    key = await rig.identify("carl", intents=...)
    assert rig.names(key) == ["READY", "GUILD_CREATE"]


async def test_a_bot_over_its_concurrency_is_told_op_9(rig: Rig) -> None:
    keys = [await rig.identify("bell") for _ in range(17)]
    assert rig.core.refused == {keys[-1]: "op 9"}


@pytest.mark.parametrize(("events", "reads"), [(2, 1), (MISSED_KEPT + 1, 2)])
async def test_what_comes_of_ones_own_while_it_is_read_is_told_after_ready(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, events: int, reads: int
) -> None:
    read, seen = rig.services.own.of, []

    async def of(actor: Principal, role_ids: Sequence[int]) -> Own:
        seen.append(actor.id)
        if len(seen) == 1:
            for number in range(events):
                rig.sessions.missed(actor.id, "USER_NOTE_UPDATE", b'{"id":"1","note":"%d"}' % number)
        return await read(actor, role_ids)

    monkeypatch.setattr(rig.services.own, "of", of)
    told = rig.told(await rig.identify("carl"))
    assert told[0][0] == "READY"
    assert len(seen) == reads
    after = [body["note"] for name, body in told[1:] if name == "USER_NOTE_UPDATE"]
    # After very many all is read again instead.
    assert after == (["0", "1"] if reads == 1 else [])
