"""People's own sessions, in READY."""

from __future__ import annotations

from tests.support.town import BELL, Payload, Town


def test_ready_names_a_person_s_own_sessions_and_no_other(town: Town) -> None:
    owner, other = town.person(), town.person()
    town.place(owner, other, BELL)
    first, stranger, bot = (town.listen(each) for each in (owner, other, BELL))
    [alone] = first.ready["sessions"]
    info = {"client": "web", "os": "linux", "version": 0}
    expected = {"session_id": first.ready["session_id"], "client_info": info, "status": "online"}
    assert alone == {**expected, "activities": [], "hidden_activities": []}
    assert "sessions" not in bot.ready
    assert [one["session_id"] for one in stranger.ready["sessions"]] == [stranger.ready["session_id"]]
    idle: Payload = {"since": None, "activities": [], "status": "idle", "afk": False}
    second = town.listen(owner, properties={"os": "iOS", "browser": "Discord iOS"}, presence=idle)
    together, *each = second.ready["sessions"]
    assert (together["session_id"], together["status"]) == ("all", "online")
    assert [one["session_id"] for one in each] == [first.ready["session_id"], second.ready["session_id"]]
    assert (each[1]["client_info"], each[1]["status"]) == ({"client": "mobile", "os": "ios", "version": 0}, "idle")
