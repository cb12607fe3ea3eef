"""Voice states over two nodes: seen, moved and ended at either, and gone with a node that is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.test_presence_across import LAB, LEASE_S, leave
from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient, op
from tests.support.server import Server

INTENTS = 1 | 1 << 7
DORA = "1004"


@contextmanager
def session(server: Server, token: str) -> Iterator[tuple[RawClient, dict[str, Any]]]:
    with RawClient(server.gateway) as client:
        client.open()
        client.identify(token, intents=INTENTS)
        client.socket.settimeout(LEASE_S)
        yield client, client.read_until(0, "GUILD_CREATE")["d"]


def rooms(server: Server, count: int = 2) -> list[str]:
    api = ApiClient(server.api, "ada-token")
    return [
        api.ok("POST", f"/guilds/{LAB}/channels", {"name": f"talk-{each}", "type": 2})["id"] for each in range(count)
    ]


def join(client: RawClient, channel: str | None, **flags: bool) -> None:
    client.send(op(4, {"guild_id": LAB, "channel_id": channel, "self_mute": False, "self_deaf": False, **flags}))


def heard(client: RawClient) -> tuple[str | None, str, bool]:
    d = client.read_until(0, "VOICE_STATE_UPDATE")["d"]
    assert d["user_id"] == DORA
    return d["channel_id"], d["session_id"], d["self_mute"]


def at_both(nodes: tuple[Server, Server]) -> list[str | None]:
    """Return where dora is by the API and by GUILD_CREATE of either node."""
    found: list[str | None] = []
    for node in nodes:
        status, body = ApiClient(node.api, "ada-token").call("GET", f"/guilds/{LAB}/voice-states/{DORA}")
        found.append(body["channel_id"] if status == 200 else None)
        with session(node, "ada-token") as (client, guild):
            found.append(next((each["channel_id"] for each in guild["voice_states"] if each["user_id"] == DORA), None))
            leave(client)
    return found


def test_a_voice_state_is_seen_changed_and_ended_over_both_nodes(nodes: tuple[Server, Server]) -> None:
    first, second = rooms(nodes[0])
    with session(nodes[0], "ada-token") as (watch, _), session(nodes[1], "dora-token") as (dora, _):
        join(dora, first, self_mute=True)
        joined = heard(watch)
        assert (joined[0], joined[2]) == (first, True)
        assert heard(dora) == joined
        assert at_both(nodes) == [first] * 4
        # Moved at the node that has not their session.
        ApiClient(nodes[0].api, "ada-token").ok("PATCH", f"/guilds/{LAB}/members/{DORA}", {"channel_id": second})
        assert heard(watch) == heard(dora) == (second, *joined[1:])
        assert at_both(nodes) == [second] * 4
        with session(nodes[0], "dora-token") as (other, _):
            join(other, first)
            taken = heard(watch)
            assert taken[0] == first
            assert taken[1] != joined[1]
            assert heard(dora) == taken
            # The session that was in voice before ends nothing any more.
            leave(dora)
            join(other, first, self_mute=True)
            assert heard(watch) == (first, taken[1], True)
            leave(other)
        assert heard(watch)[0] is None
        assert at_both(nodes) == [None] * 4


def test_who_is_taken_out_at_the_other_node_is_out_at_both(nodes: tuple[Server, Server]) -> None:
    [room] = rooms(nodes[0], 1)
    with session(nodes[0], "ada-token") as (watch, _), session(nodes[1], "dora-token") as (dora, _):
        join(dora, room)
        assert heard(watch)[0] == heard(dora)[0] == room
        ApiClient(nodes[0].api, "ada-token").ok("PATCH", f"/guilds/{LAB}/members/{DORA}", {"channel_id": None})
        assert heard(watch)[0] is heard(dora)[0] is None
        assert at_both(nodes) == [None] * 4


def test_voice_states_of_a_node_that_is_killed_end(nodes: tuple[Server, Server]) -> None:
    [room] = rooms(nodes[0], 1)
    with session(nodes[0], "ada-token") as (watch, _), session(nodes[1], "dora-token") as (dora, _):
        join(dora, room)
        assert heard(watch)[0] == room
        nodes[1].kill()
        killed = time.monotonic()
        assert heard(watch)[0] is None
        assert time.monotonic() - killed < LEASE_S


def test_who_may_not_see_the_channel_hears_nothing_from_the_other_node(nodes: tuple[Server, Server]) -> None:
    [room] = rooms(nodes[0], 1)
    hidden = {"type": 0, "deny": str(1 << 10)}
    api = ApiClient(nodes[0].api, "ada-token")
    with session(nodes[0], "clerk-token") as (watch, _), session(nodes[1], "ada-token") as (owner, _):
        api.ok("PUT", f"/channels/{room}/permissions/{LAB}", hidden)
        watch.read_until(0, "CHANNEL_DELETE")
        join(owner, room)
        owner.read_until(0, "VOICE_STATE_UPDATE")
        api.ok("PATCH", f"/guilds/{LAB}", {"name": "Still here"})
        while (payload := watch.read_until(0))["t"] != "GUILD_UPDATE":
            assert payload["t"] != "VOICE_STATE_UPDATE"
