"""Who is invisible is offline on every surface: what others are told of them is, byte for byte, that of one who left.

Two places alike in everything: an owner and a friend. One friend goes invisible, the other ends their session.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.support.town import Listener, Person, Place, Town

LIST = "GUILD_MEMBER_LIST_UPDATE"
HIDDEN = {"since": None, "activities": [{"name": "hiding", "type": 0}], "status": "invisible", "afk": False}


class House(NamedTuple):
    """A place, its two people, what the owner's session was told when the friend went, and the DM of the two."""

    place: Place
    owner: Person
    friend: Person
    code: str
    dm: str
    told: list[tuple[str, Any]]


def masked(found: Any) -> str:
    """Return the JSON with ids, names and times in the order in which they first appear."""
    text = json.dumps(found, ensure_ascii=False)
    known: dict[str, str] = {}
    for kind, pattern in (
        ("time", r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00"),
        ("id", r"\d{15,21}"),
        ("name", r"person\d+"),
        ("session", r"[0-9a-f]{32}"),
    ):
        for each in dict.fromkeys(re.findall(pattern, text)):
            number = sum(value.startswith(kind) for value in known.values())
            known[each] = kind if kind == "time" else f"{kind}{number}"
            text = text.replace(each, known[each])
    return text


def house(town: Town, leave: Callable[[Listener], None]) -> House:
    """Furnish a place; its friend comes online, speaks, and leaves in the one way or the other."""
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    code = town.call(owner, "POST", f"/channels/{place.general}/invites", {"unique": True})["code"]
    dm = town.call(owner, "POST", "/users/@me/channels", {"recipient_id": friend.id})["id"]
    town.call(friend, "POST", f"/channels/{dm}/messages", {"content": "hi"})
    watch, other = town.listen(owner), town.listen(friend)
    watch.until("PRESENCE_UPDATE", status="online")
    watch.send(14, {"guild_id": place.id, "typing": True, "channels": {place.general: [[0, 99]]}})
    watch.until(LIST)
    town.call(friend, "POST", f"/channels/{place.general}/messages", {"content": "hi"})
    watch.until("MESSAGE_CREATE")
    watch.events.clear()
    leave(other)
    watch.until("PRESENCE_UPDATE", status="offline")
    while not any(name == LIST for name, _ in watch.events):
        watch.next()
    told = [*watch.events]
    return House(place, owner, friend, code, dm, told + watch.flush())


@pytest.fixture
def houses(town: Town) -> tuple[House, House]:
    """With a friend who is invisible but there, and with one who left."""
    return house(town, lambda friend: friend.send(3, HIDDEN)), house(town, lambda friend: friend.leave())


Surface = Callable[[Town, House], Any]


def ready(town: Town, house: House) -> Any:
    """READY and GUILD_CREATE of a session of the owner; its own names apart."""
    listener = town.listen(house.owner)
    found = {**listener.ready, "session_id": ""}
    return [found, listener.events]


def told_by_command(code: int, answer: str, d: Callable[[House], Any]) -> Surface:
    def ask(town: Town, house: House) -> Any:
        listener = town.listen(house.owner)
        listener.send(code, d(house))
        return listener.until(answer)

    return ask


def answer_to(path: Callable[[House], str]) -> Surface:
    return lambda town, house: town.call(house.owner, "GET", path(house))


def members_by_id(house: House) -> Any:
    return {"guild_id": house.place.id, "user_ids": [house.friend.id], "presences": True}


def members_of_all(house: House) -> Any:
    return {"guild_id": house.place.id, "query": "", "limit": 0, "presences": True}


def member_list(house: House) -> Any:
    return {"guild_id": house.place.id, "typing": True, "channels": {house.place.general: [[0, 99]]}}


SURFACES: dict[str, Surface] = {
    "PRESENCE_UPDATE and the live list": lambda town, house: house.told,
    "READY and GUILD_CREATE": ready,
    "op 8 by id": told_by_command(8, "GUILD_MEMBERS_CHUNK", members_by_id),
    "op 8 of all": told_by_command(8, "GUILD_MEMBERS_CHUNK", members_of_all),
    "op 14": told_by_command(14, LIST, member_list),
    "op 37": told_by_command(37, LIST, lambda house: {"subscriptions": {house.place.id: member_list(house)}}),
    "invite with counts": answer_to(lambda house: f"/invites/{house.code}?with_counts=true"),
    "guild with counts": answer_to(lambda house: f"/guilds/{house.place.id}?with_counts=true"),
    "own guilds with counts": answer_to(lambda house: "/users/@me/guilds?with_counts=true"),
    "members": answer_to(lambda house: f"/guilds/{house.place.id}/members?limit=10"),
    "member": answer_to(lambda house: f"/guilds/{house.place.id}/members/{house.friend.id}"),
    "search of members": answer_to(lambda house: f"/guilds/{house.place.id}/members/search?query=person"),
    "user": answer_to(lambda house: f"/users/{house.friend.id}"),
    "DMs": answer_to(lambda house: "/users/@me/channels"),
    "DM": answer_to(lambda house: f"/channels/{house.dm}"),
    "messages": answer_to(lambda house: f"/channels/{house.place.general}/messages"),
}
"""How somebody could look. Voice is none: who joins a channel there is seen in it, invisible or not, as Discord's."""


@pytest.mark.parametrize("name", SURFACES)
def test_an_invisible_friend_is_as_one_who_left(town: Town, houses: tuple[House, House], name: str) -> None:
    surface = SURFACES[name]
    ghost, gone = (masked(surface(town, house)).replace(house.code, "code") for house in houses)
    assert ghost == gone
    assert "invisible" not in ghost
    assert "hiding" not in ghost


def test_the_mask_hides_no_presence() -> None:
    online = {"user": {"id": "1" * 18}, "status": "online"}
    assert masked(online) != masked({**online, "status": "offline"})
    assert masked([online, {"id": "2" * 18}]) != masked([online, {"id": "1" * 18}])


def test_what_an_invisible_friend_does_afterwards_is_told_to_nobody(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    watch, ghost = town.listen(owner), town.listen(friend, presence=HIDDEN)
    watch.events.clear()
    for status in ("invisible", "offline"):
        ghost.send(3, {**HIDDEN, "status": status, "activities": [{"name": "still hiding", "type": 0}]})
    ghost.flush()
    second = town.listen(friend, presence=HIDDEN, properties={"browser": "Discord iOS"})
    second.leave()
    ghost.leave()
    [told] = town.told(place, watch)
    assert [d for name, d in told if name != "MESSAGE_CREATE" and friend.id in json.dumps(d)] == []
