"""Sessions outlive their node: a RESUME at another one replays exactly what was missed, or gets op 9 (ADR 0019)."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_client import ApiClient
from tests.support.raw_client import CLOSE, DroppedError, RawClient, op
from tests.support.redis_server import RedisServer
from tests.support.server import UNLIMITED, Server, running_pair

GENERAL, STAFF_ONLY = "3001", "3002"
ALL = 1 | 1 << 1 | 1 << 9 | 1 << 12 | 1 << 15


class Client:
    """A client that keeps what it was dispatched, over its connections."""

    def __init__(self, server: Server, token: str, intents: int = ALL, **identify: Any) -> None:
        self.token = token
        self.heard: list[dict[str, Any]] = []
        self.raw = RawClient(server.gateway)
        self.raw.open()
        ready = self.raw.identify(token, intents=intents, **identify)
        self.heard.append({"s": 1, "t": "READY", "d": ready})
        self.session_id: str = ready["session_id"]
        self.wait("GUILD_CREATE")

    @property
    def seq(self) -> int:
        """The last `s`; that there was no hole before it."""
        numbers = [each["s"] for each in self.heard]
        assert numbers == list(range(1, len(numbers) + 1))
        return len(numbers)

    def wait(self, name: str) -> dict[str, Any]:
        """Read up to an event."""
        while True:
            payload = self.raw.read_payload()
            assert payload["op"] == 0, payload
            self.heard.append(payload)
            if payload["t"] == name:
                return payload

    def contents(self, count: int) -> list[str]:
        """Read so many messages."""
        return [self.wait("MESSAGE_CREATE")["d"]["content"] for _ in range(count)]

    def leave(self) -> None:
        """End the TCP connection."""
        self.raw.socket.close()

    def ask(self, server: Server) -> None:
        """Connect to a node and ask to resume."""
        self.raw.socket.close()
        self.raw = RawClient(server.gateway)
        self.raw.open()
        self.raw.send(op(6, {"token": self.token, "session_id": self.session_id, "seq": self.seq}))

    def resume(self, server: Server, *contents: str) -> None:
        """Go on at a node and hear these; what is still on its way may come after RESUMED."""
        self.ask(server)
        before = len(self.heard)
        while len(self.heard) < before + len(contents) + 1:
            payload = self.raw.read_payload()
            assert payload["op"] == 0, payload
            self.heard.append(payload)
        said = [each["d"].get("content") for each in self.heard[before:] if each["t"] != "RESUMED"]
        assert said == list(contents)

    def refused(self) -> bool:
        """Read the answer: op 9 false."""
        payload = self.raw.read_payload()
        return payload["op"] == 9 and payload["d"] is False


@contextmanager
def client(server: Server, token: str, intents: int = ALL, **identify: Any) -> Iterator[Client]:
    made = Client(server, token, intents, **identify)
    try:
        yield made
    finally:
        made.leave()


def say(api: ApiClient, channel: str, *contents: str) -> None:
    for content in contents:
        api.ok("POST", f"/channels/{channel}/messages", {"content": content})


@pytest.fixture(params=[1, 4], ids=["one-partition", "four-partitions"])
def nodes(
    tmp_path: Path, redis: RedisServer, database: str, request: pytest.FixtureRequest
) -> Iterator[tuple[Server, Server]]:
    """As everywhere, also where the guild, DMs and journals have partitions of their own."""
    bus = (f"--bus={redis.url}", f"--bus-partitions={request.param}")
    with running_pair(tmp_path, *UNLIMITED, f"--database={database}", *bus) as pair:
        yield pair


@pytest.fixture
def ada(nodes: tuple[Server, Server]) -> ApiClient:
    """The owner, at the second node."""
    return ApiClient(nodes[1].api, "ada-token")


def test_a_session_goes_on_at_another_node_when_its_own_was_killed(
    nodes: tuple[Server, Server], ada: ApiClient
) -> None:
    with client(nodes[0], "dora-token") as dora:
        say(ada, GENERAL, "1", "2", "3")
        assert dora.contents(3) == ["1", "2", "3"]
        nodes[0].kill()
        say(ada, GENERAL, "4", "5")
        dora.ask(nodes[1])
        assert dora.contents(2) == ["4", "5"]
        dora.wait("RESUMED")
        say(ada, GENERAL, "6")
        assert dora.contents(1) == ["6"]
        # Here it is a session like others.
        dora.leave()
        with client(nodes[1], "bell-token") as bell:
            say(ada, GENERAL, "7")
            # It is there before dora is.
            assert bell.contents(1) == ["7"]
        dora.ask(nodes[1])
        assert dora.contents(1) == ["7"]
        dora.wait("RESUMED")
        assert dora.seq == len(dora.heard)


def test_a_session_moves_between_living_nodes_and_back(nodes: tuple[Server, Server], ada: ApiClient) -> None:
    with client(nodes[0], "dora-token") as dora:
        for turn in range(4):
            say(ada, GENERAL, f"{turn} seen")
            assert dora.contents(1) == [f"{turn} seen"]
            dora.leave()
            say(ada, GENERAL, f"{turn} missed", f"{turn} missed too")
            dora.resume(nodes[(turn + 1) % 2], f"{turn} missed", f"{turn} missed too")
        assert dora.seq == len(dora.heard)


def test_a_session_whose_client_left_its_connection_open_has_one_owner(
    nodes: tuple[Server, Server], ada: ApiClient
) -> None:
    with client(nodes[0], "dora-token") as dora, RawClient(nodes[1].gateway) as second:
        first = dora.raw
        second.open()
        second.send(op(6, {"token": dora.token, "session_id": dora.session_id, "seq": dora.seq}))
        second.read_until(0, "RESUMED")
        say(ada, GENERAL, "1")
        assert second.read_until(0, "MESSAGE_CREATE")["d"]["content"] == "1"
        # The connection that was left may have been given nothing that is not the session's, and is closed.
        assert first.read_close() == 4000


def test_a_frozen_node_that_wakes_ends_what_was_taken_over(nodes: tuple[Server, Server], ada: ApiClient) -> None:
    with client(nodes[0], "dora-token") as dora:
        say(ada, GENERAL, "1")
        assert dora.contents(1) == ["1"]
        old = RawClient.__new__(RawClient)
        old.__dict__.update(dora.raw.__dict__)
        nodes[0].process.send_signal(signal.SIGSTOP)
        try:
            say(ada, GENERAL, "2")
            with RawClient(nodes[1].gateway) as there:
                dora.raw = there
                there.open()
                there.send(op(6, {"token": dora.token, "session_id": dora.session_id, "seq": dora.seq}))
                assert dora.contents(1) == ["2"]
                dora.wait("RESUMED")
                say(ada, GENERAL, "3")
                assert dora.contents(1) == ["3"]
                nodes[0].process.send_signal(signal.SIGCONT)
                # What it had read of its inbox before it froze it may say; then it finds out.
                said = contents_until_closed(old)
                assert said in ([], ["2"])
                say(ada, GENERAL, "4")
                assert dora.contents(1) == ["4"]
                assert dora.seq == len(dora.heard)
        finally:
            nodes[0].process.send_signal(signal.SIGCONT)
            old.socket.close()


def contents_until_closed(raw: RawClient) -> list[str]:
    """Read messages' contents up to the end of the connection."""
    said = []
    with suppress(DroppedError):
        while (read := raw.read_frame())[0] != CLOSE:
            said.append(json.loads(read[1])["d"]["content"])
    return said


def test_who_lost_a_channel_meanwhile_begins_anew_and_hears_nothing_of_it(
    nodes: tuple[Server, Server], ada: ApiClient
) -> None:
    with client(nodes[0], "dora-token") as dora:
        say(ada, GENERAL, "1")
        assert dora.contents(1) == ["1"]
        nodes[0].kill()
        ada.ok("PUT", f"/channels/{GENERAL}/permissions/1004", {"type": 1, "deny": "1024", "allow": "0"})
        say(ada, GENERAL, "secret")
        dora.ask(nodes[1])
        assert dora.refused()


STRANGER = "1005"


def come_and_go(ada: ApiClient) -> None:
    """A stranger joins, is given a name and leaves again, between messages."""
    say(ada, GENERAL, "1")
    ada.ok("PUT", f"/guilds/2001/members/{STRANGER}", {})
    say(ada, GENERAL, "2")
    ada.ok("PATCH", f"/guilds/2001/members/{STRANGER}", {"nick": "passing by"})
    ada.ok("DELETE", f"/guilds/2001/members/{STRANGER}")
    say(ada, GENERAL, "3")


def begin_log(ada: ApiClient, *clients: Client) -> None:
    """Let Redis know the guild's log, of which nothing was published when the world was made.

    The first event of such a log lets all of it be published, and no journal says that a session began after that.
    """
    say(ada, GENERAL, "before")
    for each in clients:
        each.wait("MESSAGE_CREATE")


def told_of(heard: list[dict[str, Any]]) -> list[str]:
    """What a client was dispatched: messages by their contents, other events by their names."""
    return [each["d"]["content"] if each["t"] == "MESSAGE_CREATE" else each["t"] for each in heard]


COME_AND_GO = ["1", "GUILD_MEMBER_ADD", "2", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE", "3"]


@pytest.mark.parametrize("known", [True, False], ids=["its node has the guild", "its node reads the guild for it"])
def test_who_came_and_went_meanwhile_is_told_once_and_in_order(
    nodes: tuple[Server, Server], ada: ApiClient, known: bool
) -> None:
    with contextlib.ExitStack() as stack:
        # With the intent for the audit log, of which she may see nothing.
        dora = stack.enter_context(client(nodes[0], "dora-token", ALL | 1 << 2))
        bell = stack.enter_context(client(nodes[1], "bell-token")) if known else None
        begin_log(ada, *([dora] if bell is None else [dora, bell]))
        nodes[0].kill()
        before = len(dora.heard)
        come_and_go(ada)
        if bell is not None:
            assert bell.contents(3) == ["1", "2", "3"]
        dora.ask(nodes[1])
        dora.wait("RESUMED")
        assert told_of(dora.heard[before:]) == [*COME_AND_GO, "RESUMED"]
        assert dora.seq == len(dora.heard)
        # And live.
        before = len(dora.heard)
        come_and_go(ada)
        assert dora.contents(3) == ["1", "2", "3"]
        assert told_of(dora.heard[before:]) == COME_AND_GO


def test_what_it_was_told_of_members_where_it_was_it_is_not_told_again(
    nodes: tuple[Server, Server], ada: ApiClient
) -> None:
    with client(nodes[0], "dora-token") as dora, client(nodes[1], "bell-token") as bell:
        for node in (nodes[1], nodes[0], nodes[1]):
            before = len(dora.heard)
            come_and_go(ada)
            # All of it, some, or nothing has arrived; at most the first of it is read.
            dora.wait("MESSAGE_CREATE")
            dora.ask(node)
            dora.wait("RESUMED")
            assert told_of(dora.heard[before:]) == [*COME_AND_GO, "RESUMED"]
        assert bell.contents(9) == ["1", "2", "3"] * 3
        assert dora.seq == len(dora.heard)


def test_a_role_that_loses_sight_makes_its_holders_begin_anew_and_others_go_on(
    nodes: tuple[Server, Server], ada: ApiClient
) -> None:
    seers = ada.ok("POST", "/guilds/2001/roles", {"name": "seers", "permissions": "0"})["id"]
    ada.ok("PUT", f"/guilds/2001/members/1003/roles/{seers}")
    ada.ok("PUT", f"/channels/{STAFF_ONLY}/permissions/{seers}", {"type": 0, "allow": "1024", "deny": "0"})
    plain = 1 | 1 << 9
    with (
        client(nodes[0], "dora-token", plain) as dora,
        client(nodes[0], "clerk-token", plain) as clerk,
        client(nodes[1], "bell-token") as bell,
        client(nodes[1], "dora-token", plain) as witness,
    ):
        say(ada, STAFF_ONLY, "for seers")
        assert clerk.contents(1) == [""]
        nodes[0].kill()
        # It takes nobody's sight, so far as the role goes; then it does.
        ada.ok("PATCH", f"/guilds/2001/roles/{seers}", {"permissions": "8192"})
        ada.ok("PATCH", "/guilds/2001/roles/2101", {"permissions": "9216"})
        say(ada, GENERAL, "for all")
        assert bell.contents(2) == ["for seers", "for all"]
        assert witness.contents(1) == ["for all"]
        dora.ask(nodes[1])
        assert dora.contents(1) == ["for all"]
        dora.wait("RESUMED")
        assert [each["t"] for each in dora.heard if "ROLE" in each["t"]] == ["GUILD_ROLE_UPDATE"] * 2
        ada.ok("PUT", f"/channels/{STAFF_ONLY}/permissions/{seers}", {"type": 0, "allow": "0", "deny": "1024"})
        say(ada, STAFF_ONLY, "secret")
        clerk.ask(nodes[1])
        assert clerk.refused()


def test_who_left_a_guild_meanwhile_begins_anew(nodes: tuple[Server, Server], ada: ApiClient) -> None:
    with client(nodes[0], "dora-token") as dora:
        nodes[0].kill()
        ada.ok("DELETE", "/guilds/2001/members/1004")
        dora.ask(nodes[1])
        assert dora.refused()


def test_another_token_an_ended_session_and_a_number_never_sent_get_op_9(
    nodes: tuple[Server, Server], ada: ApiClient
) -> None:
    with client(nodes[0], "dora-token") as dora:
        dora.token = "clerk-token"
        dora.ask(nodes[1])
        assert dora.refused()
        dora.token = "dora-token"
        dora.heard.append({"s": len(dora.heard) + 1, "t": "NEVER"})
        dora.ask(nodes[1])
        assert dora.refused()
        dora.heard.pop()
        # None of this has taken it from its node.
        dora.ask(nodes[0])
        dora.wait("RESUMED")
        ended = dora.session_id
        dora.raw.send(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
        assert dora.raw.read_close() == 1000
        dora.ask(nodes[1])
        assert (dora.refused(), dora.session_id) == (True, ended)


def test_a_revoked_token_takes_nothing_over(nodes: tuple[Server, Server], ada: ApiClient) -> None:
    with client(nodes[0], "dora-token") as dora:
        nodes[0].kill()
        ApiClient(nodes[1].api, "dora-token").ok("POST", "/auth/logout")
        dora.ask(nodes[1])
        assert dora.refused()


def test_a_dm_and_what_a_bot_may_not_read_are_as_they_would_have_been(
    nodes: tuple[Server, Server], ada: ApiClient
) -> None:
    plain = 1 | 1 << 9 | 1 << 12
    with client(nodes[0], "clerk-token", plain) as clerk, client(nodes[0], "dora-token") as dora:
        dm = ada.ok("POST", "/users/@me/channels", {"recipient_id": "1004"})["id"]
        dora.wait("CHANNEL_CREATE")
        begin_log(ada, clerk, dora)
        nodes[0].kill()
        say(ada, GENERAL, "for those with the intent")
        say(ada, STAFF_ONLY, "not for them")
        say(ada, dm, "for dora")
        for who, heard in ((clerk, [""]), (dora, ["for those with the intent", "for dora"])):
            who.ask(nodes[1])
            # A guild and a DM have an order each.
            assert sorted(who.contents(len(heard))) == sorted(heard)
            assert who.wait("RESUMED")["s"] == who.seq
            say(ada, GENERAL, "now")
            assert who.contents(1) == ["" if who is clerk else "now"]


def test_who_was_invisible_stays_so(nodes: tuple[Server, Server], ada: ApiClient) -> None:
    presences = ALL | 1 << 8
    with client(nodes[1], "bell-token", presences) as bell:
        hidden: dict[str, Any] = {"status": "invisible", "activities": [], "since": None, "afk": False}
        with client(nodes[0], "dora-token", presence=hidden) as dora:
            nodes[0].kill()
            dora.ask(nodes[1])
            dora.wait("RESUMED")
            dora.raw.send(op(3, {"status": "dnd", "activities": [], "since": None, "afk": False}))
            assert bell.wait("PRESENCE_UPDATE")["d"]["status"] == "dnd"


def test_a_node_that_is_told_to_end_hands_its_sessions_over(nodes: tuple[Server, Server], ada: ApiClient) -> None:
    with client(nodes[0], "dora-token") as dora:
        say(ada, GENERAL, "1")
        nodes[0].process.send_signal(signal.SIGTERM)
        assert dora.contents(1) == ["1"]
        while (payload := dora.raw.read_payload())["op"] != 7:
            dora.heard.append(payload)
        dora.leave()
        say(ada, GENERAL, "2")
        dora.ask(nodes[1])
        assert dora.contents(1) == ["2"]
        dora.wait("RESUMED")
        nodes[0].process.wait(30)
        say(ada, GENERAL, "3")
        assert dora.contents(1) == ["3"]
        assert dora.seq == len(dora.heard)
