"""The express route of POST messages answers as the ordinary route does, byte for byte, whatever is sent."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.api_world import GENERAL, LAB, STAFF_ONLY, VOICE, Api, MakeApi
from tocsin.config import Settings
from tocsin.errors import StoreUnavailable
from tocsin.model.entities import Channel
from tocsin.store.base import Delete
from tocsin.store.rows import channel_ops
from tocsin_api.express import Express

JSON = (b"content-type", b"application/json")
ADA = (b"authorization", b"ada-token")
SLOW = 3006
_ID = re.compile(rb'"id":"\d{15,}"')

Sent = tuple[int, list[tuple[bytes, bytes]], bytes]


async def ask(
    api: Api, *chunks: bytes, path: str = f"/channels/{GENERAL}/messages", headers: list[tuple[bytes, bytes]]
) -> Sent | None:
    """Post raw chunks to the app itself; a chunk of b"GONE" is a client that goes away. Return what it answered."""
    left = list(chunks)
    started: list[dict[str, Any]] = []
    body = b""

    async def receive() -> dict[str, Any]:
        chunk = left.pop(0)
        if chunk == b"GONE":
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    async def send(message: Any) -> None:
        nonlocal body
        if message["type"] == "http.response.start":
            started.append(message)
        else:
            body += message.get("body", b"")

    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"/api/v10{path}",
        "raw_path": f"/api/v10{path}".encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await api.app(scope, receive, send)  # type: ignore[arg-type]
    if not started:
        return None
    (start,) = started
    return start["status"], sorted(start["headers"]), _ID.sub(b'"id":"*"', body)


CASES: dict[str, tuple[tuple[bytes, ...], dict[str, Any]]] = {
    "a message": ((b'{"content":"hello"}',), {"headers": [ADA, JSON]}),
    "a message in pieces": ((b'{"con', b'tent":"', b"", b'hello"}'), {"headers": [ADA, JSON]}),
    "a message that says its length": ((b'{"content":"x"}',), {"headers": [ADA, JSON, (b"content-length", b"15")]}),
    "pieces that say their length": ((b'{"content"', b':"x"}'), {"headers": [ADA, JSON, (b"content-length", b"15")]}),
    "a charset": ((b'{"content":"x"}',), {"headers": [ADA, (b"content-type", b"Application/JSON ;charset=utf-8")]}),
    "a bot's message": (
        (b'{"content":"<@1001> hi","nonce":7}',),
        {"headers": [(b"authorization", b"Bot bell-token"), JSON]},
    ),
    "no token": ((b'{"content":"x"}',), {"headers": [JSON]}),
    "a token of nobody": ((b'{"content":"x"}',), {"headers": [(b"authorization", b"Bot no"), JSON]}),
    "nothing in it": ((b"{}",), {"headers": [ADA, JSON]}),
    "no body": ((b"",), {"headers": [ADA, JSON]}),
    "not JSON": ((b'{"content":',), {"headers": [ADA, JSON]}),
    "another shape": ((b'{"content":1}',), {"headers": [ADA, JSON]}),
    "a broken rule": ((b'{"content":"' + b"x" * 2001 + b'"}',), {"headers": [ADA, JSON]}),
    "too long": ((b'{"content":"' + b"x" * 5000 + b'"}',), {"headers": [ADA, JSON]}),
    "too long by its own account": ((b"{}",), {"headers": [ADA, JSON, (b"content-length", b"999999")]}),
    "too long in pieces": ((b'{"content":"',) + (b"x" * 1000,) * 5 + (b'"}',), {"headers": [ADA, JSON]}),
    "not an id": ((b"{}",), {"headers": [ADA, JSON], "path": "/channels/seven/messages"}),
    "an id beyond 63 bits": ((b"{}",), {"headers": [ADA, JSON], "path": f"/channels/{2**63}/messages"}),
    "no such channel": ((b'{"content":"x"}',), {"headers": [ADA, JSON], "path": "/channels/77/messages"}),
    "a channel out of sight": (
        (b'{"content":"x"}',),
        {"headers": [(b"authorization", b"carl-token"), JSON], "path": f"/channels/{STAFF_ONLY}/messages"},
    ),
    "a voice channel": ((b'{"content":"x"}',), {"headers": [ADA, JSON], "path": f"/channels/{VOICE}/messages"}),
}


@pytest.fixture(params=[True, False], ids=["limited", "unlimited"])
async def small(make_api: MakeApi, request: pytest.FixtureRequest) -> Api:
    """The API with short bodies, and with or without rate limits."""
    if request.param:
        return await make_api(Settings(body_max_bytes=4000))
    return await make_api(Settings(body_max_bytes=4000, global_rate_limit=0, message_rate_limit=0))


def ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, let the express route take nothing."""
    monkeypatch.setattr(Express, "takes", lambda *_: None)


@pytest.mark.parametrize("case", CASES)
async def test_it_answers_as_the_ordinary_route(small: Api, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    chunks, options = CASES[case]
    express = await ask(small, *chunks, **options)
    small.clock.advance(10_000)
    ordinary(monkeypatch)
    usual = await ask(small, *chunks, **options)
    assert express is not None
    assert usual is not None
    assert _at_rest(express) == _at_rest(usual)


def _at_rest(sent: Sent) -> object:
    """Leave out what tells the time."""
    status, headers, body = sent
    kept = [(name, b"*" if name == b"x-ratelimit-reset" else value) for name, value in headers]
    return status, kept, re.sub(rb'"timestamp":"[^"]*"', b"", body)


@pytest.mark.parametrize("count", [6, 51])
async def test_it_counts_with_the_ordinary_route(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """The sixth within five seconds meets the channel's limit, the fifty-first within a second the global one."""
    api = await make_api(Settings(message_rate_limit=5 if count == 6 else 1000))
    answers = [await ask(api, b'{"content":"x"}', headers=[ADA, JSON]) for _ in range(count)]
    ordinary(monkeypatch)
    usual = await ask(api, b'{"content":"x"}', headers=[ADA, JSON])
    assert [answer is not None and answer[0] for answer in answers] == [200] * (count - 1) + [429]
    assert answers[-1] == usual


async def test_slowmode_answers_as_on_the_ordinary_route(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api, other = await make_api(Settings()), await make_api(Settings())
    await api.store.commit(channel_ops(Channel(id=SLOW, guild_id=LAB, type=0, name="slow", rate_limit_per_user=30)))
    where: dict[str, Any] = {
        "path": f"/channels/{SLOW}/messages",
        "headers": [(b"authorization", b"carl-token"), JSON],
    }
    express = [await ask(api, b'{"content":"x"}', **where) for _ in range(2)]
    await api.store.commit([Delete("messages", {"channel_id": SLOW})])
    ordinary(monkeypatch)
    usual = [await ask(other, b'{"content":"x"}', **where) for _ in range(2)]
    assert [answer is not None and answer[0] for answer in express] == [200, 429]
    assert express == usual


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), RuntimeError("secret")])
async def test_faults_answer_as_on_the_ordinary_route(
    small: Api, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(small.store, "commit", refuse)
    express = await ask(small, b'{"content":"x"}', headers=[ADA, JSON])
    small.clock.advance(10_000)
    ordinary(monkeypatch)
    usual = await ask(small, b'{"content":"x"}', headers=[ADA, JSON])
    assert express is not None
    assert usual is not None
    assert express[0] == (503 if isinstance(error, StoreUnavailable) else 500)
    assert _at_rest(express) == _at_rest(usual)


async def test_a_store_that_cannot_say_whose_token_it_is_answers_as_on_the_ordinary_route(
    small: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(small.store, "bearer", refuse)
    express = await ask(small, b'{"content":"x"}', headers=[ADA, JSON])
    ordinary(monkeypatch)
    usual = await ask(small, b'{"content":"x"}', headers=[ADA, JSON])
    assert express is not None
    assert usual is not None
    assert express[0] == 503
    assert _at_rest(express) == _at_rest(usual)


async def test_a_client_that_leaves_before_its_body_is_whole_sends_nothing(small: Api) -> None:
    assert await ask(small, b'{"content":', b"GONE", headers=[ADA, JSON]) is None
    assert small.bus.take() == []
