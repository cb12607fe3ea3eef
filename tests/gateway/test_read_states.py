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
