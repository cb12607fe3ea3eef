"""What is a person's own: notes on others, and settings that only their clients read."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.api_world import ADA, CARL, LAB, Api, error_of
from tocsin.model.event import ScopeKind
from tocsin.store.base import Insert, Store

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


def proto(*octets: bytes) -> str:
    return base64.b64encode(b"".join(octets)).decode()


def version(data: int, client: int = 0) -> bytes:
    inner = (b"\x08" + bytes([client]) if client else b"") + b"\x18" + bytes([data])
    return b"\x0a" + bytes([len(inner)]) + inner


VOICE, FLAG = b"\x1a\x02\x08\x05", b"\x20\x01"
"""Field 3, a message, and 4, a number."""


async def test_settings_are_changed_field_by_field_and_told_whole(api: Api) -> None:
    assert (await api.get(PROTO, "carl")).json() == {"settings": ""}
    answer = await api.patch(PROTO, "carl", {"settings": proto(FLAG)})
    assert answer.json() == {"settings": proto(version(1), FLAG), "out_of_date": False}
    [(event, body)] = api.bus.take()
    assert (event.name, event.users) == ("USER_SETTINGS_PROTO_UPDATE", (CARL,))
    assert body == {"settings": {"type": 1, "proto": proto(version(1), FLAG)}, "partial": False}
    await api.patch(PROTO, "carl", {"settings": proto(VOICE, version(9, client=7))})
    kept = proto(version(2, client=7), VOICE, FLAG)
    assert (await api.get(PROTO, "carl")).json() == {"settings": kept}
    assert (await api.patch(PROTO, "carl", {"settings": ""})).json() == {"settings": kept, "out_of_date": False}
    await api.patch(PROTO, "carl", {"settings": proto(b"\x1a\x00")})
    assert (await api.get(PROTO, "carl")).json() == {"settings": proto(version(3, client=7), b"\x1a\x00", FLAG)}
    assert (await api.get(PROTO, "ada")).json() == {"settings": ""}


async def test_settings_that_were_kept_empty_are_changed_too(api: Api, store: Store) -> None:
    await store.commit([Insert("user_settings", {"user_id": CARL, "type": 3, "settings": ""})], [])
    answer = await api.patch("/users/@me/settings-proto/3", "carl", {"settings": proto(FLAG)})
    assert answer.json() == {"settings": proto(FLAG), "out_of_date": False}


async def test_a_change_of_an_earlier_version_is_dropped_and_says_so(api: Api) -> None:
    for expected in (1, 2):
        await api.patch(PROTO, "carl", {"settings": proto(FLAG), "required_data_version": expected - 1})
    api.bus.take()
    late = {"settings": proto(VOICE), "required_data_version": 1}
    kept = proto(version(2), FLAG)
    assert (await api.patch(PROTO, "carl", late)).json() == {"settings": kept, "out_of_date": True}
    assert api.bus.take() == []
    now = late | {"required_data_version": 2}
    merged = proto(version(3), VOICE, FLAG)
    assert (await api.patch(PROTO, "carl", now)).json() == {"settings": merged, "out_of_date": False}


async def test_settings_of_a_type_without_versions_are_merged_all_the_same(api: Api) -> None:
    path = "/users/@me/settings-proto/3"
    await api.patch(path, "carl", {"settings": proto(FLAG)})
    answer = await api.patch(path, "carl", {"settings": proto(VOICE), "required_data_version": 0})
    assert answer.json() == {"settings": proto(VOICE, FLAG), "out_of_date": False}


async def test_settings_that_cannot_be(api: Api) -> None:
    assert error_of(await api.patch(PROTO, "carl", {"settings": "not base64!"})) == (400, 50035)
    assert error_of(await api.patch(PROTO, "carl", {"settings": "AAAA" * 25_001})) == (400, 50035)
    for octets in (
        b"\x1a\x05\x08",
        b"\x0b",
        b"\x00\x01",
        b"\x08\x01",
        b"\x0a\x01\x18",
        b"\xff" * 12,
        b"\x21\0",
        b"\x25\0",
    ):
        assert error_of(await api.patch(PROTO, "carl", {"settings": proto(octets)})) == (400, 50035), octets
    assert (await api.get(PROTO, "carl")).json() == {"settings": ""}
    long = b"\x2a\xe8\xa3\x03" + b"a" * 53_736
    await api.patch(PROTO, "carl", {"settings": proto(long)})
    assert error_of(await api.patch(PROTO, "carl", {"settings": proto(b"\x32" + long[1:])})) == (400, 50035)
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
