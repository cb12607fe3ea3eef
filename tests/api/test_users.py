"""Users, their guilds, and the caller's application."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import ADA, BELL, CARL, GENERAL, LAB, Api, error_of
from tocsin.model.event import ScopeKind


async def test_me_shows_more_of_oneself_than_of_others(api: Api) -> None:
    me = (await api.get("/users/@me", "ada")).json()
    other = (await api.get(f"/users/{ADA}", "carl")).json()
    assert me["id"] == other["id"] == str(ADA)
    for key in ("mfa_enabled", "verified", "flags", "locale"):
        assert key in me
    assert "email" not in other
    assert other["username"] == "ada"
    assert other["avatar"] is None


async def test_a_bot_is_marked_as_one(api: Api) -> None:
    assert (await api.get(f"/users/{BELL}", "ada")).json()["bot"] is True


async def test_a_new_name_is_seen_at_once_everywhere(api: Api) -> None:
    await api.say("before", "carl")
    api.bus.take()
    response = await api.patch("/users/@me", "carl", {"username": "karl", "avatar": None, "global_name": "K"})
    assert response.status_code == 200, response.text
    assert response.json()["username"] == "karl"
    told = api.bus.take()
    assert [event.name for event, _ in told] == ["USER_UPDATE", "GUILD_MEMBER_UPDATE"]
    (own, own_body), (member, member_body) = told
    assert own.scope == (ScopeKind.USER, CARL)
    assert own.users == (CARL,)
    assert own_body == response.json()
    assert member.scope == (ScopeKind.GUILD, LAB)
    assert member_body["user"]["username"] == "karl"
    assert member_body["guild_id"] == str(LAB)
    assert (await api.get("/users/@me", "carl")).json()["username"] == "karl"
    assert (await api.get(f"/users/{CARL}", "ada")).json()["global_name"] == "K"
    assert (await api.say("after", "carl"))["author"]["username"] == "karl"
    [after, before] = (await api.get(f"/channels/{GENERAL}/messages", "ada")).json()
    assert before["author"]["username"] == after["author"]["username"] == "karl"


async def test_a_change_to_nothing_sends_nothing(api: Api) -> None:
    assert (await api.patch("/users/@me", "carl", {})).status_code == 200
    assert (await api.patch("/users/@me", "carl", {"username": "carl"})).status_code == 200
    assert api.bus.take() == []


@pytest.mark.parametrize(
    "body",
    [
        {"username": "c"},
        {"username": "c" * 33},
        {"username": "  "},
        {"username": "ada"},
        {"username": None},
        {"username": 5},
        {"avatar": "data:image/png;base64,AAAA"},
        {"global_name": "x" * 33},
    ],
)
async def test_a_bad_change_is_a_form_error(api: Api, body: Any) -> None:
    response = await api.patch("/users/@me", "carl", body)
    assert error_of(response) == (400, 50035)
    assert next(iter(body)) in response.json()["errors"]


async def test_my_guilds_come_with_my_permissions(api: Api) -> None:
    [mine] = (await api.get("/users/@me/guilds", "ada")).json()
    assert mine["id"] == str(LAB)
    assert mine["owner"] is True
    assert int(mine["permissions"]) & 8
    assert mine["features"] == []
    [carls] = (await api.get("/users/@me/guilds?with_counts=true", "carl")).json()
    assert carls["owner"] is False
    assert not int(carls["permissions"]) & 8
    assert carls["approximate_member_count"] == 4
    assert (await api.get("/users/@me/guilds", "dora")).json() == []
    assert (await api.get(f"/users/@me/guilds?after={LAB}", "ada")).json() == []
    assert (await api.get(f"/users/@me/guilds?before={LAB}", "ada")).json() == []
    assert error_of(await api.get("/users/@me/guilds?limit=201", "ada")) == (400, 50035)
    assert error_of(await api.get("/users/@me/guilds?with_counts=perhaps", "ada")) == (400, 50035)


@pytest.mark.parametrize("path", ["/oauth2/applications/@me", "/applications/@me"])
async def test_a_bot_reads_its_application_and_a_person_has_none(api: Api, path: str) -> None:
    found = (await api.get(path, "bell")).json()
    assert found["name"] == "bell"
    assert found["owner"]["id"] == str(ADA)
    assert found["approximate_guild_count"] == 1
    for key in ("icon", "description", "bot_public", "bot_require_code_grant", "verify_key", "flags", "rpc_origins"):
        assert key in found
    assert error_of(await api.get(path, "ada")) == (403, 20002)
