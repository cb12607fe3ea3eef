"""Member lists on real sockets: windows, moves, and who is kept from what (protocol.md §1.11)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.list_client import ListClient
from tests.support.town import BELL, Listener, Person, Place, Town
from tocsin.model.member_list import murmur3
from tocsin.model.permissions import Permission

UPDATE = "GUILD_MEMBER_LIST_UPDATE"
VIEW = str(int(Permission.VIEW_CHANNEL))
FIRST = [[0, 99]]


def settle(town: Town, owner: Person, *others: Person) -> Place:
    """Make a guild whose members' names are in this order."""
    place = town.place(owner, *others)
    for at, person in enumerate((owner, *others)):
        town.call(owner, "PATCH", f"/guilds/{place.id}/members/{person.id}", {"nick": f"name{at}"})
    return place


def look(listener: Listener, place: Place, channel: str | None = None, ranges: Any = None) -> ListClient:
    """Subscribe and keep the list from the first answer on."""
    client = ListClient()
    channels = {channel or place.general: FIRST if ranges is None else ranges}
    listener.send(14, {"guild_id": place.id, "typing": True, "channels": channels})
    client.take(listener.until(UPDATE, guild_id=place.id))
    return client


def follow(listener: Listener, client: ListClient, wanted: list[str]) -> None:
    """Apply updates until the rows are these."""
    while client.members() != wanted:
        client.take(listener.until(UPDATE))


def test_the_first_window_lists_groups_and_members_and_then_what_changes(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = settle(town, owner, friend)
    watch = town.listen(owner)
    watch.send(14, {"guild_id": place.id, "channels": {place.general: FIRST}})
    d = watch.until(UPDATE)
    [sync] = d["ops"]
    assert (d["id"], d["member_count"], d["online_count"]) == ("everyone", 2, 1)
    assert d["groups"] == [{"id": "online", "count": 1}, {"id": "offline", "count": 1}]
    assert (sync["op"], sync["range"]) == ("SYNC", [0, 99])
    assert [next(iter(row)) for row in sync["items"]] == ["group", "member", "group", "member"]
    shown = sync["items"][3]["member"]
    assert shown["presence"] == {
        "user": {"id": friend.id},
        "status": "offline",
        "activities": [],
        "client_status": {},
    }
    client = ListClient()
    client.take(d)
    assert client.members() == ["online", owner.id, "offline", friend.id]
    other = town.listen(friend)
    follow(watch, client, ["online", owner.id, friend.id])
    other.leave()
    follow(watch, client, ["online", owner.id, "offline", friend.id])


def test_a_nick_moves_the_row_and_a_hoisted_role_moves_it_to_its_group(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = settle(town, owner, friend)
    watch = town.listen(owner)
    town.listen(friend)
    client = look(watch, place)
    follow(watch, client, ["online", owner.id, friend.id])
    town.call(owner, "PATCH", f"/guilds/{place.id}/members/{friend.id}", {"nick": "Aaron"})
    follow(watch, client, ["online", friend.id, owner.id])
    role = town.call(owner, "POST", f"/guilds/{place.id}/roles", {"name": "crew", "hoist": True})["id"]
    town.call(owner, "PUT", f"/guilds/{place.id}/members/{friend.id}/roles/{role}")
    follow(watch, client, [role, friend.id, "online", owner.id])
    town.call(owner, "PATCH", f"/guilds/{place.id}/roles/{role}", {"hoist": False})
    follow(watch, client, ["online", friend.id, owner.id])


def test_who_comes_and_goes_is_a_row_that_comes_and_goes(town: Town) -> None:
    owner, guest = town.person(), town.person()
    place = town.place(owner)
    watch = town.listen(owner)
    client = look(watch, place)
    town.join(place, guest)
    follow(watch, client, ["online", owner.id, "offline", guest.id])
    town.call(owner, "DELETE", f"/guilds/{place.id}/members/{guest.id}")
    follow(watch, client, ["online", owner.id])


def test_a_presence_in_place_is_an_update_of_the_row(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = settle(town, owner, friend)
    watch, other = town.listen(owner), town.listen(friend)
    client = look(watch, place)
    follow(watch, client, ["online", owner.id, friend.id])
    other.send(3, {"since": None, "activities": [], "status": "dnd", "afk": False})
    [op] = watch.until(UPDATE)["ops"]
    assert (op["op"], op["index"]) == ("UPDATE", 2)
    assert op["item"]["member"]["presence"]["status"] == "dnd"


def test_who_hides_is_listed_as_offline(town: Town) -> None:
    owner, ghost = town.person(), town.person()
    place = settle(town, owner, ghost)
    hidden = town.listen(ghost, presence={"status": "invisible", "activities": [{"name": "secret", "type": 0}]})
    watch = town.listen(owner)
    client = look(watch, place)
    assert client.members() == ["online", owner.id, "offline", ghost.id]
    [row] = client.known(((3, 3),)).values()
    assert row["member"]["presence"]["status"] == "offline"
    assert "secret" not in str(row)
    hidden.send(3, {"since": None, "activities": [], "status": "online", "afk": False})
    follow(watch, client, ["online", owner.id, ghost.id])


def locked(town: Town, place: Place, *allowed: Person) -> str:
    """Make a channel that only these and the owner may view."""
    overwrites = [{"id": place.id, "type": 0, "deny": VIEW}]
    overwrites += [{"id": each.id, "type": 1, "allow": VIEW} for each in allowed]
    body = {"name": "locked", "permission_overwrites": overwrites}
    return str(town.call(place.owner, "POST", f"/guilds/{place.id}/channels", body)["id"])


def test_a_locked_channel_lists_those_who_may_view_it(town: Town) -> None:
    owner, friend, stranger = town.person(), town.person(), town.person()
    place = settle(town, owner, friend, stranger)
    channel = locked(town, place, friend)
    watch = town.listen(owner)
    watch.send(37, {"subscriptions": {place.id: {"channels": {channel: FIRST}}}})
    d = watch.until(UPDATE)
    tokens = sorted([f"deny:{place.id}", f"allow:{friend.id}"])
    assert d["id"] == str(murmur3(",".join(tokens).encode()))
    client = ListClient()
    client.take(d)
    assert client.members() == ["online", owner.id, "offline", friend.id]


def test_a_list_of_a_channel_out_of_sight_is_met_with_silence(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = settle(town, owner, friend)
    channel = locked(town, place)
    outsider = town.listen(friend)
    outsider.send(14, {"guild_id": place.id, "channels": {channel: FIRST}})
    outsider.send(14, {"guild_id": "999", "channels": {channel: FIRST}})
    assert UPDATE not in [name for name, _ in outsider.flush()]


def test_who_loses_the_channel_gets_no_more_of_its_list(town: Town) -> None:
    owner, friend, late = town.person(), town.person(), town.person()
    place = settle(town, owner, friend)
    channel = locked(town, place, friend)
    watch, other = town.listen(owner), town.listen(friend)
    kept = look(watch, place, channel)
    look(other, place, channel)
    town.call(owner, "DELETE", f"/channels/{channel}/permissions/{friend.id}")
    other.until("CHANNEL_DELETE", id=channel)
    follow(watch, kept, ["online", owner.id])
    other.flush()
    town.join(place, late)
    town.call(owner, "PUT", f"/channels/{channel}/permissions/{late.id}", {"type": 1, "allow": VIEW})
    follow(watch, kept, ["online", owner.id, "offline", late.id])
    assert UPDATE not in [name for name, _ in other.flush()]


def test_a_dropped_window_is_invalidated_and_a_new_one_synced(town: Town) -> None:
    owner = town.person()
    place = town.place(owner)
    watch = town.listen(owner)
    look(watch, place, ranges=[[0, 0], [1, 1]])
    watch.send(14, {"guild_id": place.id, "channels": {place.general: [[0, 0], [2, 3]]}})
    ops = watch.until(UPDATE)["ops"]
    assert [(op["op"], op["range"]) for op in ops] == [("INVALIDATE", [1, 1]), ("SYNC", [2, 3])]


def test_bots_subscribe_to_nothing(town: Town) -> None:
    place = town.place(town.person(), BELL)
    bot = town.listen(BELL)
    bot.send(14, {"guild_id": place.id, "channels": {place.general: FIRST}})
    assert UPDATE not in [name for name, _ in bot.flush()]


@pytest.mark.parametrize(
    "d",
    [
        {"channels": {}},
        {"guild_id": "1", "channels": []},
        {"guild_id": "1", "channels": {"2": [[5, 1]]}},
        {"guild_id": "1", "channels": {"2": [[0, True]]}},
        {"guild_id": "1", "channels": {"2": [0, 99]}},
        {"guild_id": "1", "members": {}},
        {"guild_id": "1", "members": ["x"]},
    ],
)
def test_a_subscription_of_the_wrong_shape_closes_with_4001(town: Town, d: dict[str, Any]) -> None:
    person = town.person()
    town.place(person)
    listener = town.listen(person)
    listener.send(14, d)
    assert listener.client.read_close() == 4001
