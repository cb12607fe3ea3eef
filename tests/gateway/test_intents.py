"""Intents on real sockets: each event needs its bit, and content needs MESSAGE_CONTENT (protocol.md §2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.town import BELL, NO_PRIVILEGED, Place, Town, names
from tocsin.model.intents import Intents

Act = Callable[[Town, Place], object]


def edit_guild(town: Town, place: Place) -> None:
    town.call(place.owner, "PATCH", f"/guilds/{place.id}", {"name": "renamed"})


def make_channel(town: Town, place: Place) -> None:
    town.call(place.owner, "POST", f"/guilds/{place.id}/channels", {"name": "more", "type": 0})


def make_role(town: Town, place: Place) -> None:
    town.call(place.owner, "POST", f"/guilds/{place.id}/roles", {"name": "more"})


def join(town: Town, place: Place) -> None:
    town.join(place, town.person())


def ban(town: Town, place: Place) -> None:
    town.call(place.owner, "PUT", f"/guilds/{place.id}/bans/{town.person().id}", {})


def say(town: Town, place: Place) -> None:
    town.say(place, "hello")


def type_(town: Town, place: Place) -> None:
    town.call(place.owner, "POST", f"/channels/{place.general}/typing")


def appear(town: Town, place: Place) -> None:
    newcomer = town.person()
    town.join(place, newcomer)
    town.listen(newcomer)


CASES: list[tuple[str, Intents, Act]] = [
    ("GUILD_UPDATE", Intents.GUILDS, edit_guild),
    ("CHANNEL_CREATE", Intents.GUILDS, make_channel),
    ("GUILD_ROLE_CREATE", Intents.GUILDS, make_role),
    ("GUILD_MEMBER_ADD", Intents.GUILD_MEMBERS, join),
    ("GUILD_BAN_ADD", Intents.GUILD_MODERATION, ban),
    ("PRESENCE_UPDATE", Intents.GUILD_PRESENCES, appear),
    ("MESSAGE_CREATE", Intents.GUILD_MESSAGES, say),
    ("TYPING_START", Intents.GUILD_MESSAGE_TYPING, type_),
]


@pytest.mark.parametrize(("name", "intent", "act"), CASES, ids=[case[0] for case in CASES])
def test_an_event_comes_with_its_intent_and_not_without(town: Town, name: str, intent: Intents, act: Act) -> None:
    place = town.place(town.person(), BELL)
    role = town.call(place.owner, "POST", f"/guilds/{place.id}/roles", {"name": "mod", "permissions": "4"})["id"]
    town.call(place.owner, "PUT", f"/guilds/{place.id}/members/{BELL.id}/roles/{role}")
    having, lacking = town.listen(BELL, intents=int(intent)), town.listen(BELL, intents=0x331FFFF & ~int(intent))
    having.flush()
    lacking.flush()
    act(town, place)
    told_having, told_lacking = town.told(place, having, lacking)
    assert name in names(told_having)
    assert name not in names(told_lacking)
    allowed = {case[0] for case in CASES if case[1] == intent} | {"MESSAGE_UPDATE", "CHANNEL_UPDATE"}
    assert {each for each, d in told_having if d.get("guild_id") == place.id} <= allowed


def test_without_the_guilds_intent_ready_names_guilds_and_no_guild_create_comes(town: Town) -> None:
    place = town.place(town.person(), BELL)
    listener = town.listen(BELL, intents=int(Intents.GUILD_MESSAGES))
    assert place.id in {each["id"] for each in listener.ready["guilds"]}
    [told] = town.told(place, listener)
    assert "GUILD_CREATE" not in names(told)


def test_content_is_blank_without_message_content_but_not_when_mentioned(town: Town) -> None:
    place = town.place(town.person(), BELL)
    full, blank = town.listen(BELL), town.listen(BELL, intents=NO_PRIVILEGED)
    town.say(place, "plain")
    assert full.until("MESSAGE_CREATE")["content"] == "plain"
    assert blank.until("MESSAGE_CREATE")["content"] == ""
    town.say(place, f"hey <@{BELL.id}>")
    assert blank.until("MESSAGE_CREATE")["content"] == f"hey <@{BELL.id}>"
    town.call(BELL, "POST", f"/channels/{place.general}/messages", {"content": "mine"})
    assert blank.until("MESSAGE_CREATE")["content"] == "mine"


def test_ones_own_member_update_needs_no_intent(town: Town) -> None:
    place = town.place(town.person(), BELL)
    listener = town.listen(BELL, intents=int(Intents.GUILDS))
    listener.flush()
    town.call(place.owner, "PATCH", f"/guilds/{place.id}/members/{BELL.id}", {"nick": "ding"})
    [told] = town.told(place, listener)
    assert [d["nick"] for name, d in told if name == "GUILD_MEMBER_UPDATE"] == ["ding"]
