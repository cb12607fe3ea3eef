"""Presences over two nodes are as they would be at one: each change told once, hidden is offline, the dead go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.api_client import ApiClient
from tests.support.raw_client import CLOSE, RawClient, frame, op
from tests.support.redis_server import RedisServer
from tests.support.server import Server

INTENTS = 1 | 1 << 1 | 1 << 8 | 1 << 9 | 1 << 15
GENERAL, LAB = "3001", "2001"
DORA, BELL = "1004", "1002"
LEASE_S = 15.0


@contextmanager
def session(server: Server, token: str, **extra: Any) -> Iterator[tuple[RawClient, dict[str, Any]]]:
    """Identify and read GUILD_CREATE."""
    with RawClient(server.gateway) as client:
        client.open()
        client.identify(token, intents=INTENTS, **extra)
        client.socket.settimeout(LEASE_S)
        yield client, client.read_until(0, "GUILD_CREATE")["d"]


def being(status: str, *names: str) -> dict[str, Any]:
    return {
        "status": status,
        "since": None,
        "afk": False,
        "activities": [{"name": each, "type": 0} for each in names],
    }


def leave(client: RawClient) -> None:
    """End the session for good."""
    client.send(frame(CLOSE, (1000).to_bytes(2, "big")))
    while client.read_frame()[0] != CLOSE:
        pass


def told(client: RawClient, user_id: str = DORA) -> dict[str, Any]:
    """Return the next presence of a user."""
    while True:
        d: dict[str, Any] = client.read_until(0, "PRESENCE_UPDATE")["d"]
        if d["user"]["id"] == user_id:
            return d


def told_before(client: RawClient, api: ApiClient, user_id: str = DORA) -> list[str]:
    """Say something and return the statuses told of a user before it is heard."""
    marker = api.ok("POST", f"/channels/{GENERAL}/messages", {"content": "marker"})["id"]
    found: list[str] = []
    while True:
        payload = client.read_until(0)
        if payload["t"] == "MESSAGE_CREATE" and payload["d"]["id"] == marker:
            return found
        if payload["t"] == "PRESENCE_UPDATE" and payload["d"]["user"]["id"] == user_id:
            found.append(payload["d"]["status"])


def shown(server: Server, user_id: str = DORA) -> dict[str, Any] | None:
    """Return a user's presence on the surfaces of a new session, which must agree."""
    with session(server, "ada-token") as (client, guild):
        client.send(op(8, {"guild_id": LAB, "user_ids": [user_id], "presences": True}))
        chunk = client.read_until(0, "GUILD_MEMBERS_CHUNK")["d"]
        in_guild = [each for each in guild["presences"] if each["user"]["id"] == user_id]
        assert in_guild == chunk["presences"]
        client.send(op(14, {"guild_id": LAB, "channels": {GENERAL: [[0, 99]]}}))
        rows = client.read_until(0, "GUILD_MEMBER_LIST_UPDATE")["d"]
        listed = [
            each["member"]["presence"]["status"]
            for change in rows["ops"]
            for each in change["items"]
            if "member" in each and each["member"]["user"]["id"] == user_id
        ]
        assert listed == [in_guild[0]["status"] if in_guild else "offline"]
        counted = ApiClient(server.api, "ada-token").ok("GET", f"/guilds/{LAB}?with_counts=true")
        assert counted["approximate_presence_count"] == rows["online_count"]
        leave(client)
        return in_guild[0] if in_guild else None


@pytest.fixture
def apis(nodes: tuple[Server, Server]) -> tuple[ApiClient, ApiClient]:
    return ApiClient(nodes[0].api, "ada-token"), ApiClient(nodes[1].api, "ada-token")


def test_a_presence_is_seen_at_the_other_node_once_and_on_every_surface(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient]
) -> None:
    with session(nodes[0], "ada-token") as (watch, guild):
        assert not [each for each in guild["presences"] if each["user"]["id"] == DORA]
        with session(nodes[1], "dora-token", presence=being("dnd", "chess")) as (dora, _):
            first = told(watch)
            assert (first["status"], first["client_status"]) == ("dnd", {"web": "dnd"})
            assert [each["name"] for each in first["activities"]] == ["chess"]
            assert told_before(watch, apis[1]) == []
            del first["guild_id"]
            for api in apis:
                [listed] = api.ok("GET", "/users/@me/guilds?with_counts=true")
                assert listed["approximate_presence_count"] == 2
            assert shown(nodes[0]) == shown(nodes[1]) == first
            dora.send(op(3, being("idle")))
            assert told(watch)["status"] == "idle"
            leave(dora)
        assert told(watch)["status"] == "offline"
        assert told_before(watch, apis[1]) == []
        assert shown(nodes[0]) is None
        assert shown(nodes[1]) is None


def test_sessions_at_both_nodes_are_one_user_and_the_last_one_to_go_is_offline(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient]
) -> None:
    with (
        session(nodes[0], "ada-token") as (watch, _),
        session(nodes[1], "ada-token") as (other, _),
        session(nodes[0], "dora-token", presence=being("online")) as (first, _),
    ):
        assert told(watch)["status"] == told(other)["status"] == "online"
        with session(nodes[1], "dora-token", presence=being("dnd", "go")) as (second, _):
            assert told(watch) == told(other)
            second.send(op(3, being("invisible", "hidden thing")))
            # The newest word hides the whole account, wherever it was said.
            assert told(watch)["status"] == told(other)["status"] == "offline"
            assert shown(nodes[0]) is None
            assert shown(nodes[1]) is None
            first.send(op(3, being("idle")))
            assert told(watch) == told(other)
            seen = shown(nodes[0])
            assert seen == shown(nodes[1])
            assert seen is not None
            assert seen["status"] == "idle"
            leave(second)
        for each, api in ((watch, apis[0]), (other, apis[1])):
            assert "offline" not in told_before(each, api)
        leave(first)
        assert told(watch)["status"] == told(other)["status"] == "offline"


def test_who_hides_at_the_other_node_is_as_absent_as_who_is_not_there(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient]
) -> None:
    with session(nodes[0], "ada-token") as (watch, _), session(nodes[0], "ada-token") as (_, absent):
        with session(nodes[1], "dora-token", presence=being("invisible", "hidden thing")) as (dora, _):
            assert told_before(watch, apis[1]) == []
            assert shown(nodes[0]) is None
            with session(nodes[0], "ada-token") as (_, hidden):
                assert hidden["presences"] == absent["presences"]
            dora.send(op(3, being("online")))
            assert told(watch)["status"] == "online"
        assert told_before(watch, apis[1]) == []


def test_who_was_at_a_node_that_is_killed_is_offline_soon(nodes: tuple[Server, Server]) -> None:
    with session(nodes[0], "ada-token") as (watch, _), session(nodes[1], "dora-token"):
        assert told(watch)["status"] == "online"
        nodes[1].kill()
        killed = time.monotonic()
        assert told(watch)["status"] == "offline"
        # The promise of ADR 0018; the read's own deadline is no shorter.
        assert time.monotonic() - killed < LEASE_S
        assert shown(nodes[0]) is None


def test_who_was_at_a_node_that_ends_is_offline_at_once(nodes: tuple[Server, Server]) -> None:
    with session(nodes[0], "ada-token") as (watch, _), session(nodes[1], "dora-token"):
        assert told(watch)["status"] == "online"
        assert nodes[1].stop() == 0
        assert told(watch)["status"] == "offline"


def test_a_redis_that_comes_back_empty_shows_nobody_as_gone_and_what_changed_meanwhile(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient], redis: RedisServer
) -> None:
    with (
        session(nodes[0], "ada-token") as (watch, _),
        session(nodes[1], "dora-token") as (dora, _),
        session(nodes[1], "bell-token") as (bell, _),
    ):
        assert told(watch)["status"] == told(watch, BELL)["status"] == "online"
        redis.kill()
        leave(bell)
        dora.send(op(3, being("dnd")))
        redis.start()
        assert told_after_restart(watch) == {DORA: ["dnd"], BELL: ["offline"]}
        assert told_before(watch, apis[1]) == []
        seen = shown(nodes[0])
        assert seen is not None
        assert seen["status"] == "dnd"


def told_after_restart(watch: RawClient) -> dict[str, list[str]]:
    """Return the statuses told until bell is gone and dora is dnd."""
    found: dict[str, list[str]] = {DORA: [], BELL: []}
    while "dnd" not in found[DORA] or "offline" not in found[BELL]:
        d = watch.read_until(0, "PRESENCE_UPDATE")["d"]
        found[d["user"]["id"]].append(d["status"])
    return found


def test_a_node_without_sessions_of_a_guild_asks_who_is_online_in_it(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient]
) -> None:
    counts = [api.ok("GET", f"/guilds/{LAB}?with_counts=true")["approximate_presence_count"] for api in apis]
    assert counts == [0, 0]
    with session(nodes[1], "ada-token") as (watch, _), session(nodes[1], "dora-token"):
        assert told(watch)["status"] == "online"
        code = apis[0].ok("POST", f"/channels/{GENERAL}/invites", {})["code"]
        for api in apis:
            assert api.ok("GET", f"/guilds/{LAB}?with_counts=true")["approximate_presence_count"] == 2
            assert api.ok("GET", f"/invites/{code}?with_counts=true")["approximate_presence_count"] == 2
