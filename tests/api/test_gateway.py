"""Where the gateway is, and how many sessions may be started."""

from __future__ import annotations

from tests.support.api_world import BELL, Api, MakeApi, error_of
from tocsin.config import Settings


async def test_the_url_has_no_path_and_no_query(api: Api) -> None:
    assert (await api.get("/gateway")).json() == {"url": "ws://127.0.0.1:8081"}


async def test_a_bot_learns_its_shards_and_session_starts(make_api: MakeApi) -> None:
    api = await make_api(Settings(session_start_limit=3, identify_max_concurrency=2, identify_window_ms=5000))
    body = (await api.get("/gateway/bot", "bell")).json()
    assert body["url"] == "ws://127.0.0.1:8081"
    assert body["shards"] == 1
    assert body["session_start_limit"] == {"total": 3, "remaining": 3, "reset_after": 0, "max_concurrency": 2}
    starts = api.services.session_starts
    assert [starts.take(BELL), starts.take(BELL), starts.take(BELL)] == [True, True, False]
    api.clock.advance(5000)
    assert [starts.take(BELL), starts.take(BELL)] == [True, False]
    limit = (await api.get("/gateway/bot", "bell")).json()["session_start_limit"]
    assert limit["remaining"] == 0
    assert limit["reset_after"] == 24 * 3600 * 1000 - 5000
    api.clock.advance(limit["reset_after"])
    assert starts.take(BELL)


async def test_no_more_concurrency_is_told_than_clients_can_read(make_api: MakeApi) -> None:
    api = await make_api(Settings(identify_max_concurrency=100_000))
    body = (await api.get("/gateway/bot", "bell")).json()
    assert body["session_start_limit"]["max_concurrency"] == 65_535


async def test_people_have_no_shards(api: Api) -> None:
    assert error_of(await api.get("/gateway/bot", "ada")) == (403, 20002)
    assert error_of(await api.get("/gateway/bot")) == (401, 0)


async def test_lists_that_libraries_ask_for_at_login_are_empty(api: Api) -> None:
    assert (await api.get("/soundboard-default-sounds", "bell")).json() == []
    assert (await api.get("/voice/regions", "bell")).json() == []
