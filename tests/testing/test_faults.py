"""Faults on demand: what each does to a session that is live, as its client meets it."""

from __future__ import annotations

import http.client
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import zstandard

from tests.support.raw_client import DroppedError, RawClient, op
from tocsin.testing.guild import BotAccount, Guild
from tocsin.testing.portal import Refused
from tocsin.testing.server import TestServer, running

GUILDS = 1
MESSAGES = 1 << 9 | 1 << 11 | 1 << 15
"""GUILD_MESSAGES, GUILD_MESSAGE_TYPING and MESSAGE_CONTENT."""

Fault = Callable[..., int]
"""Does a fault, as `TestServer`'s methods do, and returns how many sessions it met."""


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with running() as server:
        yield server


@pytest.fixture
def bot(server: TestServer) -> BotAccount:
    return server.make_bot()


@pytest.fixture
def guild(server: TestServer, bot: BotAccount) -> Iterator[Guild]:
    guild = server.make_guild(bot)
    yield guild
    guild.close()


@pytest.fixture
def client(server: TestServer, bot: BotAccount, guild: Guild) -> Iterator[RawClient]:
    with RawClient(server.gateway) as client:
        client.open()
        client.session_id = client.identify(bot.token, intents=MESSAGES)["session_id"]  # type: ignore[attr-defined]
        yield client


def resumes(server: TestServer, bot: BotAccount, client: RawClient, *contents: str) -> None:
    """Resume from READY on a new connection, and read until these messages and RESUMED have come."""
    with RawClient(server.gateway) as again:
        again.open()
        again.send(op(6, {"token": bot.token, "session_id": client.session_id, "seq": 1}))  # type: ignore[attr-defined]
        missing = {"RESUMED", *contents}
        while missing:
            payload = again.read_until(0)
            missing.discard(payload["t"] if payload["t"] == "RESUMED" else payload["d"].get("content"))


def by_method(server: TestServer) -> Fault:
    def fault(name: str, who: Any = None, **fields: Any) -> int:
        done: int | None = getattr(server, name)(*([] if who is None else [who]), **fields)
        return 0 if done is None else done

    return fault


def by_port(server: TestServer) -> Fault:
    """What a test in another language does: a JSON body to the port that `DATA/node.json` names."""
    node = json.loads((server.data / "node.json").read_text())

    def fault(name: str, who: Any = None, **fields: Any) -> int:
        for seconds, ms in (("seconds", "for_ms"), ("retry_after", "retry_after_ms")):
            if seconds in fields:
                fields[ms] = round(fields.pop(seconds) * 1000)
        target = {} if who is None else {"user_id": getattr(who, "id", who)}
        connection = http.client.HTTPConnection(urlsplit(node["http"]).netloc, timeout=10)
        headers = {"Authorization": f"Tocsin {node['control_token']}", "Content-Type": "application/json"}
        connection.request("POST", "/_tocsin/faults", json.dumps({"fault": name, **target, **fields}), headers)
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        if response.status != 200:
            raise Refused("POST", "/_tocsin/faults", response.status, body)
        return int(body["sessions"])

    return fault


@pytest.fixture(params=[by_method, by_port], ids=["method", "control port"])
def fault(request: pytest.FixtureRequest, server: TestServer) -> Iterator[Fault]:
    yield request.param(server)
    server.control("faults", {"fault": "rate_limit", "requests": 0})


def test_a_cut_is_a_cut_and_the_session_resumes(
    server: TestServer, fault: Fault, bot: BotAccount, guild: Guild, client: RawClient
) -> None:
    assert fault("cut", bot) == 1
    with pytest.raises(DroppedError):
        client.read_payload()
    guild.owner.say("missed")
    resumes(server, bot, client, "missed")


def test_op_7_arrives(server: TestServer, fault: Fault, bot: BotAccount, guild: Guild, client: RawClient) -> None:
    assert fault("reconnect", bot) == 1
    client.read_until(7)
    guild.owner.say("missed")
    resumes(server, bot, client, "missed")


@pytest.mark.parametrize("code", [4000, 4007, 4009, 4014, 1001])
def test_a_close_code_arrives(
    server: TestServer, fault: Fault, bot: BotAccount, guild: Guild, client: RawClient, code: int
) -> None:
    assert fault("close", bot.id, code=code) == 1
    assert client.read_close() == code
    resumes(server, bot, client)


@pytest.mark.parametrize("resumable", [True, False])
def test_op_9_arrives(
    server: TestServer, fault: Fault, bot: BotAccount, guild: Guild, client: RawClient, resumable: bool
) -> None:
    assert fault("invalid_session", bot, resumable=resumable) == 1
    assert client.read_until(9)["d"] is resumable
    with RawClient(server.gateway) as again:
        again.open()
        again.send(op(6, {"token": bot.token, "session_id": client.session_id, "seq": 1}))  # type: ignore[attr-defined]
        if resumable:
            again.read_until(0, "RESUMED")
        else:
            assert again.read_until(9)["d"] is False


def broken_off(client: RawClient) -> tuple[int, bytes]:
    """Read up to the end of the TCP: how much the last frame announces, and what there is of it."""
    _, second = client._take(2)
    announced = int.from_bytes(client._take({126: 2, 127: 8}.get(second, 0)) or bytes([second]), "big")
    got = b""
    while True:
        try:
            got += client._take(1)
        except DroppedError:
            return announced, got


class Plain:
    def decompress(self, data: bytes) -> bytes:
        return data


INFLATE: dict[str, Callable[[], Any]] = {
    "": Plain,
    "&compress=zlib-stream": zlib.decompressobj,
    "&compress=zstd-stream": lambda: zstandard.ZstdDecompressor().decompressobj(),
}


class Compressed:
    """A session on a stream that is compressed or not: payload after payload."""

    def __init__(self, client: RawClient, compress: str) -> None:
        self._client = client
        self._inflate = INFLATE[compress]().decompress
        client.send(client.request(f"v=10&encoding=json{compress}"))
        client.read_head()

    def until(self, name: str | None) -> dict[str, Any]:
        """Skip to an event, or to the first payload that is none."""
        while True:
            payload: dict[str, Any] = json.loads(self._inflate(self._client.read_frame()[1]))
            if payload["t"] == name:
                return payload

    def half(self) -> str:
        """What can be read of the frame that is broken off; nothing follows it."""
        announced, got = broken_off(self._client)
        assert 0 < len(got) < announced
        return str(self._inflate(got), errors="ignore")


@pytest.mark.parametrize("compress", INFLATE)
def test_the_frame_of_the_next_such_event_is_broken_off_and_comes_whole_with_a_resume(
    server: TestServer, fault: Fault, bot: BotAccount, guild: Guild, compress: str
) -> None:
    with RawClient(server.gateway) as client:
        stream = Compressed(client, compress)
        stream.until(None)
        properties = {"os": "linux", "browser": "tests", "device": "tests"}
        client.send(op(2, {"token": bot.token, "intents": GUILDS | MESSAGES, "properties": properties}))
        client.session_id = stream.until("READY")["d"]["session_id"]  # type: ignore[attr-defined]
        stream.until("GUILD_CREATE")
        assert fault("half_frame", bot, event="MESSAGE_CREATE") == 1
        guild.owner.type()
        stream.until("TYPING_START")
        guild.owner.say("halved" * 200)
        begun = stream.half()
        assert compress.endswith("zstd-stream") or "MESSAGE_CREATE" in begun
        resumes(server, bot, client, "halved" * 200)


@pytest.mark.parametrize("compress", INFLATE)
def test_a_frame_is_broken_off_at_once_or_at_whatever_comes_next(
    server: TestServer, fault: Fault, bot: BotAccount, guild: Guild, compress: str
) -> None:
    for event in (None, "*"):
        with RawClient(server.gateway) as client:
            stream = Compressed(client, compress)
            stream.until(None)
            properties = {"os": "linux", "browser": "tests", "device": "tests"}
            client.send(op(2, {"token": bot.token, "intents": GUILDS | MESSAGES, "properties": properties}))
            stream.until("GUILD_CREATE")
            assert fault("half_frame", bot, event=event) >= 1
            if event is not None:
                guild.owner.type()
            stream.half()


def test_a_stall_holds_everything_back_and_loses_nothing(
    server: TestServer, fault: Fault, bot: BotAccount, guild: Guild, client: RawClient
) -> None:
    assert fault("stall", bot, seconds=3600) == 1
    guild.owner.say("held")
    resumes(server, bot, client, "held")
    with RawClient(server.gateway) as other:
        other.open()
        other.identify(bot.token, intents=MESSAGES)
        assert fault("stall", bot, seconds=0.1) >= 1
        guild.owner.say("late")
        assert other.read_until(0, "MESSAGE_CREATE")["d"]["content"] == "late"


def refusal(person: Any) -> dict[str, Any]:
    with pytest.raises(Refused) as refused:
        person.say("refused")
    assert refused.value.status == 429
    body: dict[str, Any] = refused.value.body
    return body


MESSAGE_ROUTE = "POST /channels/{channel_id}/messages"


def test_a_429_befalls_the_next_requests_of_one_user_on_one_route(
    server: TestServer, fault: Fault, guild: Guild
) -> None:
    owner, ada = guild.owner, guild.sync_person("ada")
    fault("rate_limit", ada, route=MESSAGE_ROUTE, requests=2, retry_after=1.5, scope="shared")
    owner.say("passes")
    ada.type()
    for _ in range(2):
        assert refusal(ada)["retry_after"] == 1.5
    ada.say("passes")
    fault("rate_limit", ada, route=f"GET /channels/{guild.channel}/messages")
    with pytest.raises(Refused):
        ada.call("GET", f"/channels/{guild.channel}/messages")


def test_a_429_befalls_the_next_requests_of_anyone_on_one_route(server: TestServer, fault: Fault, guild: Guild) -> None:
    ada, bob = guild.sync_person("ada"), guild.sync_person("bob")
    fault("rate_limit", route=MESSAGE_ROUTE, requests=2)
    ada.type()
    refusal(bob)
    refusal(ada)
    bob.say("passes")


def test_a_429_befalls_the_next_requests_on_any_route(server: TestServer, fault: Fault, guild: Guild) -> None:
    ada, bob = guild.sync_person("ada"), guild.sync_person("bob")
    fault("rate_limit", ada, requests=2, scope="global", retry_after=2)
    bob.say("passes")
    assert refusal(ada)["global"] is True
    with pytest.raises(Refused, match="429"):
        ada.type()
    ada.say("passes")
    fault("rate_limit", requests=1000)
    assert refusal(bob)["global"] is False
    fault("rate_limit", requests=0)
    bob.say("passes")
    ada.say("passes")


@pytest.mark.parametrize("route", ["", "POST", "POST /nowhere", "BREW /channels/{channel_id}/messages"])
def test_a_429_on_a_route_that_is_not_there_is_refused(server: TestServer, bot: BotAccount, route: str) -> None:
    with pytest.raises(Refused, match="No such route"):
        server.rate_limit(bot, route)


def test_the_server_is_on_a_free_port_and_leaves_nothing_behind() -> None:
    with running() as first, running() as second:
        ports = {urlsplit(url).port for each in (first, second) for url in (each.http, each.gateway)}
        assert len(ports) == 4
        folders = [first.data, second.data]
    assert not any(folder.exists() for folder in folders)
