"""READY_SUPPLEMENTAL: READY's second part, for people's clients that ask for it."""

from __future__ import annotations

import pytest

from tests.support.raw_client import RawClient, op
from tests.support.town import BELL, Payload, Town, names

PRIORITIZED = 1 << 5
NAME = "READY_SUPPLEMENTAL"


def test_people_who_ask_get_it_after_their_guilds_and_others_do_not(town: Town) -> None:
    owner, partner, talker = town.person(), town.person(), town.person()
    place = town.place(owner, partner, talker, BELL)
    town.call(owner, "POST", "/users/@me/channels", {"recipient_id": partner.id})
    stage, hidden = (
        town.call(owner, "POST", f"/guilds/{place.id}/channels", {"name": name, "type": 2})["id"]
        for name in ("stage", "hidden")
    )
    town.call(owner, "PUT", f"/channels/{hidden}/permissions/{partner.id}", {"type": 1, "deny": "1024"})
    talking, away = town.listen(talker), town.listen(partner)
    state: Payload = {"guild_id": place.id, "self_mute": True, "self_deaf": False}
    talking.send(4, {**state, "channel_id": stage})
    talking.until("VOICE_STATE_UPDATE", channel_id=stage)
    listener = town.listen(owner, capabilities=PRIORITIZED | 1)
    d = listener.until(NAME)
    assert names(listener.events) == ["GUILD_CREATE", NAME]
    assert listener.last == 3
    assert [each["id"] for each in d["guilds"]] == [each["id"] for each in listener.ready["guilds"]] == [place.id]
    [voice] = d["guilds"][0]["voice_states"]
    assert (voice["user_id"], voice["channel_id"], voice["self_mute"]) == (talker.id, stage, True)
    assert d["guilds"][0]["activity_instances"] == d["guilds"][0]["embedded_activities"] == []
    assert {each["user_id"] for each in d["merged_members"][0]} == {partner.id, talker.id}
    assert {each["user"]["id"] for each in d["merged_members"][0]} == {partner.id, talker.id}
    shown = {each["user_id"]: each["status"] for each in d["merged_presences"]["guilds"][0]}
    assert shown == {partner.id: "online", talker.id: "online"}
    assert (d["merged_presences"]["friends"], d["lazy_private_channels"]) == ([], [])
    talking.send(4, {**state, "channel_id": hidden})
    talking.until("VOICE_STATE_UPDATE", channel_id=hidden)
    away.send(3, {"since": None, "activities": [], "status": "invisible", "afk": False})
    listener.until("PRESENCE_UPDATE", status="offline")
    d = town.listen(partner, capabilities=PRIORITIZED).until(NAME)
    assert (d["guilds"][0]["voice_states"], [each["user_id"] for each in d["merged_members"][0]]) == ([], [owner.id])
    d = town.listen(owner, capabilities=PRIORITIZED).until(NAME)
    assert [each["user_id"] for each in d["merged_presences"]["guilds"][0]] == [talker.id]
    for other in (town.listen(owner), town.listen(BELL, capabilities=PRIORITIZED)):
        assert NAME not in names(other.flush())


@pytest.mark.parametrize("capabilities", [None, "32", [], True, 16381 & ~PRIORITIZED])
def test_capabilities_without_it_or_of_no_sense_change_nothing(town: Town, capabilities: object) -> None:
    owner = town.person()
    town.place(owner)
    assert NAME not in names(town.listen(owner, capabilities=capabilities).flush())


def test_it_is_replayed_as_what_it_was(town: Town) -> None:
    owner = town.person()
    town.place(owner)
    listener = town.listen(owner, capabilities=PRIORITIZED)
    before = listener.until(NAME)
    listener.client.socket.close()
    client = listener.client = RawClient(town.server.gateway)
    client.open()
    client.send(op(6, {"token": owner.token, "session_id": listener.ready["session_id"], "seq": listener.last - 1}))
    again = client.read_until(0)
    assert (again["t"], again["s"], again["d"]) == (NAME, 3, before)
    assert client.read_until(0, "RESUMED")["s"] == 4
