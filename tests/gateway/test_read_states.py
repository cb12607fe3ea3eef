"""Read states over sockets: READY has them for people, their sessions hear of acks, nobody else does."""

from __future__ import annotations

from tests.support.town import BELL, Town


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
