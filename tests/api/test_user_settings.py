"""What is a person's own: notes on others, and settings that only their clients read."""

from __future__ import annotations

from typing import Any

import pytest

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


async def test_client_settings_are_changed_by_name_and_told_to_their_owner_alone(api: Api) -> None:
    path = "/users/@me/settings"
    before = (await api.get(path, "carl")).json()
    assert (before["theme"], before["guild_folders"], before["custom_status"]) == ("dark", [], None)
    folder = {"guild_ids": [str(LAB)], "id": 7, "name": "work", "color": None}
    news = {"theme": "light", "guild_folders": [folder], "custom_status": {"text": "away"}, "unheard_of": 1}
    after = (await api.patch(path, "carl", news)).json()
    status = {"text": "away", "emoji_id": None, "emoji_name": None, "expires_at": None}
    changed = {"theme": "light", "guild_folders": [folder], "custom_status": status}
    assert after == before | changed
    [(event, body)] = api.bus.take()
    assert (event.name, event.users, body) == ("USER_SETTINGS_UPDATE", (CARL,), changed)
    assert (await api.patch(path, "carl", {"theme": "light"})).json() == after
    assert (await api.patch(path, "carl", {"custom_status": None})).json()["custom_status"] is None
    assert [body for _, body in api.bus.take()] == [{"custom_status": None}]
    assert (await api.get(path, "carl")).json()["theme"] == "light"
    assert (await api.get(path, "ada")).json() == before
    assert (await api.get("/users/@me/settings-proto/1", "carl")).json() == {"settings": ""}
    assert error_of(await api.get("/users/@me/settings-proto/0", "carl")) == (400, 50035)
    assert error_of(await api.get(path, "bell")) == (403, 20001)


@pytest.mark.parametrize(
    "body",
    [
        {"theme": "pink"},
        {"status": "gone"},
        {"developer_mode": "yes"},
        {"afk_timeout": 3},
        {"guild_positions": ["1"] * 201},
        {"guild_folders": [{"guild_ids": [], "name": "x" * 33}]},
        {"custom_status": {"text": "x" * 129}},
        {"guild_folders": [{"guild_ids": [], "id": 2**70}]},
    ],
)
async def test_client_settings_that_cannot_be(api: Api, body: Any) -> None:
    response = await api.patch("/users/@me/settings", "carl", body)
    assert (error_of(response), [*response.json()["errors"]]) == ((400, 50035), [*body])
    assert api.bus.take() == []
