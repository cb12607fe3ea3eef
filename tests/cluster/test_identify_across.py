"""What another node does while a session begins is in READY or told after it, never neither."""

from __future__ import annotations

import threading
from typing import Any

from tests.cluster.test_presence_across import GENERAL, LAB, leave, session, told
from tests.cluster.test_two_nodes import session as identified
from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient
from tests.support.server import Server

ROUNDS = 15
STRANGER = "1005"


def until(client: RawClient, name: str) -> Any:
    """Read up to an event of this name; the session is not ended meanwhile."""
    while True:
        payload = client.read_payload()
        assert payload["op"] != 9, "the session was ended"
        if payload["t"] == name:
            return payload["d"]


def test_group_dms_made_at_one_node_while_their_people_identify_at_the_other_are_never_missed(
    nodes: tuple[Server, Server],
) -> None:
    api = ApiClient(nodes[0].api, "ada-token")
    api.ok("GET", "/users/@me")
    for _ in range(ROUNDS):
        made: list[str] = []
        stop = threading.Event()

        def make(made: list[str] = made, stop: threading.Event = stop) -> None:
            while not stop.is_set() and len(made) < 12:
                made.append(api.ok("POST", "/users/@me/channels", {"recipients": ["1004", "1005"]})["id"])

        maker = threading.Thread(target=make)
        maker.start()
        try:
            with RawClient(nodes[1].gateway) as client:
                client.open()
                ready = client.identify("stranger-token", intents=1 | 1 << 12)
                stop.set()
                maker.join()
                found = {each["id"] for each in ready["private_channels"]}
                while not found.issuperset(made):
                    found.add(until(client, "CHANNEL_CREATE")["id"])
                for each in made:
                    api.ok("DELETE", f"/channels/{each}")
        finally:
            stop.set()
            maker.join()


def test_what_people_set_of_their_own_at_one_node_while_they_identify_at_the_other_is_never_missed(
    nodes: tuple[Server, Server],
) -> None:
    api = ApiClient(nodes[0].api, "stranger-token")
    last = 0
    for _ in range(ROUNDS):
        stop = threading.Event()

        def write(stop: threading.Event = stop) -> None:
            nonlocal last
            while not stop.is_set():
                api.ok("PUT", "/users/@me/notes/1004", {"note": str(last + 1)})
                last += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            with RawClient(nodes[1].gateway) as client:
                client.open()
                ready = client.identify("stranger-token", intents=1)
                stop.set()
                writer.join()
                seen = int(ready["notes"].get("1004", "0"))
                while seen < last:
                    told = int(until(client, "USER_NOTE_UPDATE")["note"])
                    # What READY shows already may come once more.
                    assert told <= seen + 1, (told, seen)
                    seen = max(seen, told)
        finally:
            stop.set()
            writer.join()


def test_what_a_group_is_told_at_nodes_that_have_some_of_its_people_ends_nobodys_session(
    nodes: tuple[Server, Server],
) -> None:
    api = ApiClient(nodes[0].api, "ada-token")
    with identified(nodes[0], "ada-token") as here, identified(nodes[1], "stranger-token") as there:
        group = api.ok("POST", "/users/@me/channels", {"recipients": ["1004", "1005"]})["id"]
        for client in (here, there):
            assert until(client, "CHANNEL_CREATE")["id"] == group
        # Each of the three people is told of a change by an event of their own: no node hears all of them.
        for name in ("one", "two", "three"):
            api.ok("PATCH", f"/channels/{group}", {"name": name})
            for client in (here, there):
                assert until(client, "CHANNEL_UPDATE")["name"] == name
        said = api.ok("POST", f"/channels/{group}/messages", {"content": "hello"})["id"]
        for client in (here, there):
            while until(client, "MESSAGE_CREATE")["id"] != said:
                pass


def test_a_temporary_member_stays_while_they_have_a_session_at_either_node(nodes: tuple[Server, Server]) -> None:
    owner, guest = ApiClient(nodes[0].api, "ada-token"), ApiClient(nodes[1].api, "stranger-token")
    invite = owner.ok("POST", f"/channels/{GENERAL}/invites", {"temporary": True})["code"]
    with session(nodes[0], "ada-token") as (watch, _):
        guest.ok("POST", f"/invites/{invite}")
        with session(nodes[0], "stranger-token") as (first, _):
            assert told(watch, STRANGER)["status"] == "online"
            with session(nodes[1], "stranger-token") as (second, _):
                leave(second)
            # That a session ended is heard of before one that begins after it is ready.
            with session(nodes[1], "ada-token"):
                assert owner.call("GET", f"/guilds/{LAB}/members/{STRANGER}")[0] == 200
            leave(first)
        assert watch.read_until(0, "GUILD_MEMBER_REMOVE")["d"]["user"]["id"] == STRANGER
