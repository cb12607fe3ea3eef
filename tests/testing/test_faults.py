"""Faults on demand: what each does to a session that is live, as its client meets it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.support.raw_client import DroppedError, RawClient, op
from tocsin.testing.guild import BotAccount, Guild
from tocsin.testing.portal import Refused
from tocsin.testing.server import TestServer, running

MESSAGES = 1 << 9 | 1 << 15
"""GUILD_MESSAGES and MESSAGE_CONTENT."""


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


def _octet(client: RawClient) -> bytes | None:
    try:
        return client._take(1)
    except DroppedError:
        return None


def resumes(server: TestServer, bot: BotAccount, client: RawClient, *contents: str) -> None:
    """Resume from READY on a new connection, and read until these messages and RESUMED have come."""
    with RawClient(server.gateway) as again:
        again.open()
        again.send(op(6, {"token": bot.token, "session_id": client.session_id, "seq": 1}))  # type: ignore[attr-defined]
        missing = {"RESUMED", *contents}
        while missing:
            payload = again.read_until(0)
            missing.discard(payload["t"] if payload["t"] == "RESUMED" else payload["d"]["content"])


def test_a_cut_is_a_cut_and_the_session_resumes(
    server: TestServer, bot: BotAccount, guild: Guild, client: RawClient
) -> None:
    assert server.cut(bot) == 1
    with pytest.raises(DroppedError):
        client.read_payload()
    guild.owner.say("missed")
    resumes(server, bot, client, "missed")


def test_ops_7_and_9_and_close_codes_arrive(
    server: TestServer, bot: BotAccount, guild: Guild, client: RawClient
) -> None:
    assert server.reconnect(bot) == 1
    client.read_until(7)
    assert server.close(bot.id, 4009) == 1
    assert client.read_close() == 4009
    resumes(server, bot, client)
    for resumable in (True, False):
        with RawClient(server.gateway) as other:
            other.open()
            other.identify(bot.token)
            assert server.invalid_session(bot, resumable=resumable) >= 1
            assert other.read_until(9)["d"] is resumable


def test_a_frame_is_broken_off_in_its_middle_and_the_session_resumes(
    server: TestServer, bot: BotAccount, guild: Guild
) -> None:
    with RawClient(server.gateway) as client:
        client.send(client.request("v=10&encoding=json&compress=zlib-stream"))
        client.read_head()
        client.read_frame()
        properties = {"os": "linux", "browser": "tests", "device": "tests"}
        client.send(op(2, {"token": bot.token, "intents": 0, "properties": properties}))
        client.read_frame()
        assert server.half_frame(bot) == 1
        first, length = client._take(2)
        assert (first, length > 2) == (0x82, True), "a compressed frame has begun"
        got = b""
        while (octet := _octet(client)) is not None:
            got += octet
        assert 0 < len(got) < length


def test_a_stall_holds_everything_back_and_loses_nothing(
    server: TestServer, bot: BotAccount, guild: Guild, client: RawClient
) -> None:
    assert server.stall(bot, 3600) == 1
    guild.owner.say("held")
    resumes(server, bot, client, "held")
    with RawClient(server.gateway) as other:
        other.open()
        other.identify(bot.token, intents=MESSAGES)
        assert server.stall(bot, 0.1) >= 1
        guild.owner.say("late")
        assert other.read_until(0, "MESSAGE_CREATE")["d"]["content"] == "late"


def test_a_429_befalls_the_next_requests_of_one_user_on_one_route(server: TestServer, guild: Guild) -> None:
    owner, ada = guild.owner, guild.sync_person("ada")
    server.rate_limit(ada, "POST /channels/{channel_id}/messages", requests=2, retry_after=1.5, scope="shared")
    owner.say("passes")
    ada.type()
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            ada.say("refused")
        assert refused.value.status == 429
        assert refused.value.body["retry_after"] == 1.5
    ada.say("passes")
    server.rate_limit(ada, f"GET /channels/{guild.channel}/messages")
    with pytest.raises(Refused):
        ada.call("GET", f"/channels/{guild.channel}/messages")


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
