"""Sessions outlive their node over a Redis Cluster: each partition at a master of its own has its part of them."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from tests.cluster import test_takeover as takeover
from tests.cluster.test_figures import scraped
from tests.cluster.test_redis_cluster import GUILDS, Writer, cluster, pair, with_replicas
from tests.support.raw_client import RawClient, op
from tests.support.redis_cluster import RedisCluster
from tests.support.server import Server

__all__ = ["cluster"]

PARTITIONS = 4
PEOPLE = ("dora-token", "bell-token", "dora-token", "bell-token")


@pytest.fixture
def nodes(tmp_path: Path, cluster: RedisCluster) -> Iterator[tuple[Server, Server]]:
    with pair(tmp_path, cluster, f"--bus-partitions={PARTITIONS}") as servers:
        yield servers


@contextlib.contextmanager
def clients(server: Server) -> Iterator[list[takeover.Client]]:
    """Some at a node, who have all their guilds."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(takeover.client(server, token)) for token in PEOPLE]
        for each in made:
            for _ in GUILDS[1:]:
                each.wait("GUILD_CREATE")
        yield made


def told(client: takeover.Client) -> dict[str, list[str]]:
    """All messages that a client has, by channel; there is no hole in its numbers."""
    assert client.seq
    said: dict[str, list[str]] = {str(guild + 1000): [] for guild in GUILDS}
    for each in client.heard:
        if each["t"] == "MESSAGE_CREATE":
            said[each["d"]["channel_id"]].append(each["d"]["content"])
    return said


def hear_all(client: takeover.Client, writer: Writer) -> None:
    """Read up to the last of what was said: it has all of it, once, and of each channel in order."""
    had = sum(map(len, told(client).values()))
    client.contents(writer.count - had)
    assert told(client) == writer.said


def resumes(client: takeover.Client) -> int:
    return sum(each["t"] == "RESUMED" for each in client.heard)


def test_sessions_of_a_node_that_is_killed_under_load_go_on_with_nothing_lost_or_said_twice(
    nodes: tuple[Server, Server],
    cluster: RedisCluster,
) -> None:
    writer = Writer((nodes[1], nodes[1]))
    with clients(nodes[0]) as everyone:
        with writer.at_work():
            for number, each in enumerate(everyone):
                each.contents(20 + 10 * number)
            nodes[0].kill()
            for each in everyone:
                each.ask(nodes[1])
                each.wait("RESUMED")
                each.contents(100)
        for each in everyone:
            hear_all(each, writer)
            assert resumes(each) == 1
    assert sum(bool(member.ask("KEYS", "*:watermark:1:*")) for member in cluster.masters) > 1


def test_sessions_move_between_living_nodes_and_back_under_load(nodes: tuple[Server, Server]) -> None:
    writer = Writer(nodes)
    with clients(nodes[0]) as everyone:
        with writer.at_work():
            for turn in range(4):
                for each in everyone:
                    each.contents(40)
                    each.ask(nodes[(turn + 1) % 2])
        for each in everyone:
            hear_all(each, writer)
            assert resumes(each) == 4


def test_a_frozen_node_that_wakes_ends_what_was_taken_over(nodes: tuple[Server, Server]) -> None:
    writer = Writer((nodes[1], nodes[1]))
    with clients(nodes[0]) as everyone:
        left = []
        with writer.at_work():
            for each in everyone:
                each.contents(20)
            nodes[0].process.send_signal(signal.SIGSTOP)
            try:
                for each in everyone:
                    left.append(each.raw)
                    each.raw = RawClient(nodes[1].gateway)
                    each.raw.open()
                    each.raw.send(op(6, {"token": each.token, "session_id": each.session_id, "seq": each.seq}))
                    each.wait("RESUMED")
                    each.contents(20)
            finally:
                nodes[0].process.send_signal(signal.SIGCONT)
            for old in left:
                # Every event that it says has been said to the session where it is now.
                takeover.contents_until_closed(old)
                old.socket.close()
        for each in everyone:
            hear_all(each, writer)
            assert resumes(each) == 1


def test_while_a_slot_moves_no_session_is_taken_over(
    nodes: tuple[Server, Server],
    cluster: RedisCluster,
) -> None:
    with clients(nodes[0]) as everyone:
        nodes[0].kill()
        tag = "{tocsin:1}"
        source = cluster.master_of(tag)
        target = next(member for member in cluster.masters if member is not source)
        source.ask("CLUSTER SETSLOT", key_slot(tag.encode()), "MIGRATING", target.name)
        everyone[0].ask(nodes[1])
        assert everyone[0].refused()
        source.ask("CLUSTER SETSLOT", key_slot(tag.encode()), "STABLE")
        for each in everyone[1:]:
            each.resume(nodes[1])


@with_replicas
def test_where_a_master_has_failed_since_its_node_did_a_session_begins_anew(
    tmp_path: Path,
    cluster: RedisCluster,
) -> None:
    with pair(tmp_path, cluster, f"--bus-partitions={PARTITIONS}") as nodes, clients(nodes[0]) as everyone:
        writer = Writer((nodes[1], nodes[1]))
        writer.round(0)
        nodes[0].kill()
        journals = cluster.master_of("{tocsin:0}")
        failed = next(
            member
            for member in (cluster.master_of(f"{{tocsin:{partition}}}") for partition in range(1, PARTITIONS))
            if member is not journals
        )
        cluster.replicate(failed)
        cluster.fail_over(failed)
        writer.round(1)
        for each in everyone:
            # What that master had numbered is uncertain, and what came since.
            each.ask(nodes[1])
            assert each.refused()
        assert f'tocsin_takeovers_total{{outcome="place"}} {len(everyone)}.0' in scraped(nodes[1])
