"""Op 0, 4, 8, 14, 31, 37 and 43 on real sockets (protocol.md §1.3, §1.9)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.town import BELL, CLERK, Town, names
from tocsin.model.intents import Intents


def test_typing_over_the_socket_reaches_the_channel_once_per_throttle(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    boss, other = town.listen(owner), town.listen(member)
    for _ in range(3):
        other.send(0, {"channel_id": place.general}, t="TYPING_START")
    d = boss.until("TYPING_START")
    assert (d["channel_id"], d["guild_id"], d["user_id"]) == (place.general, place.id, member.id)
    assert d["member"]["user"]["id"] == member.id
    assert isinstance(d["timestamp"], int)
    [told] = town.told(place, boss)
    assert "TYPING_START" not in names(told[told.index(("TYPING_START", d)) + 1 :])


def test_typing_where_one_may_not_look_is_ignored(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    room = town.call(owner, "POST", f"/guilds/{place.id}/channels", {
        "name": "room", "type": 0, "permission_overwrites": [{"id": place.id, "type": 0, "deny": "1024", "allow": "0"}],
    })["id"]  # fmt: skip
    boss, other = town.listen(owner), town.listen(member)
    other.send(0, {"channel_id": room}, t="TYPING_START")
    other.flush()
    [told] = town.told(place, boss)
    assert "TYPING_START" not in names(told)


def test_all_members_come_with_the_nonce_and_their_presences(town: Town) -> None:
    people = [town.person() for _ in range(4)]
    place = town.place(people[0], *people[1:], BELL)
    town.listen(people[1])
    bot = town.listen(BELL)
    bot.send(8, {"guild_id": int(place.id), "query": "", "limit": 0, "presences": True, "nonce": "abc"})
    chunk = bot.until("GUILD_MEMBERS_CHUNK")
    assert {each["user"]["id"] for each in chunk["members"]} == {BELL.id, *(each.id for each in people)}
    assert (chunk["chunk_index"], chunk["chunk_count"], chunk["nonce"]) == (0, 1, "abc")
    assert {each["user"]["id"] for each in chunk["presences"]} == {BELL.id, people[1].id}
    assert "not_found" not in chunk


def test_asking_for_all_members_twice_is_rate_limited(town: Town) -> None:
    place = town.place(town.person(), BELL)
    bot = town.listen(BELL)
    for nonce in ("one", "two"):
        bot.send(8, {"guild_id": place.id, "query": "", "limit": 0, "nonce": nonce})
    limited = bot.until("RATE_LIMITED")
    assert limited["opcode"] == 8
    assert 0 < limited["retry_after"] <= 30
    assert limited["meta"] == {"guild_id": place.id, "nonce": "two"}


def test_members_by_prefix_and_by_id(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    town.call(owner, "PATCH", f"/guilds/{place.id}/members/{member.id}", {"nick": "Zoë"})
    boss = town.listen(owner)
    boss.send(8, {"guild_id": place.id, "query": "zO", "limit": 5})
    assert [each["user"]["id"] for each in boss.until("GUILD_MEMBERS_CHUNK")["members"]] == [member.id]
    boss.send(8, {"guild_id": [place.id], "user_ids": [member.id, "123", BELL.id]})
    chunk = boss.until("GUILD_MEMBERS_CHUNK", guild_id=place.id)
    assert [each["user"]["id"] for each in chunk["members"]] == [member.id]
    assert chunk["not_found"] == [123, int(BELL.id)]
    boss.send(8, {"guild_id": place.id, "query": "nobody at all", "limit": 1})
    none = boss.until("GUILD_MEMBERS_CHUNK")
    assert (none["members"], none["chunk_index"], none["chunk_count"]) == ([], 0, 1)


def test_what_may_not_be_asked_is_met_with_silence(town: Town) -> None:
    place = town.place(town.person(), BELL)
    elsewhere = town.place(town.person())
    bot = town.listen(BELL, intents=int(Intents.GUILDS))
    bot.send(8, {"guild_id": place.id, "query": "", "limit": 0})
    bot.send(8, {"guild_id": elsewhere.id, "query": "a", "limit": 1})
    bot.send(43, {"guild_id": elsewhere.id, "fields": ["status"]})
    bot.send(31, {"guild_ids": [elsewhere.id]})
    assert not {"GUILD_MEMBERS_CHUNK", "CHANNEL_INFO", "SOUNDBOARD_SOUNDS"} & {*names(bot.flush())}


def test_a_guild_of_thousands_comes_in_chunks(town: Town) -> None:
    bot = town.listen(BELL)
    big = next(d for name, d in bot.events if name == "GUILD_CREATE" and d["name"] == "Crowd")
    assert big["large"] is True
    assert big["member_count"] == 2402
    # Nobody there is online and nobody has a role or a nick, but for the bot itself.
    assert {each["user"]["id"] for each in big["members"]} <= {BELL.id, "1001"}
    bot.send(8, {"guild_id": big["id"], "query": "", "limit": 0, "nonce": "all"})
    chunks = [bot.until("GUILD_MEMBERS_CHUNK") for _ in range(3)]
    assert [len(each["members"]) for each in chunks] == [1000, 1000, 402]
    assert [(each["chunk_index"], each["chunk_count"], each["nonce"]) for each in chunks] == [
        (0, 3, "all"), (1, 3, "all"), (2, 3, "all"),
    ]  # fmt: skip
    assert len({each["user"]["id"] for chunk in chunks for each in chunk["members"]}) == 2402


def test_channel_info_lists_voice_channels_in_sight(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    deny = [{"id": place.id, "type": 0, "deny": "1024", "allow": "0"}]
    path = f"/guilds/{place.id}/channels"
    voice = town.call(owner, "POST", path, {"name": "talk", "type": 2})["id"]
    town.call(owner, "POST", path, {"name": "hidden", "type": 2, "permission_overwrites": deny})
    other = town.listen(member)
    other.send(43, {"guild_id": place.id, "fields": ["status", "voice_start_time"]})
    info = other.until("CHANNEL_INFO")
    listed = [each["id"] for each in info["channels"]]
    assert voice in listed
    assert info["guild_id"] == place.id
    visible = [each["id"] for each in town.call(member, "GET", path) if each["type"] == 2]
    assert sorted(listed) == sorted(visible)


@pytest.mark.parametrize(
    ("code", "d"),
    [(4, {"guild_id": "1", "channel_id": None, "self_mute": False, "self_deaf": False}), (14, {"guild_id": "1"}),
     (37, {"subscriptions": {}})],
)  # fmt: skip
def test_voice_and_subscriptions_are_taken_and_the_session_lives(town: Town, code: int, d: Any) -> None:
    town.place(town.person(), CLERK)
    bot = town.listen(CLERK, intents=1)
    bot.send(code, d)
    assert bot.flush() is not None


@pytest.mark.parametrize(
    ("code", "d"),
    [(3, []), (3, {"status": "flying"}), (3, {"status": "online", "activities": {}}), (4, 1), (8, {}),
     (8, {"guild_id": "x", "query": "", "limit": 0}), (8, {"guild_id": "1", "query": 1}), (31, {}), (43, "x"), (14, 7)],
)  # fmt: skip
def test_a_payload_of_the_wrong_shape_closes_4001_and_the_session_can_be_resumed(town: Town, code: int, d: Any) -> None:
    bot = town.listen(CLERK, intents=0)
    bot.send(code, d)
    assert bot.client.read_close() == 4001
