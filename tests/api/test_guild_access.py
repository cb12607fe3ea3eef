"""Who may call which guild route: owner, administrator, one with the permissions, a plain member, a stranger."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.support.api_world import CARL, DORA, GENERAL, LAB, Api, error_of
from tests.support.guild_world import CHILD, HANK, HIDDEN, IVAN, LOW_ROLE, guild_ops

WHO = {"owner": "ada", "admin": "frank", "permitted": "gina", "plain": "carl", "stranger": "dora"}
OPEN = "OPEN"  # all members
PERMITTED = "PERMITTED"  # owner, admin and permitted; 50013 for the plain member
OWNER = "OWNER"  # 50013 for all others
NO_ACCESS, NO_PERMISSION = (403, 50001), (403, 50013)
G, C = f"/guilds/{LAB}", f"/channels/{GENERAL}"


class Case(NamedTuple):
    method: str
    path: str
    status: int
    rule: str
    body: Any = None

    def expected(self, role: str) -> tuple[int, int | None]:
        if role == "stranger":
            return NO_ACCESS
        allowed = {
            OPEN: {"owner", "admin", "permitted", "plain"},
            PERMITTED: {"owner", "admin", "permitted"},
            OWNER: {"owner"},
        }[self.rule]
        return (self.status, None) if role in allowed else NO_PERMISSION


CASES = [
    Case("GET", G, 200, OPEN),
    Case("PATCH", G, 200, PERMITTED, {"name": "Lab 2"}),
    Case("DELETE", G, 204, OWNER),
    Case("GET", f"{G}/channels", 200, OPEN),
    Case("POST", f"{G}/channels", 201, PERMITTED, {"name": "new"}),
    Case("PATCH", f"{G}/channels", 204, PERMITTED, [{"id": str(GENERAL), "position": 7}]),
    Case("GET", f"{G}/roles", 200, OPEN),
    Case("POST", f"{G}/roles", 200, PERMITTED, {"name": "new"}),
    Case("PATCH", f"{G}/roles", 200, PERMITTED, [{"id": str(LOW_ROLE), "position": 2}]),
    Case("GET", f"{G}/roles/{LOW_ROLE}", 200, OPEN),
    Case("PATCH", f"{G}/roles/{LOW_ROLE}", 200, PERMITTED, {"hoist": True}),
    Case("DELETE", f"{G}/roles/{LOW_ROLE}", 204, PERMITTED),
    Case("GET", f"{G}/members?limit=10", 200, OPEN),
    Case("GET", f"{G}/members/search?query=h", 200, OPEN),
    Case("GET", f"{G}/members/{HANK}", 200, OPEN),
    Case("PUT", f"{G}/members/{DORA}", 201, PERMITTED),
    Case("PATCH", f"{G}/members/{HANK}", 200, PERMITTED, {"nick": "H"}),
    Case("PATCH", f"{G}/members/{HANK}", 200, PERMITTED, {"roles": []}),
    Case("PATCH", f"{G}/members/{HANK}", 200, PERMITTED, {"mute": True}),
    Case("PATCH", f"{G}/members/{HANK}", 200, PERMITTED, {"deaf": True}),
    Case("PATCH", f"{G}/members/{HANK}", 200, PERMITTED, {"flags": 4}),
    Case("PATCH", f"{G}/members/{HANK}", 200, PERMITTED, {"communication_disabled_until": "2026-11-18T12:00:00Z"}),
    Case("PATCH", f"{G}/members/{HANK}", 400, PERMITTED, {"channel_id": "3003"}),
    Case("PATCH", f"{G}/members/@me", 200, OPEN, {"nick": "me"}),
    Case("PATCH", f"{G}/members/@me/nick", 200, OPEN, {"nick": "me"}),
    Case("PUT", f"{G}/members/{CARL}/roles/{LOW_ROLE}", 204, PERMITTED),
    Case("DELETE", f"{G}/members/{HANK}/roles/{LOW_ROLE}", 204, PERMITTED),
    Case("DELETE", f"{G}/members/{HANK}", 204, PERMITTED),
    Case("GET", f"{G}/bans", 200, PERMITTED),
    Case("GET", f"{G}/bans/{IVAN}", 200, PERMITTED),
    Case("PUT", f"{G}/bans/{HANK}", 204, PERMITTED),
    Case("DELETE", f"{G}/bans/{IVAN}", 204, PERMITTED),
    Case("GET", f"/users/@me{G}/member", 200, OPEN),
    Case("GET", C, 200, OPEN),
    Case("PATCH", C, 200, PERMITTED, {"topic": "hello"}),
    Case("DELETE", C, 200, PERMITTED),
    Case("PUT", f"{C}/permissions/{LOW_ROLE}", 204, PERMITTED, {"type": 0, "deny": "1024"}),
]


@pytest.fixture
async def guild_api(api: Api) -> Api:
    await api.store.commit(guild_ops(api.clock()))
    return api


def options_of(case: Case) -> dict[str, Any]:
    return {} if case.body is None else {"json": case.body}


ALLOWED = [(case, role) for case in CASES for role in WHO if case.expected(role)[1] is None]


@pytest.mark.parametrize(
    ("case", "role"), ALLOWED, ids=[f"{role}: {case.method} {case.path} {case.body or ''}" for case, role in ALLOWED]
)
async def test_a_route_lets_through_whom_it_should(guild_api: Api, case: Case, role: str) -> None:
    response = await guild_api.call(case.method, case.path, WHO[role], **options_of(case))
    assert response.status_code == case.status, response.text
    if case.status == 400:
        assert response.json()["code"] == 40032


async def test_a_route_refuses_whom_it_should_and_changes_nothing(guild_api: Api) -> None:
    for case in CASES:
        for role, who in WHO.items():
            if case.expected(role)[1] is None:
                continue
            response = await guild_api.call(case.method, case.path, who, **options_of(case))
            assert error_of(response) == case.expected(role), (role, case)
    assert guild_api.bus.events == []


async def test_a_guild_or_channel_that_does_not_exist_is_unknown(guild_api: Api) -> None:
    for case in CASES:
        path = case.path.replace(str(LAB), "99").replace(str(GENERAL), "98")
        response = await guild_api.call(case.method, path, "ada", **options_of(case))
        assert error_of(response) == ((404, 10004) if "/guilds/" in path else (404, 10003)), case


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/channels/{HIDDEN}", None),
        ("PATCH", f"/channels/{HIDDEN}", {"name": "seen"}),
        ("DELETE", f"/channels/{HIDDEN}", None),
        ("PUT", f"/channels/{HIDDEN}/permissions/{LOW_ROLE}", {"type": 0}),
        ("DELETE", f"/channels/{HIDDEN}/permissions/{LAB}", None),
    ],
)
async def test_a_channel_out_of_sight_is_missing_access_even_to_those_with_the_permissions(
    guild_api: Api, method: str, path: str, body: Any
) -> None:
    response = await guild_api.call(method, path, "gina", json=body)
    assert error_of(response) == NO_ACCESS


async def test_the_channel_list_holds_only_what_one_may_view(guild_api: Api) -> None:
    seen = {who: [c["name"] for c in (await guild_api.get(f"{G}/channels", who)).json()] for who in ("ada", "carl")}
    assert set(seen["ada"]) - set(seen["carl"]) == {"hidden", "staff-only"}
    assert "hidden" not in (await guild_api.get(f"{G}/channels", "carl")).text


async def test_a_hidden_channel_is_as_unknown_as_none_where_an_id_is_given(guild_api: Api) -> None:
    for channel_id in (HIDDEN, 99):
        response = await guild_api.patch(f"{G}/channels", "gina", [{"id": str(channel_id), "position": 1}])
        assert error_of(response) == (404, 10003)
    bodies = [
        (await guild_api.patch(G, "gina", {"system_channel_id": str(channel_id)})).json() for channel_id in (HIDDEN, 99)
    ]
    assert bodies[0] == bodies[1]
    bodies = [
        (await guild_api.patch(f"/channels/{CHILD}", "gina", {"parent_id": str(channel_id)})).json()
        for channel_id in (HIDDEN, 99)
    ]
    assert bodies[0] == bodies[1]


async def test_a_reason_longer_than_512_characters_is_refused(guild_api: Api) -> None:
    headers = {"X-Audit-Log-Reason": "x" * 513}
    response = await guild_api.call("DELETE", f"{G}/members/{HANK}", "ada", headers=headers)
    assert error_of(response) == (400, 50035)
    headers = {"X-Audit-Log-Reason": "%C3%A9" * 512}
    response = await guild_api.call("PUT", f"{G}/bans/{HANK}", "ada", headers=headers)
    assert response.status_code == 204
    assert (await guild_api.get(f"{G}/bans/{HANK}", "ada")).json()["reason"] == "é" * 512
