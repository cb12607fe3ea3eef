"""Passive sessions on real sockets: what people hear of a large guild that they do not look at (ADR 0016)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import UNLIMITED, Server, running_server
from tests.support.town import BELL, Town, names
from tocsin.model.permissions import Permission

UPDATE = "PASSIVE_UPDATE_V1"
LOOK = {"typing": True, "activities": True, "threads": True}
VIEW = str(int(Permission.VIEW_CHANNEL))
PRESENCES = ("PRESENCE_UPDATE", "SESSIONS_REPLACE")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = (*UNLIMITED, "--passive-from-members", "3", "--passive-update-ms", "50")
    with running_server(tmp_path_factory.mktemp("passive"), *flags) as running:
        yield running


def test_who_does_not_look_hears_of_messages_by_one_update_and_bots_and_lookers_by_each(town: Town) -> None:
    owner, friend, looker = town.person(), town.person(), town.person()
    place = town.place(owner, friend, looker, BELL)
    passive, active, bot = town.listen(friend), town.listen(looker), town.listen(BELL)
    active.send(14, {"guild_id": place.id, **LOOK})
    active.until(UPDATE, guild_id=place.id)
    said = town.say(place, "hello")
    active.until("MESSAGE_CREATE", id=said)
    bot.until("MESSAGE_CREATE", id=said)
    d = passive.until(UPDATE, guild_id=place.id)
    assert d == {
        "guild_id": place.id,
        "channels": [{"id": place.general, "last_message_id": said, "last_pin_timestamp": None}],
    }
    assert "MESSAGE_CREATE" not in names(passive.events)


def test_a_message_that_mentions_comes_to_who_does_not_look(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend, BELL)
    passive = town.listen(friend)
    town.say(place, "nobody in particular")
    said = town.say(place, f"you there, <@{friend.id}>")
    assert passive.until("MESSAGE_CREATE")["id"] == said
    hidden = town.call(
        owner,
        "POST",
        f"/guilds/{place.id}/channels",
        {"name": "hidden", "permission_overwrites": [{"id": place.id, "type": 0, "deny": VIEW}]},
    )
    town.say(place, f"not for <@{friend.id}>", hidden["id"])
    last = town.say(place, f"for <@{friend.id}>")
    assert passive.until("MESSAGE_CREATE")["id"] == last


def test_a_message_that_mentions_a_role_comes_once_to_its_holders_who_do_not_look(town: Town) -> None:
    owner, friend, other = town.person(), town.person(), town.person()
    place = town.place(owner, friend, other, BELL)
    crew, mates = (town.call(owner, "POST", f"/guilds/{place.id}/roles", {"name": "crew"})["id"] for _ in range(2))
    roles = f"/guilds/{place.id}/members/{friend.id}/roles"
    town.call(owner, "PUT", f"{roles}/{crew}")
    town.call(owner, "PUT", f"{roles}/{mates}")
    town.call(owner, "PUT", f"/guilds/{place.id}/members/{owner.id}/roles/{crew}")
    holder, mine, without = town.listen(friend), town.listen(owner), town.listen(other)
    hidden = {"name": "hidden", "permission_overwrites": [{"id": place.id, "type": 0, "deny": VIEW}]}
    secret = town.call(owner, "POST", f"/guilds/{place.id}/channels", hidden)["id"]
    town.say(place, f"not seen by <@&{crew}>", secret)
    unpinged = {"content": f"<@&{crew}>", "allowed_mentions": {"parse": []}}
    town.call(owner, "POST", f"/channels/{place.general}/messages", unpinged)
    said = town.say(place, f"<@&{crew}> <@&{mates}> <@{friend.id}>")
    assert holder.until("MESSAGE_CREATE")["id"] == said
    town.call(owner, "DELETE", f"{roles}/{crew}")
    holder.until("GUILD_MEMBER_UPDATE")
    town.say(place, f"once more <@&{crew}>")
    last = town.call(BELL, "POST", f"/channels/{place.general}/messages", {"content": f"<@&{mates}>"})["id"]
    assert holder.until("MESSAGE_CREATE")["id"] == last
    town.call(owner, "DELETE", f"/guilds/{place.id}/roles/{mates}")
    by_bot = town.call(BELL, "POST", f"/channels/{place.general}/messages", {"content": f"<@&{mates}> <@&{crew}>"})
    told = [names(each.flush()).count("MESSAGE_CREATE") for each in (holder, mine, without)]
    # The owner wrote four, and one of the bot's was to a role of theirs.
    assert told == [2, 5, 0], by_bot


def test_looking_begins_with_what_was_missed_and_ends_by_saying_so(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend, BELL)
    watch = town.listen(friend)
    before = town.say(place, "before")
    watch.send(37, {"subscriptions": {place.id: LOOK}})
    whole = watch.until("GUILD_CREATE", id=place.id)
    assert [each["last_message_id"] for each in whole["channels"] if each["id"] == place.general] == [before]
    found = watch.until(UPDATE, guild_id=place.id)
    while "voice_states" not in found:  # one of the timer's came first
        found = watch.until(UPDATE, guild_id=place.id)
    assert found["channels"] == [{"id": place.general, "last_message_id": before, "last_pin_timestamp": None}]
    assert (found["voice_states"], found["members"]) == ([], [])
    watch.until("MESSAGE_CREATE", id=town.say(place, "looking"))
    watch.send(14, {"guild_id": place.id, "typing": False, "activities": False, "threads": False, "channels": {}})
    watch.flush()
    after = town.say(place, "not looking")
    [channel] = watch.until(UPDATE, guild_id=place.id)["channels"]
    assert channel["last_message_id"] == after
    assert "MESSAGE_CREATE" not in names(watch.events)
    watch.events.clear()
    watch.send(37, {"subscriptions": {place.id: LOOK}})
    watch.until("MESSAGE_CREATE", id=town.say(place, "looking again"))
    assert "GUILD_CREATE" not in names(watch.events)


def test_what_one_says_oneself_and_what_is_said_to_everyone_comes_once_to_who_does_not_look(town: Town) -> None:
    owner, friend, looker = town.person(), town.person(), town.person()
    place = town.place(owner, friend, looker, BELL)
    passive, mine, active = town.listen(friend), town.listen(owner), town.listen(looker)
    active.send(14, {"guild_id": place.id, **LOOK})
    active.until(UPDATE, guild_id=place.id)
    path = f"/channels/{place.general}/messages"
    own = town.call(owner, "POST", path, {"content": "mine"})["id"]
    mine.until("MESSAGE_CREATE", id=own)
    unpinged = {"content": "not @everyone", "allowed_mentions": {"parse": []}}
    town.call(owner, "POST", path, unpinged)
    to_all = town.call(owner, "POST", path, {"content": "@everyone and", "allowed_mentions": {"parse": ["everyone"]}})
    assert passive.until("MESSAGE_CREATE")["id"] == to_all["id"]
    told = [names(each.flush()) for each in (passive, mine, active)]
    assert [each.count("MESSAGE_CREATE") for each in told] == [1, 3, 3]


def test_a_window_of_the_member_list_is_looking_and_watched_members_are_not(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend, BELL)
    watch = town.listen(friend)
    watch.send(14, {"guild_id": place.id, "members": [owner.id]})
    assert UPDATE not in names(watch.flush())
    watch.send(14, {"guild_id": place.id, "channels": {place.general: [[0, 99]]}})
    watch.until(UPDATE, guild_id=place.id)
    watch.until("MESSAGE_CREATE", id=town.say(place, "seen"))


def test_who_does_not_look_hears_of_channels_roles_and_oneself_but_not_of_others(town: Town) -> None:
    owner, friend, other = town.person(), town.person(), town.person()
    place = town.place(owner, friend, other, BELL)
    [passive] = [town.listen(friend)]
    made = town.call(owner, "POST", f"/guilds/{place.id}/channels", {"name": "new"})
    role = town.call(owner, "POST", f"/guilds/{place.id}/roles", {"name": "new"})
    said = town.say(place, "a message")
    town.call(owner, "PUT", f"/channels/{place.general}/messages/{said}/reactions/%F0%9F%91%8D/@me")
    town.call(owner, "POST", f"/channels/{place.general}/typing")
    town.call(owner, "PATCH", f"/guilds/{place.id}/members/{other.id}", {"nick": "other"})
    town.call(owner, "PATCH", f"/guilds/{place.id}/members/{friend.id}", {"nick": "mine"})
    own = passive.until("GUILD_MEMBER_UPDATE")
    assert own["user"]["id"] == friend.id
    town.call(owner, "DELETE", f"/channels/{made['id']}")
    passive.until("CHANNEL_DELETE", id=made["id"])
    told = names(passive.events, "GUILD_CREATE", UPDATE, *PRESENCES)
    assert told == ["CHANNEL_CREATE", "GUILD_ROLE_CREATE", "GUILD_MEMBER_UPDATE", "CHANNEL_DELETE"], role


def test_an_update_names_no_channel_that_one_may_not_view_nor_one_just_lost(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend, BELL)
    lost = town.call(owner, "POST", f"/guilds/{place.id}/channels", {"name": "lost"})
    passive = town.listen(friend)
    town.say(place, "there", lost["id"])
    town.call(owner, "PUT", f"/channels/{lost['id']}/permissions/{place.id}", {"type": 0, "deny": VIEW})
    passive.until("CHANNEL_DELETE", id=lost["id"])
    passive.events.clear()
    town.say(place, "unseen", lost["id"])
    seen = town.say(place, "seen")
    while True:
        [channel] = passive.until(UPDATE, guild_id=place.id)["channels"]
        assert channel["id"] == place.general
        if channel["last_message_id"] == seen:
            break
    passive.send(14, {"guild_id": place.id, **LOOK})
    assert [each["id"] for each in passive.until(UPDATE, guild_id=place.id)["channels"]] == [place.general]


def test_passivity_outlives_a_change_of_roles_and_a_guild_below_the_limit_has_none(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place, small = town.place(owner, friend, BELL), town.place(owner, friend)
    passive = town.listen(friend)
    role = town.call(owner, "POST", f"/guilds/{place.id}/roles", {"name": "role"})
    town.call(owner, "PUT", f"/guilds/{place.id}/members/{friend.id}/roles/{role['id']}")
    passive.until("GUILD_MEMBER_UPDATE")
    said = town.say(place, "unheard")
    assert passive.until(UPDATE, guild_id=place.id)["channels"][0]["last_message_id"] == said
    heard = town.say(small, "heard")
    passive.until("MESSAGE_CREATE", id=heard)
    assert names(passive.events).count("MESSAGE_CREATE") == 1
