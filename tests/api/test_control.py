"""The control route seeds a running node, and does not exist for anyone but the node's own tools."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.api_world import LAB, Api

WORLD: dict[str, Any] = {
    "users": [{"username": "newcomer", "token": "newcomer-token"}],
    "guilds": [{"name": "Annex", "owner": "newcomer", "channels": [{"name": "hall"}]}],
}


@pytest.fixture
def control(api: Api) -> Api:
    api.app.state.control_token = "s3cret"
    return api


def client_from(api: Api, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=api.app, client=(address, 1))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://tocsin")


async def post(api: Api, authorization: str = "Tocsin s3cret", address: str = "127.0.0.1") -> httpx.Response:
    async with client_from(api, address) as client:
        return await client.post("/_tocsin/world", json=WORLD, headers={"Authorization": authorization})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_a_world_is_seeded_and_seen_at_once(control: Api, address: str) -> None:
    response = await post(control, address=address)
    assert response.status_code == 200, response.text
    report = response.json()
    assert (report["users_made"], report["guilds_made"]) == (1, 1)
    assert [event.name for event, _ in control.bus.take()] == ["GUILD_CREATE"]
    guild = await control.get(f"/guilds/{report['guilds']['Annex']}", "newcomer")
    assert guild.json()["name"] == "Annex"


@pytest.mark.parametrize("authorization", ["", "s3cret", "Tocsin wrong", "Bot s3cret", "ada-token"])
async def test_without_the_token_there_is_no_such_route(control: Api, authorization: str) -> None:
    response = await post(control, authorization)
    assert (response.status_code, response.json()) == (404, {"message": "404: Not Found", "code": 0})


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "::2", "elsewhere"])
async def test_from_another_machine_there_is_no_such_route(control: Api, address: str) -> None:
    assert (await post(control, address=address)).status_code == 404


async def test_a_node_without_a_control_token_has_no_such_route(api: Api) -> None:
    assert (await post(api, "Tocsin ")).status_code == 404


async def test_what_is_wrong_in_the_file_is_answered(control: Api) -> None:
    async with client_from(control, "127.0.0.1") as client:
        headers = {"Authorization": "Tocsin s3cret"}
        response = await client.post("/_tocsin/world", content=b'{"users":[{}]}', headers=headers)
        assert response.status_code == 400
        assert response.json()["message"].startswith("users[0]: Object missing required field `username`")
        toml = await client.post("/_tocsin/world?format=toml", content=b'[[users]]\nusername="t"', headers=headers)
        assert toml.json()["users"].keys() == {"t"}
    assert (await control.get(f"/guilds/{LAB}", "ada")).status_code == 200


async def test_a_revoked_token_is_refused_at_once(control: Api) -> None:
    assert (await control.get("/users/@me", "ada")).status_code == 200
    headers = {"Authorization": "Tocsin s3cret"}
    async with client_from(control, "127.0.0.1") as client:
        for known in (True, False):
            response = await client.post("/_tocsin/revoke", json={"token": "Bot ada-token"}, headers=headers)
            assert (response.status_code, response.json()) == (200, {"known": known})
    assert (await control.get("/users/@me", "ada")).status_code == 401


class RecordingFaults:
    """Remembers what befell whom, as the arguments of each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def _met(self, *call: Any) -> int:
        self.calls.append(call)
        return 2

    def reconnect(self, who: int | str) -> int:
        return self._met("reconnect", who)

    def invalid_session(self, who: int | str, *, resumable: bool) -> int:
        return self._met("invalid_session", who, resumable)

    def close(self, who: int | str, code: int) -> int:
        return self._met("close", who, code)

    def cut(self, who: int | str) -> int:
        return self._met("cut", who)

    def half_frame(self, who: int | str, event: str | None = None) -> int:
        return self._met("half_frame", who, event)

    def stall(self, who: int | str, for_ms: int) -> int:
        return self._met("stall", who, for_ms)


async def post_fault(api: Api, body: Any, authorization: str = "Tocsin s3cret") -> httpx.Response:
    async with client_from(api, "127.0.0.1") as client:
        return await client.post("/_tocsin/faults", json=body, headers={"Authorization": authorization})


async def test_a_fault_befalls_the_sessions_of_a_user_or_one_session(control: Api) -> None:
    faults = control.app.state.faults = RecordingFaults()
    for body in (
        {"fault": "reconnect", "user_id": "1001"},
        {"fault": "invalid_session", "user_id": 1001, "resumable": True},
        {"fault": "invalid_session", "session_id": "ab"},
        {"fault": "close", "session_id": "ab", "code": 4009},
        {"fault": "cut", "session_id": "ab"},
        {"fault": "half_frame", "session_id": "ab"},
        {"fault": "half_frame", "user_id": "1001", "event": "MESSAGE_CREATE"},
        {"fault": "stall", "session_id": "ab", "for_ms": 250},
    ):
        response = await post_fault(control, body)
        assert (response.status_code, response.json()) == (200, {"sessions": 2}), body
    assert faults.calls == [
        ("reconnect", 1001),
        ("invalid_session", 1001, True),
        ("invalid_session", "ab", False),
        ("close", "ab", 4009),
        ("cut", "ab"),
        ("half_frame", "ab", None),
        ("half_frame", 1001, "MESSAGE_CREATE"),
        ("stall", "ab", 250),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"fault": "reconnect"},
        {"fault": "reconnect", "user_id": "1", "session_id": "a"},
        {"fault": "reconnect", "user_id": "x"},
        {"fault": "close", "user_id": "1", "code": 999},
        {"fault": "earthquake", "user_id": "1"},
        {"fault": "stall", "user_id": "1", "for_ms": 0},
        {"fault": "half_frame", "user_id": "1", "event": ""},
        {"fault": "rate_limit", "user_id": "x"},
        {"fault": "rate_limit", "requests": -1},
        {"fault": "rate_limit", "session_id": "a", "route": "POST /channels/1/messages"},
        {"fault": "rate_limit", "user_id": "1", "route": "POST /nowhere"},
        [],
    ],
)
async def test_an_unclear_fault_is_refused_and_befalls_nobody(control: Api, body: Any) -> None:
    faults = control.app.state.faults = RecordingFaults()
    assert (await post_fault(control, body)).status_code == 400
    assert faults.calls == []


async def test_faults_need_the_control_token(control: Api) -> None:
    faults = control.app.state.faults = RecordingFaults()
    body = {"fault": "reconnect", "user_id": "1001"}
    assert (await post_fault(control, body, "ada-token")).status_code == 404
    assert faults.calls == []
