"""Read states over sockets: READY has them for people, their sessions hear of acks, nobody else does."""

from __future__ import annotations

from tests.support.town import BELL, Person, Place, Town


def test_ready_has_what_one_may_see_and_acks_reach_one_s_own_sessions_alone(town: Town) -> None:
    owner, reader = town.person(), town.person()
    place = town.place(owner, BELL, reader)
    sent = town.say(place, f"<@{reader.id}> look")
    first, second, bot, other = (town.listen(who) for who in (reader, reader, BELL, owner))
    [entry] = [each for each in first.ready["read_state"] if each["id"] == place.general]
    assert (entry["mention_count"], entry["last_message_id"]) == (1, "0")
    assert set(entry) == {"id", "last_message_id", "mention_count", "last_pin_timestamp", "version"}
    [own] = [each for each in other.ready["read_state"] if each["id"] == place.general]
    assert (own["mention_count"], own["last_message_id"]) == (0, sent)
    assert "read_state" not in bot.ready
    town.call(reader, "POST", f"/channels/{place.general}/messages/{sent}/ack", {"token": None})
    for listener in (first, second):
        acked = listener.until("MESSAGE_ACK")
        assert (acked["channel_id"], acked["message_id"]) == (place.general, sent)
    heard = town.told(place, bot, other)
    assert [name for told in heard for name, _ in told if name == "MESSAGE_ACK"] == []
    [entry] = [each for each in town.listen(reader).ready["read_state"] if each["id"] == place.general]
    assert (entry["mention_count"], entry["last_message_id"]) == (0, sent)
    town.call(owner, "PUT", f"/channels/{place.general}/permissions/{reader.id}", {"type": 1, "deny": "1024"})
    assert [each for each in town.listen(reader).ready["read_state"] if each["id"] == place.general] == []


def test_notes_and_settings_are_in_ready_and_told_to_their_owner_alone(town: Town) -> None:
    owner, other = town.person(), town.person()
    place = town.place(owner, BELL, other)
    hearing, stranger, bot = (town.listen(who) for who in (owner, other, BELL))
    town.call(owner, "PUT", f"/users/@me/notes/{other.id}", {"note": "kind"})
    assert hearing.until("USER_NOTE_UPDATE") == {"id": other.id, "note": "kind"}
    town.call(owner, "PATCH", "/users/@me/settings-proto/1", {"settings": "CgIYAQ=="})
    assert hearing.until("USER_SETTINGS_PROTO_UPDATE")["settings"] == {"type": 1, "proto": "CgIYAQ=="}
    town.call(owner, "PATCH", f"/users/@me/guilds/{place.id}/settings", {"muted": True})
    kept = hearing.until("USER_GUILD_SETTINGS_UPDATE", muted=True)
    heard = [name for told in town.told(place, stranger, bot) for name, _ in told if name.startswith("USER_")]
    assert heard == []
    ready = town.listen(owner).ready
    assert (ready["notes"], ready["user_settings_proto"]) == ({other.id: "kind"}, "CgIYAQ==")
    assert ready["user_guild_settings"] == [kept]
    assert stranger.ready["user_guild_settings"] == []
    assert (stranger.ready["notes"], stranger.ready["user_settings_proto"]) == ({}, "")
    assert not {"notes", "user_settings_proto", "user_guild_settings"} & set(bot.ready)


def count(town: Town, who: Person, channel: str) -> int | None:
    """Return how many mentions READY says, None where it has no entry of the channel."""
    found = [each["mention_count"] for each in town.listen(who).ready["read_state"] if each["id"] == channel]
    return found[0] if found else None


def role_of(town: Town, place: Place, *holders: Person) -> str:
    role: str = town.call(place.owner, "POST", f"/guilds/{place.id}/roles", {"name": "crew"})["id"]
    for each in holders:
        town.call(place.owner, "PUT", f"/guilds/{place.id}/members/{each.id}/roles/{role}")
    return role


def test_ready_counts_mentions_of_one_s_roles_and_of_everyone_where_one_may_see_them(town: Town) -> None:
    owner, reader, other = town.person(), town.person(), town.person()
    place = town.place(owner, reader, other)
    role = role_of(town, place, reader)
    town.say(place, f"<@&{role}> look")
    assert (count(town, reader, place.general), count(town, other, place.general)) == (1, None)
    town.say(place, "@everyone and @here")
    town.say(place, f"<@&{role}> and <@{reader.id}> count once")
    unpinged = {"content": f"<@&{role}> @everyone", "allowed_mentions": {"parse": []}}
    town.call(owner, "POST", f"/channels/{place.general}/messages", unpinged)
    hidden = {"name": "hidden", "permission_overwrites": [{"id": place.id, "type": 0, "deny": "1024"}]}
    channel = town.call(owner, "POST", f"/guilds/{place.id}/channels", hidden)["id"]
    town.say(place, f"<@&{role}> @everyone", channel)
    assert (count(town, reader, place.general), count(town, other, place.general)) == (3, 1)
    assert (count(town, owner, place.general), count(town, reader, channel)) == (0, None)
    late = town.person()
    town.join(place, late)
    assert count(town, late, place.general) is None
    town.call(owner, "DELETE", f"/guilds/{place.id}/members/{reader.id}/roles/{role}")
    assert count(town, reader, place.general) == 2


def test_what_is_read_suppressed_or_deleted_is_not_counted_and_a_manual_count_holds(town: Town) -> None:
    owner, reader = town.person(), town.person()
    place = town.place(owner, reader)
    role = role_of(town, place, reader)
    path = f"/channels/{place.general}/messages"
    first = town.say(place, f"<@&{role}> one")
    town.call(reader, "POST", f"{path}/{first}/ack", {})
    assert count(town, reader, place.general) == 0
    gone, broad = town.say(place, f"<@&{role}> two"), town.say(place, "@everyone")
    assert count(town, reader, place.general) == 2
    for name, left in (("suppress_roles", 1), ("suppress_everyone", 0)):
        town.call(reader, "PATCH", f"/users/@me/guilds/{place.id}/settings", {name: True})
        assert count(town, reader, place.general) == left
    suppress = {"suppress_roles": False, "suppress_everyone": False}
    town.call(reader, "PATCH", f"/users/@me/guilds/{place.id}/settings", suppress)
    town.call(owner, "DELETE", f"{path}/{gone}")
    assert count(town, reader, place.general) == 1
    town.call(reader, "POST", f"{path}/{first}/ack", {"manual": True, "mention_count": 5})
    assert count(town, reader, place.general) == 5
    town.say(place, f"<@&{role}> three")
    assert count(town, reader, place.general) == 6
    town.call(reader, "POST", f"{path}/{broad}/ack", {})
    assert count(town, reader, place.general) == 1


def test_a_thread_s_mentions_count_for_those_who_are_in_it(town: Town) -> None:
    owner, reader, other = town.person(), town.person(), town.person()
    place = town.place(owner, reader, other)
    role = role_of(town, place, reader, other)
    thread = town.call(owner, "POST", f"/channels/{place.general}/threads", {"name": "t", "type": 11})["id"]
    town.call(reader, "PUT", f"/channels/{thread}/thread-members/@me")
    town.say(place, f"<@&{role}>", thread)
    assert (count(town, reader, thread), count(town, other, thread)) == (1, None)
