"""Who sees which channel, live: gaining and losing sight, joining and leaving (protocol.md §3.2)."""

from __future__ import annotations

from tests.support.town import Listener, Person, Place, Town, names

VIEW = "1024"


def hide(town: Town, place: Place, channel: str) -> None:
    town.call(
        place.owner, "PUT", f"/channels/{channel}/permissions/{place.id}", {"type": 0, "deny": VIEW, "allow": "0"}
    )


def allow(town: Town, place: Place, channel: str, who: Person) -> None:
    town.call(place.owner, "PUT", f"/channels/{channel}/permissions/{who.id}", {"type": 1, "allow": VIEW, "deny": "0"})


def make(town: Town, place: Place, name: str, *overwrites: dict[str, str | int]) -> str:
    body = {"name": name, "type": 0, "permission_overwrites": list(overwrites)}
    return str(town.call(place.owner, "POST", f"/guilds/{place.id}/channels", body)["id"])


def channels_of(listener: Listener, guild_id: str) -> set[str]:
    """What the session has been told of the guild's channels, from GUILD_CREATE on."""
    seen: set[str] = set()
    for name, d in listener.events:
        if name == "GUILD_CREATE" and d["id"] == guild_id:
            seen = {channel["id"] for channel in d["channels"]}
        elif name in ("CHANNEL_CREATE", "CHANNEL_DELETE") and d.get("guild_id") == guild_id:
            (seen.add if name == "CHANNEL_CREATE" else seen.discard)(d["id"])
    return seen


def test_guild_create_holds_only_channels_in_sight(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    secret = make(town, place, "secret", {"id": place.id, "type": 0, "deny": VIEW, "allow": "0"})
    boss, other = town.listen(owner), town.listen(member)
    assert channels_of(boss, place.id) == {place.general, secret}
    assert channels_of(other, place.id) == {place.general}


def test_losing_sight_deletes_the_channel_and_nothing_of_it_follows(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    room = make(town, place, "room")
    boss, other = town.listen(owner), town.listen(member)
    hide(town, place, room)
    town.say(place, "behind the door", room)
    told_boss, told_other = town.told(place, boss, other)
    assert [name for name in names(told_boss) if name.startswith(("CHANNEL", "MESSAGE"))] == [
        "CHANNEL_UPDATE",
        "MESSAGE_CREATE",
    ]
    [deleted] = [d for name, d in told_other if name == "CHANNEL_DELETE"]
    assert deleted["id"] == room
    assert deleted["permission_overwrites"] == []
    assert not [d for name, d in told_other if d.get("channel_id") == room or name in ("CHANNEL_UPDATE",)]


def test_gaining_sight_creates_the_channel_and_its_messages_follow(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    room = make(town, place, "room", {"id": place.id, "type": 0, "deny": VIEW, "allow": "0"})
    other = town.listen(member)
    town.say(place, "unheard", room)
    allow(town, place, room, member)
    town.say(place, "heard", room)
    [told] = town.told(place, other)
    about = [(name, d.get("content")) for name, d in told if name.startswith(("CHANNEL", "MESSAGE"))]
    assert about == [("CHANNEL_CREATE", None), ("MESSAGE_CREATE", "heard")]


def test_a_role_gives_sight_and_takes_it(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    role = town.call(owner, "POST", f"/guilds/{place.id}/roles", {"name": "keys"})["id"]
    room = make(
        town,
        place,
        "room",
        {"id": place.id, "type": 0, "deny": VIEW, "allow": "0"},
        {"id": role, "type": 0, "allow": VIEW, "deny": "0"},
    )
    other = town.listen(member)
    other.events.clear()
    town.call(owner, "PUT", f"/guilds/{place.id}/members/{member.id}/roles/{role}")
    [told] = town.told(place, other)
    assert names(told, "PRESENCE_UPDATE") == ["CHANNEL_CREATE", "GUILD_MEMBER_UPDATE"]
    town.call(owner, "DELETE", f"/guilds/{place.id}/roles/{role}")
    [told] = town.told(place, other)
    assert [d["id"] for name, d in told if name == "CHANNEL_DELETE"] == [room]


def test_who_joins_gets_the_guild_and_who_is_kicked_loses_it(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner)
    home = town.place(member)
    boss, other = town.listen(owner), town.listen(member)
    boss.events.clear()
    town.join(place, member)
    guild = other.until("GUILD_CREATE", id=place.id)
    assert {each["user"]["id"] for each in guild["members"]} == {owner.id, member.id}
    assert guild["joined_at"].endswith("+00:00")
    added = boss.until("GUILD_MEMBER_ADD")
    assert (added["guild_id"], added["user"]["id"]) == (place.id, member.id)
    town.say(place, "welcome")
    assert other.until("MESSAGE_CREATE")["content"] == "welcome"
    town.call(owner, "DELETE", f"/guilds/{place.id}/members/{member.id}")
    assert other.until("GUILD_DELETE") == {"id": place.id}
    assert boss.until("GUILD_MEMBER_REMOVE")["user"]["id"] == member.id
    other.events.clear()
    town.say(place, "gone?")
    boss.until("MESSAGE_CREATE", content="gone?")
    [told] = town.told(home, other)
    assert not [d for _, d in told if d.get("guild_id") == place.id]


def test_a_new_guild_appears_at_its_owners_and_a_deleted_one_goes(town: Town) -> None:
    owner = town.person()
    home = town.place(owner)
    listener = town.listen(owner)
    place = town.place(owner)
    assert listener.until("GUILD_CREATE", id=place.id)["owner"] is True
    town.say(place, "first")
    assert listener.until("MESSAGE_CREATE")["content"] == "first"
    town.call(owner, "DELETE", f"/guilds/{place.id}")
    assert listener.until("GUILD_DELETE") == {"id": place.id}
    assert home.id != place.id


def test_only_those_who_may_ban_hear_of_bans(town: Town) -> None:
    owner, member, victim = town.person(), town.person(), town.person()
    place = town.place(owner, member, victim)
    boss, other = town.listen(owner), town.listen(member)
    town.call(owner, "PUT", f"/guilds/{place.id}/bans/{victim.id}", {})
    told_boss, told_other = town.told(place, boss, other)
    assert "GUILD_BAN_ADD" in names(told_boss)
    assert "GUILD_BAN_ADD" not in names(told_other)
    assert "GUILD_MEMBER_REMOVE" in names(told_other)
