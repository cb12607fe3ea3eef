"""People's own sessions: in READY, and told to each other when one opens, ends or changes."""

from __future__ import annotations

from tests.support.town import BELL, Listener, Payload, Town


def told(listener: Listener) -> list[Payload]:
    sessions: list[Payload] = listener.until("SESSIONS_REPLACE")["sessions"]
    return sessions


def test_people_are_told_of_their_own_sessions_and_nobody_else_is(town: Town) -> None:
    owner, other = town.person(), town.person()
    place = town.place(owner, other, BELL)
    first, stranger, bot = (town.listen(each) for each in (owner, other, BELL))
    for listener in (first, stranger, bot):
        listener.hears_own = True
    [alone] = first.ready["sessions"]
    info = {"client": "web", "os": "linux", "version": 0}
    expected = {"session_id": first.ready["session_id"], "client_info": info, "status": "online"}
    assert alone == {**expected, "activities": [], "hidden_activities": []}
    assert "sessions" not in bot.ready
    idle: Payload = {"since": None, "activities": [], "status": "idle", "afk": False}
    second = town.listen(owner, properties={"os": "iOS", "browser": "Discord iOS"}, presence=idle)
    together, *each = second.ready["sessions"]
    assert (together["session_id"], together["status"]) == ("all", "online")
    assert [one["session_id"] for one in each] == [first.ready["session_id"], second.ready["session_id"]]
    assert (each[1]["client_info"], each[1]["status"]) == ({"client": "mobile", "os": "ios", "version": 0}, "idle")
    assert told(first) == second.ready["sessions"]
    second.send(3, {"since": None, "activities": [], "status": "invisible", "afk": False})
    hidden, *each = told(first)
    assert (hidden["status"], [one["status"] for one in each]) == ("invisible", ["online", "invisible"])
    second.leave()
    assert told(first) == [alone]
    watch = town.told(place, stranger, bot)
    assert [name for heard in watch for name, _ in heard if name == "SESSIONS_REPLACE"] == []
    assert [one["session_id"] for one in stranger.ready["sessions"]] == [stranger.ready["session_id"]]
