"""Invites: making, showing, listing, revoking and accepting them (protocol.md §8.6, §8.8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import (
    ADA,
    CARL,
    CATEGORY,
    DORA,
    GENERAL,
    LAB,
    MENTIONABLE_ROLE,
    STAFF_ONLY,
    Api,
    error_of,
)
from tocsin.service.invites import JOINED

INVITES = f"/channels/{GENERAL}/invites"


async def make(api: Api, channel: int = GENERAL, **body: Any) -> Any:
    response = await api.post(f"/channels/{channel}/invites", "ada", body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_an_invite_is_made_told_shown_and_listed(api: Api) -> None:
    made = await make(api, max_age=60, max_uses=2)
    [(event, body)] = api.bus.take()
    assert (event.name, event.state) == ("INVITE_CREATE", True)
    assert (body["code"], body["inviter"]["id"], body["uses"], body["max_uses"]) == (made["code"], str(ADA), 0, 2)
    assert body["expires_at"] == made["expires_at"] != made["created_at"]
    shown = (await api.get(f"/invites/{made['code']}", params={"with_counts": "true"})).json()
    assert (shown["guild"]["name"], shown["channel"]["name"], shown["approximate_member_count"]) == (
        "Lab",
        "general",
        4,
    )
    assert "uses" not in shown
    assert (await api.get(INVITES, "ada")).json() == (await api.get(f"/guilds/{LAB}/invites", "ada")).json() == [made]


async def test_the_same_invite_is_given_again_unless_unique(api: Api) -> None:
    first = await make(api)
    assert first["max_age"] == 86_400
    assert (await make(api))["code"] == first["code"]
    assert (await make(api, unique=True))["code"] != first["code"]
    assert (await make(api, max_uses=1))["code"] != first["code"]
    assert (await make(api, max_age=0))["expires_at"] is None


async def test_who_accepts_joins_and_is_greeted(api: Api) -> None:
    await api.patch(f"/guilds/{LAB}", "ada", {"system_channel_id": str(GENERAL)})
    made = await make(api, max_uses=1)
    api.bus.take()
    joined = await api.post(f"/invites/{made['code']}", "dora")
    assert joined.json()["guild"]["id"] == str(LAB)
    told = api.bus.take()
    assert [event.name for event, _ in told] == ["GUILD_MEMBER_ADD", "INVITE_DELETE", "MESSAGE_CREATE"]
    assert told[0][1]["user"]["id"] == str(DORA)
    assert (told[2][1]["type"], told[2][1]["author"]["id"]) == (JOINED, str(DORA))
    assert (await api.get(f"/guilds/{LAB}", "dora")).status_code == 200
    assert error_of(await api.get(f"/invites/{made['code']}")) == (404, 10006)


async def test_a_member_who_accepts_changes_nothing_and_uses_are_counted(api: Api) -> None:
    made = await make(api, max_uses=2)
    api.bus.take()
    assert (await api.post(f"/invites/{made['code']}", "carl")).status_code == 200
    assert api.bus.events == []
    assert (await api.post(f"/invites/{made['code']}", "dora")).status_code == 200
    assert (await api.get(INVITES, "ada")).json()[0]["uses"] == 1


async def test_the_banned_and_bots_stay_out(api: Api) -> None:
    made = await make(api)
    await api.put(f"/guilds/{LAB}/bans/{DORA}", "ada", {})
    assert error_of(await api.post(f"/invites/{made['code']}", "dora")) == (403, 40007)
    assert error_of(await api.post(f"/invites/{made['code']}", "bell")) == (403, 20001)
    assert error_of(await api.post("/invites/nothing", "dora")) == (404, 10006)


async def test_a_revoked_or_expired_invite_opens_nothing(api: Api) -> None:
    made, short = await make(api), await make(api, max_age=60)
    api.bus.take()
    assert (await api.delete(f"/invites/{made['code']}", "ada")).json()["code"] == made["code"]
    [(event, body)] = api.bus.take()
    assert event.name == "INVITE_DELETE"
    assert body == {"guild_id": str(LAB), "channel_id": str(GENERAL), "code": made["code"]}
    api.clock.advance(60_000)
    for code in (made["code"], short["code"]):
        assert error_of(await api.post(f"/invites/{code}", "dora")) == (404, 10006)
    assert (await api.get(INVITES, "ada")).json() == []


@pytest.mark.parametrize(
    "body", [{"max_age": -1}, {"max_age": 604_801}, {"max_uses": 101}, {"max_uses": "many"}, {"temporary": 3}]
)
async def test_a_wrong_form_is_refused(api: Api, body: Any) -> None:
    assert error_of(await api.post(INVITES, "ada", body)) == (400, 50035)


async def test_who_may_not_is_refused(api: Api) -> None:
    made = await make(api)
    calls = [
        ("POST", INVITES),
        ("GET", INVITES),
        ("GET", f"/guilds/{LAB}/invites"),
        ("DELETE", f"/invites/{made['code']}"),
    ]
    for method, path in calls:
        for who, code in (("carl", (403, 50013)), ("dora", (403, 50001))):
            response = await api.call(method, path, who, json={})
            assert error_of(response) == code, (method, path, who)
            assert made["code"] not in response.text
    assert error_of(await api.post(f"/channels/{STAFF_ONLY}/invites", "carl", {})) == (403, 50001)
    assert error_of(await api.post(f"/channels/{CATEGORY}/invites", "ada", {})) == (400, 50024)
    hidden = await make(api, STAFF_ONLY)
    await api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", {"permissions": str(1024 | 128)})
    listed = (await api.get(f"/guilds/{LAB}/invites", "carl")).json()
    assert [each["code"] for each in listed] == [made["code"]]
    assert hidden["code"] != made["code"]


async def test_who_came_by_a_temporary_invite_goes_unless_connected_or_given_a_role(api: Api) -> None:
    members, path = api.services.temporary_members, f"/guilds/{LAB}/members/{DORA}"
    made = await make(api, temporary=True)
    assert (await api.post(f"/invites/{made['code']}", "dora")).status_code == 200
    members.has_session = lambda user_id: user_id == DORA
    await members.sweep()
    assert (await api.get(path, "ada")).status_code == 200
    members.has_session = lambda user_id: False
    assert (await api.put(f"{path}/roles/{MENTIONABLE_ROLE}", "ada")).status_code == 204
    await members.disconnected(DORA)
    assert (await api.get(path, "ada")).status_code == 200
    assert (await api.delete(f"{path}/roles/{MENTIONABLE_ROLE}", "ada")).status_code == 204
    api.bus.take()
    await members.disconnected(CARL)
    assert api.bus.take() == []
    await members.disconnected(DORA)
    [(event, body)] = api.bus.take()
    assert (event.name, body["user"]["id"]) == ("GUILD_MEMBER_REMOVE", str(DORA))
    assert error_of(await api.get(path, "ada")) == (404, 10007)


async def test_a_membership_after_a_temporary_one_is_for_good(api: Api) -> None:
    made = await make(api, temporary=True)
    assert (await api.post(f"/invites/{made['code']}", "dora")).status_code == 200
    assert (await api.delete(f"/users/@me/guilds/{LAB}", "dora")).status_code == 204
    assert (await api.post(f"/invites/{(await make(api))['code']}", "dora")).status_code == 200
    await api.services.temporary_members.sweep()
    assert (await api.get(f"/guilds/{LAB}/members/{DORA}", "ada")).status_code == 200
