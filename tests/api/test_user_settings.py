"""What is a person's own: notes on others, and settings that only their clients read."""

from __future__ import annotations

from tests.support.api_world import ADA, CARL, LAB, Api, error_of
from tocsin.model.event import ScopeKind

NOTE, PROTO = f"/users/@me/notes/{ADA}", "/users/@me/settings-proto/1"


async def test_a_note_is_kept_and_told_to_its_author_alone(api: Api) -> None:
    assert error_of(await api.get(NOTE, "carl")) == (404, 10013)
    assert (await api.put(NOTE, "carl", {"note": "owes me tea"})).status_code == 204
    [(event, body)] = api.bus.take()
    assert (event.name, event.users, event.scope) == ("USER_NOTE_UPDATE", (CARL,), (ScopeKind.USER, CARL))
    assert body == {"id": str(ADA), "note": "owes me tea"}
    kept = (await api.get(NOTE, "carl")).json()
    assert kept == {"user_id": str(CARL), "note_user_id": str(ADA), "note": "owes me tea"}
    assert (await api.get("/users/@me/notes", "carl")).json() == {str(ADA): "owes me tea"}
    assert (await api.get("/users/@me/notes", "ada")).json() == {}
    assert (await api.put(NOTE, "carl", {"note": ""})).status_code == 204
    assert error_of(await api.get(NOTE, "carl")) == (404, 10013)


async def test_a_note_that_cannot_be(api: Api) -> None:
    assert error_of(await api.put(NOTE, "carl", {"note": "x" * 257})) == (400, 50035)
    assert error_of(await api.put("/users/@me/notes/9", "carl", {"note": "x"})) == (404, 10013)
    assert error_of(await api.put(NOTE, "bell", {"note": "x"})) == (403, 20001)


async def test_settings_come_back_as_they_were_given(api: Api) -> None:
    assert (await api.get(PROTO, "carl")).json() == {"settings": ""}
    answer = await api.patch(PROTO, "carl", {"settings": "CgIYAQ=="})
    assert answer.json() == {"settings": "CgIYAQ==", "out_of_date": False}
    [(event, body)] = api.bus.take()
    assert (event.name, event.users) == ("USER_SETTINGS_PROTO_UPDATE", (CARL,))
    assert body == {"settings": {"type": 1, "proto": "CgIYAQ=="}, "partial": False}
    assert (await api.get(PROTO, "carl")).json() == {"settings": "CgIYAQ=="}
    assert (await api.get(PROTO, "ada")).json() == {"settings": ""}


async def test_settings_that_cannot_be(api: Api) -> None:
    assert error_of(await api.patch(PROTO, "carl", {"settings": "not base64!"})) == (400, 50035)
    assert error_of(await api.patch(PROTO, "carl", {"settings": "AAAA" * 25_001})) == (400, 50035)
    assert error_of(await api.patch("/users/@me/settings-proto/4", "carl", {"settings": ""})) == (400, 50035)
    assert error_of(await api.get(PROTO, "bell")) == (403, 20001)


async def test_guild_settings_are_their_owner_s_alone(api: Api) -> None:
    path = f"/users/@me/guilds/{LAB}/settings"
    before = (await api.get(path, "carl")).json()
    assert (before["guild_id"], before["muted"], before["version"]) == (str(LAB), False, 0)
    change = {"muted": True, "mute_config": {"end_time": None, "selected_time_window": -1}, "suppress_everyone": True}
    changed = (await api.patch(path, "carl", change)).json()
    assert changed == before | change | {"version": 1}
    [(event, body)] = api.bus.take()
    assert (event.name, event.users, body) == ("USER_GUILD_SETTINGS_UPDATE", (CARL,), changed)
    assert (await api.patch(path, "carl", {"mute_config": None})).json() == changed | {
        "mute_config": None,
        "version": 2,
    }
    assert (await api.get(path, "ada")).json() == before
    assert error_of(await api.patch(path, "carl", {"message_notifications": 9})) == (400, 50035)
    assert error_of(await api.get(path, "bell")) == (403, 20001)
    assert error_of(await api.get(path, "dora")) in {(403, 50001), (404, 10004)}
