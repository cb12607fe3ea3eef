"""Every key that client libraries were measured to take is in what a session receives, with the same type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient, op
from tests.support.server import Server
from tests.support.shapes import FIXTURES, differences

BOT_LEGAL = 0x331FFFF


@pytest.fixture
def bot(server: Server) -> Iterator[RawClient]:
    with RawClient(server.gateway) as client:
        client.open()
        client.send(op(2, {"token": "bell-token", "intents": BOT_LEGAL, "properties": {}, "shard": [0, 1]}))
        yield client


# Who made an emoji is for those who may manage it, by HTTP; one's place in a thread is shown to who is in it. Other
# tests of the same server make some.
UNTOLD = {".emojis[].user is missing", ".threads[].member is missing"}


@pytest.fixture
def ada(server: Server) -> ApiClient:
    return ApiClient(server.api, "ada-token")


def received(bot: RawClient, name: str, fixture: str | None = None) -> Any:
    """The next event of this name, after comparing it with its fixture."""
    body = bot.read_until(0, name)["d"]
    assert set(differences(FIXTURES[fixture or name], body)) <= UNTOLD
    return body


@pytest.fixture
def ready(bot: RawClient) -> Any:
    body = received(bot, "READY")
    for _ in body["guilds"]:
        received(bot, "GUILD_CREATE")
    return body


def test_ready_and_guild_create(bot: RawClient) -> None:
    ready = received(bot, "READY")
    assert (ready["v"], ready["shard"], ready["private_channels"]) == (10, [0, 1], [])
    assert ready["resume_gateway_url"].startswith("ws://127.0.0.1:")
    guilds = [received(bot, "GUILD_CREATE") for _ in ready["guilds"]]
    assert ready["guilds"] == [{"id": guild["id"], "unavailable": True} for guild in guilds]
    assert {"2001"} <= {guild["id"] for guild in guilds}


@pytest.mark.parametrize("version", [9, 10])
def test_ready_names_the_version_of_its_connection(server: Server, version: int) -> None:
    with RawClient(server.gateway) as client:
        client.open(f"v={version}&encoding=json")
        client.send(op(2, {"token": "ada-token", "properties": {}}))
        assert client.read_until(0, "READY")["d"]["v"] == version


def test_ready_and_guild_create_of_a_person(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        client.send(op(2, {"token": "ada-token", "properties": {}, "shard": [0, 1]}))
        ready = received(client, "READY")
        for _ in ready["guilds"]:
            received(client, "GUILD_CREATE")


def test_messages(bot: RawClient, ready: Any, ada: ApiClient, server: Server) -> None:
    messages = "/channels/3001/messages"
    first = ada.ok("POST", messages, {"content": "hello", "embeds": [{"title": "t", "description": "d"}]})
    assert received(bot, "MESSAGE_CREATE")["id"] == first["id"]
    ada.ok("PATCH", f"{messages}/{first['id']}", {"content": "edited"})
    assert received(bot, "MESSAGE_UPDATE")["content"] == "edited"
    ada.ok("DELETE", f"{messages}/{first['id']}")
    assert received(bot, "MESSAGE_DELETE")["id"] == first["id"]
    ids = [ada.ok("POST", messages, {"content": str(number)})["id"] for number in range(2)]
    ApiClient(server.api, "Bot bell-token").ok("POST", f"{messages}/bulk-delete", {"messages": ids})
    assert set(received(bot, "MESSAGE_DELETE_BULK")["ids"]) == set(ids)
    ada.ok("POST", "/channels/3001/typing")
    assert received(bot, "TYPING_START")["user_id"] == "1001"


@pytest.mark.parametrize(("kind", "place"), [(0, 1), (2, 2), (4, 0), (5, 3), (13, 4), (15, 5)])
def test_channels_of_each_type(bot: RawClient, ready: Any, ada: ApiClient, kind: int, place: int) -> None:
    made = ada.ok("POST", "/guilds/2001/channels", {"name": f"kind-{kind}", "type": kind})
    shape = FIXTURES["GUILD_CREATE"]["channels"][place]
    assert shape["type"] == kind
    created = bot.read_until(0, "CHANNEL_CREATE")["d"]
    assert differences({**shape, "guild_id": "1"}, created) == []
    ada.ok("PATCH", f"/channels/{made['id']}", {"name": "renamed"})
    assert differences(shape, bot.read_until(0, "CHANNEL_UPDATE")["d"]) == []
    ada.ok("DELETE", f"/channels/{made['id']}")
    assert differences(shape, bot.read_until(0, "CHANNEL_DELETE")["d"]) == []


def test_roles(bot: RawClient, ready: Any, ada: ApiClient) -> None:
    role = ada.ok("POST", "/guilds/2001/roles", {"name": "mod"})
    assert received(bot, "GUILD_ROLE_CREATE")["role"]["id"] == role["id"]
    ada.ok("PATCH", f"/guilds/2001/roles/{role['id']}", {"name": "moderator"})
    assert received(bot, "GUILD_ROLE_UPDATE")["role"]["name"] == "moderator"
    ada.ok("DELETE", f"/guilds/2001/roles/{role['id']}")
    assert received(bot, "GUILD_ROLE_DELETE")["role_id"] == role["id"]


def test_members_and_bans(bot: RawClient, ready: Any, ada: ApiClient) -> None:
    ada.ok("PUT", "/guilds/2001/members/1005", {})
    assert received(bot, "GUILD_MEMBER_ADD")["user"]["id"] == "1005"
    ada.ok("PATCH", "/guilds/2001/members/1005", {"nick": "nick"})
    assert received(bot, "GUILD_MEMBER_UPDATE")["nick"] == "nick"
    bot.send(op(8, {"guild_id": "2001", "query": "", "limit": 0, "presences": True, "nonce": "n"}))
    chunk = received(bot, "GUILD_MEMBERS_CHUNK")
    assert (chunk["nonce"], chunk["chunk_index"], chunk["chunk_count"]) == ("n", 0, 1)
    assert {member["user"]["id"] for member in chunk["members"]} >= {"1001", "1002", "1003", "1004", "1005"}
    ada.ok("PUT", "/guilds/2001/bans/1005", {})
    received(bot, "GUILD_BAN_ADD")
    received(bot, "GUILD_MEMBER_REMOVE")
    ada.ok("DELETE", "/guilds/2001/bans/1005")
    received(bot, "GUILD_BAN_REMOVE")


def test_presence(server: Server, bot: RawClient, ready: Any) -> None:
    activity = {"name": "Game", "type": 0}
    with RawClient(server.gateway) as dora:
        dora.open()
        presence = {"status": "dnd", "activities": [activity], "since": None, "afk": False}
        dora.identify("dora-token", intents=0, presence=presence)
        update = received(bot, "PRESENCE_UPDATE")
        assert (update["user"]["id"], update["status"], update["guild_id"]) == ("1004", "dnd", "2001")
        assert update["client_status"] == {"web": "dnd"}
        assert update["activities"][0]["name"] == "Game"


def test_guild_and_user_changes(bot: RawClient, ready: Any, ada: ApiClient, server: Server) -> None:
    made = ada.ok("POST", "/guilds", {"name": "Annex"})
    ada.ok("PUT", f"/guilds/{made['id']}/members/1002", {})
    assert received(bot, "GUILD_CREATE")["id"] == made["id"]
    ada.ok("PATCH", f"/guilds/{made['id']}", {"name": "Annexe"})
    assert received(bot, "GUILD_UPDATE")["name"] == "Annexe"
    ada.ok("DELETE", f"/guilds/{made['id']}")
    gone = bot.read_until(0, "GUILD_DELETE")["d"]
    assert gone == {"id": made["id"]}
    ApiClient(server.api, "Bot bell-token").ok("PATCH", "/users/@me", {"username": "bell"})
    bell = ApiClient(server.api, "Bot bell-token")
    bell.ok("PATCH", "/users/@me", {"username": "belle"})
    assert received(bot, "USER_UPDATE")["username"] == "belle"
    bell.ok("PATCH", "/users/@me", {"username": "bell"})
    assert received(bot, "USER_UPDATE")["username"] == "bell"
