"""An interaction begun at one node and answered at another, each a real process."""

from __future__ import annotations

from typing import Any

from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient
from tests.support.server import Server

GENERAL = "3001"
PING = {"name": "ping", "description": "Answer"}


def test_what_is_answered_at_the_other_node_succeeds_and_only_the_forgotten_fails(
    nodes: tuple[Server, Server],
) -> None:
    person = ApiClient(nodes[0].api, "ada-token")
    with RawClient(nodes[1].gateway) as at_bot, RawClient(nodes[1].gateway) as at_person:
        for client, token in ((at_bot, "bell-token"), (at_person, "ada-token")):
            client.open()
            application = client.identify(token, intents=1).get("application", {}).get("id")
            client.read_until(0, "GUILD_CREATE")
            if token == "bell-token":
                bot = ApiClient(nodes[1].api, f"Bot {token}")
                bot.ok("POST", f"/applications/{application}/commands", PING)
                body: Any = {"type": 2, "application_id": application, "channel_id": GENERAL, "data": {"name": "ping"}}

        def invoke() -> Any:
            person.ok("POST", "/interactions", body)
            return at_bot.read_until(0, "INTERACTION_CREATE")["d"]

        for kind, data in ((4, {"content": "pong"}), (4, {"content": "psst", "flags": 64}), (5, {})):
            got = invoke()
            bot.ok("POST", f"/interactions/{got['id']}/{got['token']}/callback", {"type": kind, "data": data})
            assert at_person.read_until(0, "INTERACTION_SUCCESS")["d"]["id"] == got["id"]
        forgotten = invoke()
        assert at_person.read_until(0, "INTERACTION_FAILURE")["d"]["id"] == forgotten["id"]
