"""What another node does while a session begins is in READY or told after it, never neither."""

from __future__ import annotations

import threading

from tests.cluster.test_presence_across import GENERAL, LAB, leave, session, told
from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient
from tests.support.server import Server

ROUNDS = 15
STRANGER = "1005"


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
                    found.add(client.read_until(0, "CHANNEL_CREATE")["d"]["id"])
                for each in made:
                    api.ok("DELETE", f"/channels/{each}")
        finally:
            stop.set()
            maker.join()


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
