"""Two nodes over Redis: what is committed at either is heard at both, once and in order, and so are its permissions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient
from tests.support.redis_server import RedisServer
from tests.support.server import Server

GENERAL, STAFF_ONLY = "3001", "3002"
over_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
ALL = 1 | 1 << 1 | 1 << 9 | 1 << 12 | 1 << 15


def say(api: ApiClient, channel: str, content: str) -> str:
    made: str = api.ok("POST", f"/channels/{channel}/messages", {"content": content})["id"]
    return made


@contextmanager
def session(server: Server, token: str) -> Iterator[RawClient]:
    with RawClient(server.gateway) as client:
        client.open()
        client.identify(token, intents=ALL)
        if token != "stranger-token":
            client.read_until(0, "GUILD_CREATE")
        yield client


@pytest.fixture
def apis(nodes: tuple[Server, Server]) -> tuple[ApiClient, ApiClient]:
    """The owner at either node."""
    return ApiClient(nodes[0].api, "ada-token"), ApiClient(nodes[1].api, "ada-token")


def contents(client: RawClient, count: int) -> list[str]:
    return [client.read_until(0, "MESSAGE_CREATE")["d"]["content"] for _ in range(count)]


@over_both
def test_what_is_said_at_either_node_is_heard_at_both_once_and_in_order(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient]
) -> None:
    with session(nodes[0], "ada-token") as here, session(nodes[1], "dora-token") as there:
        said = []
        for number in range(60):
            say(apis[number % 2], GENERAL, str(number))
            said.append(str(number))
        assert contents(here, 60) == said
        assert contents(there, 60) == said


@over_both
def test_who_loses_a_channel_at_one_node_hears_nothing_more_at_the_other(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient]
) -> None:
    dora = ApiClient(nodes[1].api, "dora-token")
    with session(nodes[1], "dora-token") as there:
        say(dora, GENERAL, "before")
        assert contents(there, 1) == ["before"]
        apis[0].ok("PUT", f"/channels/{GENERAL}/permissions/1004", {"type": 1, "deny": "1024", "allow": "0"})
        say(apis[0], GENERAL, "secret, said here")
        say(apis[1], GENERAL, "secret, said there")
        gone = there.read_until(0)
        assert (gone["t"], gone["d"]["id"]) == ("CHANNEL_DELETE", GENERAL)
        # What the session was told, its node's API knows too.
        assert dora.call("GET", f"/channels/{GENERAL}/messages")[0] == 403
        assert dora.call("POST", f"/channels/{GENERAL}/messages", {"content": "no"})[0] == 403
        apis[1].ok("DELETE", f"/channels/{GENERAL}/permissions/1004")
        back = there.read_until(0)
        assert (back["t"], back["d"]["id"]) == ("CHANNEL_CREATE", GENERAL)
        say(apis[0], GENERAL, "after")
        assert contents(there, 1) == ["after"]


def test_members_roles_and_names_changed_at_one_node_are_true_at_the_other(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient]
) -> None:
    with session(nodes[1], "dora-token") as there:
        assert apis[1].ok("GET", "/guilds/2001/members/1004")["roles"] == []
        apis[0].ok("PATCH", "/guilds/2001/members/1004", {"roles": ["2101"], "nick": "dee"})
        told = there.read_until(0, "GUILD_MEMBER_UPDATE")["d"]
        assert (told["nick"], told["roles"]) == ("dee", ["2101"])
        shown = apis[1].ok("GET", "/guilds/2001/members/1004")
        assert (shown["nick"], shown["roles"]) == ("dee", ["2101"])
        say(apis[0], STAFF_ONLY, "for staff")
        assert contents(there, 1) == ["for staff"]
        apis[0].ok("DELETE", "/guilds/2001/members/1004")
        there.read_until(0, "GUILD_DELETE")
    assert apis[1].call("GET", "/guilds/2001/members/1004")[0] == 404


def test_a_private_threads_members_change_at_one_node_and_are_true_at_the_other(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient]
) -> None:
    dora = ApiClient(nodes[1].api, "dora-token")
    with session(nodes[1], "dora-token") as there:
        thread = apis[0].ok("POST", f"/channels/{GENERAL}/threads", {"name": "psst", "type": 12})["id"]
        path = f"/channels/{thread}"
        say(apis[0], thread, "secret, said here")
        say(apis[1], thread, "secret, said there")
        assert dora.call("GET", path)[0] == 403
        apis[0].ok("PUT", f"{path}/thread-members/1004")
        assert there.read_until(0)["t"] == "THREAD_CREATE"
        assert there.read_until(0)["t"] == "THREAD_MEMBERS_UPDATE"
        assert dora.ok("GET", path)["member_count"] == 2
        say(apis[0], thread, "for dora")
        assert contents(there, 1) == ["for dora"]
        apis[0].ok("PATCH", path, {"name": "renamed"})
        assert there.read_until(0)["d"]["name"] == "renamed"
        assert dora.ok("GET", path)["name"] == "renamed"
        apis[0].ok("DELETE", f"{path}/thread-members/1004")
        assert [there.read_until(0)["t"] for _ in range(2)] == ["THREAD_MEMBERS_UPDATE", "THREAD_DELETE"]
        assert dora.call("GET", path)[0] == 403
        assert dora.call("POST", f"{path}/messages", {"content": "no"})[0] == 403
        say(apis[1], thread, "without dora")
        say(apis[1], GENERAL, "the end")
        assert contents(there, 1) == ["the end"]


def test_a_first_direct_message_finds_its_reader_at_the_other_node(nodes: tuple[Server, Server]) -> None:
    api = ApiClient(nodes[0].api, "dora-token")
    with session(nodes[1], "stranger-token") as there:
        channel = api.ok("POST", "/users/@me/channels", {"recipient_id": "1005"})["id"]
        say(api, channel, "hello")
        heard = there.read_until(0, "MESSAGE_CREATE")["d"]
        assert (heard["channel_id"], heard["content"]) == (channel, "hello")


def test_of_a_dm_each_node_hears_what_is_for_its_people_and_misses_nothing(nodes: tuple[Server, Server]) -> None:
    ada, dora = (ApiClient(nodes[0].api, f"{name}-token") for name in ("ada", "dora"))
    with session(nodes[1], "dora-token") as there:
        # That it is open is told to each of the two for themselves, and nobody is here for the other one.
        channel = dora.ok("POST", "/users/@me/channels", {"recipient_id": "1005"})["id"]
        say(dora, channel, "to somebody elsewhere")
        assert contents(there, 1) == ["to somebody elsewhere"]
        group = ada.ok("POST", "/users/@me/channels", {"recipients": ["1004", "1005"]})["id"]
        say(ada, group, "with")
        ada.ok("DELETE", f"/channels/{group}/recipients/1004")
        say(ada, group, "without")
        ada.ok("PUT", f"/channels/{group}/recipients/1004")
        say(ada, group, "with again")
        heard = [there.read_until(0, "MESSAGE_CREATE")["d"] for _ in range(3)]
        assert [each["content"] for each in heard if each["type"] == 0] == ["with", "with again"]


def test_who_missed_of_a_dm_what_nobody_has_any_more_begins_anew(
    nodes: tuple[Server, Server], redis: RedisServer, database: str
) -> None:
    dora = ApiClient(nodes[0].api, "dora-token")
    channel = dora.ok("POST", "/users/@me/channels", {"recipient_id": "1005"})["id"]
    with session(nodes[1], "stranger-token") as there:
        say(dora, channel, "heard")
        assert contents(there, 1) == ["heard"]
        # As if two messages had never been published, and the outbox's window had passed over them.
        place = int(redis.call("GET", f"{{tocsin:0}}:watermark:2:{channel}").split(b"\r\n")[1])
        redis.call("SET", f"{{tocsin:0}}:watermark:2:{channel}", str(place - 2))
        with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as rows, rows:
            rows.execute("DELETE FROM outbox WHERE scope_kind = 2")
        say(dora, channel, "after the hole")
        assert there.read_until(9)["d"] is False


def test_who_is_removed_from_a_group_at_one_node_reads_and_hears_nothing_more_at_the_other(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient]
) -> None:
    stranger = ApiClient(nodes[1].api, "stranger-token")
    with session(nodes[1], "stranger-token") as there:
        group = apis[0].ok("POST", "/users/@me/channels", {"recipients": ["1004", "1005"]})["id"]
        seat, messages = f"/channels/{group}/recipients/1005", f"/channels/{group}/messages"
        for number in range(5):
            say(apis[1], group, f"with {number}")
            stranger.ok("GET", messages)
            apis[0].ok("DELETE", seat)
            assert stranger.call("GET", messages)[0] == 403
            say(apis[1], group, "without")
            apis[0].ok("PUT", seat)
        say(apis[1], group, "the end")
        spoken: list[str] = []
        while "the end" not in spoken:
            message = there.read_until(0, "MESSAGE_CREATE")["d"]
            spoken += [message["content"]] if message["type"] == 0 else []
        assert spoken == [*(f"with {number}" for number in range(5)), "the end"]


def test_a_redis_that_comes_back_empty_loses_nothing_and_ends_no_session(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient], redis: RedisServer
) -> None:
    with session(nodes[0], "ada-token") as here, session(nodes[1], "dora-token") as there:
        say(apis[0], GENERAL, "before")
        redis.kill()
        during = [str(number) for number in range(20)]
        for number in during:
            say(apis[int(number) % 2], GENERAL, number)
        redis.start()
        say(apis[1], GENERAL, "after")
        said = ["before", *during, "after"]
        assert contents(here, len(said)) == said
        assert contents(there, len(said)) == said


@over_both
def test_what_a_node_committed_and_died_before_it_could_publish_is_published_by_the_other(
    nodes: tuple[Server, Server], apis: tuple[ApiClient, ApiClient], redis: RedisServer
) -> None:
    with session(nodes[1], "dora-token") as there:
        say(apis[0], GENERAL, "before")
        assert contents(there, 1) == ["before"]
        redis.kill()
        say(apis[0], GENERAL, "committed")
        nodes[0].kill()
        redis.start()
        assert contents(there, 1) == ["committed"]
