"""Rate limits over HTTP, and the windows under them."""

from __future__ import annotations

import pytest

from tests.support.api_world import ADA, GENERAL, STAFF_ONLY, Api, MakeApi
from tocsin.config import Settings
from tocsin_api.ratelimit import Windows

MESSAGES = f"/channels/{GENERAL}/messages"
HEADERS = ("limit", "remaining", "reset", "reset-after", "bucket", "scope")


@pytest.fixture
async def limited(make_api: MakeApi) -> Api:
    return await make_api(Settings())


async def test_five_messages_per_five_seconds_then_429(limited: Api) -> None:
    for index in range(5):
        response = await limited.post(MESSAGES, "carl", {"content": "x"})
        assert response.status_code == 200
        assert response.headers["x-ratelimit-limit"] == "5"
        assert response.headers["x-ratelimit-remaining"] == str(4 - index)
        assert all(f"x-ratelimit-{name}" in response.headers for name in HEADERS)
        limited.clock.advance(100)
    refused = await limited.post(MESSAGES, "carl", {"content": "x"})
    assert refused.status_code == 429
    assert refused.json() == {"message": "You are being rate limited.", "retry_after": 4.5, "global": False}
    assert refused.headers["retry-after"] == "5"
    assert refused.headers["via"]
    assert refused.headers["x-ratelimit-scope"] == "user"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["x-ratelimit-reset-after"] == "4.500"
    assert float(refused.headers["x-ratelimit-reset"]) * 1000 == limited.clock() + 4500
    assert "x-ratelimit-global" not in refused.headers
    assert refused.headers["content-type"] == "application/json"
    limited.clock.advance(4500)
    assert (await limited.post(MESSAGES, "carl", {"content": "x"})).status_code == 200


async def test_a_channel_a_user_and_a_route_each_have_a_bucket_of_their_own(limited: Api) -> None:
    buckets = set()
    for _ in range(5):
        buckets.add((await limited.post(MESSAGES, "ada", {"content": "x"})).headers["x-ratelimit-bucket"])
    assert (await limited.post(MESSAGES, "ada", {"content": "x"})).status_code == 429
    other = await limited.post(f"/channels/{STAFF_ONLY}/messages", "ada", {"content": "x"})
    assert (other.status_code, other.headers["x-ratelimit-remaining"]) == (200, "4")
    buckets.add(other.headers["x-ratelimit-bucket"])
    assert len(buckets) == 1
    assert (await limited.post(MESSAGES, "carl", {"content": "x"})).status_code == 200
    listed = await limited.get(MESSAGES, "ada")
    assert listed.status_code == 200
    assert listed.headers["x-ratelimit-bucket"] not in buckets


async def test_errors_carry_the_headers_too(limited: Api) -> None:
    response = await limited.get("/channels/9/messages", "ada")
    assert response.status_code == 404
    assert all(f"x-ratelimit-{name}" in response.headers for name in HEADERS)


async def test_fifty_requests_per_second_and_identity(limited: Api) -> None:
    routes = ["/users/@me", "/users/1001", "/users/@me/guilds"]
    for index in range(50):
        assert (await limited.get(routes[index % 3], "ada")).status_code == 200
    refused = await limited.get("/voice/regions", "ada")
    assert refused.status_code == 429
    assert refused.json()["global"] is True
    assert refused.headers["x-ratelimit-global"] == "true"
    assert refused.headers["x-ratelimit-scope"] == "global"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["via"]
    assert "x-ratelimit-bucket" not in refused.headers
    assert (await limited.get("/users/@me", "carl")).status_code == 200
    limited.clock.advance(1000)
    assert (await limited.get("/voice/regions", "ada")).status_code == 200


async def remaining(api: Api, *forwarded: str) -> int:
    """Ask what is open to all; return what is left to the address."""
    headers = [("X-Forwarded-For", each) for each in forwarded]
    return int((await api.client.get("/api/v10/gateway", headers=headers)).headers["x-ratelimit-remaining"])


async def test_what_is_open_to_all_is_counted_by_address(limited: Api) -> None:
    assert await remaining(limited) == 49
    assert await remaining(limited, "198.51.100.7") == 48


async def test_a_trusted_proxy_says_whose_a_request_is_and_nobody_else_does(make_api: MakeApi) -> None:
    api = await make_api(Settings(trusted_proxies="127.0.0.0/8, 10.0.0.0/8"))  # the tests' client is 127.0.0.1
    assert await remaining(api, "198.51.100.7") == 49
    assert await remaining(api, "198.51.100.7") == 48
    assert await remaining(api, "2001:db8::1, 10.1.2.3") == 49
    assert await remaining(api, "2001:db8::1", "10.1.2.3") == 48
    # What a client itself wrote stands before what the first trusted proxy adds.
    assert await remaining(api, "203.0.113.1, 198.51.100.7, 10.1.2.3") == 47
    assert await remaining(api, "198.51.100.7, nonsense") == 49
    assert await remaining(api) == 48


async def test_zero_switches_limits_off(api: Api) -> None:
    for _ in range(80):
        response = await api.post(MESSAGES, "ada", {"content": "x"})
        assert response.status_code == 200
    assert not any(name.startswith("x-ratelimit") for name in response.headers)


async def test_health_is_never_limited(limited: Api) -> None:
    for _ in range(120):
        assert (await limited.get("/healthz")).status_code == 200


def test_windows_forget_what_has_passed() -> None:
    windows = Windows(2, 1000)
    for index in range(1000):
        windows.hit((ADA, index), index)
    assert len(windows) == 1000
    windows.hit("late", 1500)
    assert len(windows) == 500
    windows.hit("later", 10_000)
    assert len(windows) == 1


def test_a_window_survives_a_clock_that_steps_back() -> None:
    windows = Windows(1, 1000)
    assert windows.hit("a", 5000).retry_after_ms == 0
    assert windows.hit("a", 5400).retry_after_ms == 600
    assert windows.hit("a", 3000).retry_after_ms == 0
    assert windows.hit("a", 3001).retry_after_ms == 999
