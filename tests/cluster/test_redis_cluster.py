"""Two nodes over a Redis Cluster: each partition at the master of its slot, also after that has changed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import test_takeover as takeover
from tests.cluster.test_redis_health import findings, ready, wait_for
from tests.cluster.test_tokens_across import close_code
from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient
from tests.support.redis_cluster import Member, RedisCluster, running_cluster, wait_until
from tests.support.server import UNLIMITED, WORLD, Server, running_pair
from tocsin.bus.starts import RedisStarts

PARTITIONS = 6
GUILDS = [2001 + number for number in range(12)]
CROWD: dict[str, Any] = {
    "users": WORLD["users"],
    "guilds": [
        {
            "id": str(guild),
            "name": f"guild {guild}",
            "owner": "ada",
            "channels": [{"id": str(guild + 1000), "name": "general", "type": 0}],
            "members": [{"user": "bell"}, {"user": "dora"}],
        }
        for guild in GUILDS
    ],
}
"""ada owns guilds enough for all partitions; of each the channel's id is 1000 more."""


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RedisCluster]:
    """Three masters; with a replica each where a test's parameter says so."""
    with running_cluster(tmp_path / "redis", replicas=getattr(request, "param", False)) as members:
        yield members


with_replicas = pytest.mark.parametrize("cluster", [True], indirect=True)


@contextlib.contextmanager
def pair(folder: Path, cluster: RedisCluster, *more: str) -> Iterator[tuple[Server, Server]]:
    """Two nodes, each told of another member."""
    shared = (*UNLIMITED, f"--database=sqlite:///{folder / 'shared.db'}", f"--bus-partitions={PARTITIONS}", *more)
    each = [f"--bus={cluster.masters[number].url}" for number in (1, 2)]
    with running_pair(folder, *shared, each=each, world=CROWD) as servers:
        yield servers


@pytest.fixture
def nodes(tmp_path: Path, cluster: RedisCluster) -> Iterator[tuple[Server, Server]]:
    with pair(tmp_path, cluster) as servers:
        yield servers


@contextlib.contextmanager
def session(server: Server, token: str) -> Iterator[RawClient]:
    with RawClient(server.gateway) as client:
        client.open()
        client.identify(token, intents=1 | 1 << 9 | 1 << 15)
        for _ in GUILDS:
            client.read_until(0, "GUILD_CREATE")
        yield client


class Writer:
    """Says numbers in all channels in turn, at either node in turn, until it is told to stop."""

    def __init__(self, nodes: tuple[Server, Server]) -> None:
        self.said: dict[str, list[str]] = {str(guild + 1000): [] for guild in GUILDS}
        self._apis = [ApiClient(node.api, "ada-token") for node in nodes]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def round(self, number: int) -> None:
        """Say one number in each channel."""
        for channel, said in self.said.items():
            self._apis[number % 2].ok("POST", f"/channels/{channel}/messages", {"content": str(number)})
            said.append(str(number))

    def _run(self) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            self.round(number)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Write while the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    @property
    def count(self) -> int:
        """How much was said."""
        return sum(map(len, self.said.values()))


def heard(client: RawClient, count: int) -> dict[str, list[str]]:
    """What the next so many messages are, by channel."""
    told: dict[str, list[str]] = {str(guild + 1000): [] for guild in GUILDS}
    for _ in range(count):
        message = client.read_until(0, "MESSAGE_CREATE")["d"]
        told[message["channel_id"]].append(message["content"])
    return told


def users_of(cluster: RedisCluster) -> list[Member]:
    """The masters that have the logs of guilds."""
    return [member for member in cluster.members if member.answers() and member.ask("KEYS", "*:watermark:1:*")]


def partition_of(cluster: RedisCluster, member: Member) -> str:
    """What the keys of a partition at a member begin with."""
    key: str = member.ask("KEYS", "*:watermark:1:*")[0]
    return key.partition("}")[0] + "}"


def test_what_is_said_in_guilds_of_all_masters_is_heard_at_both_nodes_once_and_in_order(
    nodes: tuple[Server, Server], cluster: RedisCluster
) -> None:
    writer = Writer(nodes)
    with session(nodes[0], "ada-token") as here, session(nodes[1], "dora-token") as there:
        for number in range(5):
            writer.round(number)
        assert heard(here, writer.count) == heard(there, writer.count) == writer.said
    assert len(users_of(cluster)) > 1


def check_all_is_heard(nodes: tuple[Server, Server], disturb: Callable[[], None]) -> None:
    """Write before, while and after something happens to the cluster: both sessions hear all, once and in order."""
    writer = Writer(nodes)
    with session(nodes[0], "ada-token") as here, session(nodes[1], "dora-token") as there:
        writer.round(-1)
        assert heard(here, writer.count) == heard(there, writer.count) == writer.said
        before = writer.count
        with writer.at_work():
            disturb()
            # Until what was said after it is heard as well.
            told = [heard(client, 300) for client in (here, there)]
        rest = writer.count - before - 300
        for first, client in zip(told, (here, there), strict=True):
            last = heard(client, rest)
            whole = {channel: ["-1", *first[channel], *last[channel]] for channel in writer.said}
            assert whole == writer.said


@with_replicas
def test_while_a_replica_takes_the_place_of_its_master_nothing_is_lost_or_said_twice(
    nodes: tuple[Server, Server], cluster: RedisCluster
) -> None:
    def fail_over() -> None:
        cluster.fail_over(next(member for member in cluster.masters if member in users_of(cluster)))

    check_all_is_heard(nodes, fail_over)
    for node in nodes:
        assert ready(node.http) == 200


def test_while_a_slot_moves_to_another_master_nothing_is_lost_or_said_twice(
    nodes: tuple[Server, Server], cluster: RedisCluster
) -> None:
    moved: list[tuple[Member, Member, str]] = []

    def move() -> None:
        source = users_of(cluster)[0]
        tag = partition_of(cluster, source)
        target = next(member for member in cluster.masters if member is not source)
        cluster.move(tag, target)
        moved.append((source, target, tag))

    check_all_is_heard(nodes, move)
    [(source, target, tag)] = moved
    assert target.ask("KEYS", f"{tag}:watermark:1:*")
    assert not source.ask("KEYS", f"{tag}:*")


def test_first_messages_revocations_and_counts_of_starts_go_over_a_cluster_too(
    tmp_path: Path, cluster: RedisCluster
) -> None:
    with pair(tmp_path, cluster, "--session-start-limit=5") as nodes:
        for node in nodes:
            with session(node, "bell-token"):
                pass
        left = [ApiClient(node.api, "Bot bell-token").ok("GET", "/gateway/bot") for node in nodes]
        assert [each["session_start_limit"]["remaining"] for each in left] == [3, 3]
        dora = ApiClient(nodes[0].api, "dora-token")
        with RawClient(nodes[1].gateway) as there:
            there.open()
            there.identify("stranger-token", intents=1 | 1 << 12 | 1 << 15)
            channel = dora.ok("POST", "/users/@me/channels", {"recipient_id": "1005"})["id"]
            dora.ok("POST", f"/channels/{channel}/messages", {"content": "hello"})
            assert there.read_until(0, "MESSAGE_CREATE")["d"]["content"] == "hello"
        with session(nodes[1], "dora-token") as there:
            dora.ok("POST", "/auth/logout")
            assert close_code(there) == 4004


@with_replicas
def test_a_session_outlives_its_node_over_a_cluster_with_one_partition_also_at_a_master_that_was_a_replica(
    tmp_path: Path, cluster: RedisCluster
) -> None:
    with pair(tmp_path, cluster, "--bus-partitions=1") as nodes, takeover.client(nodes[0], "dora-token") as dora:
        ada = ApiClient(nodes[1].api, "ada-token")
        takeover.say(ada, "3001", "before")
        assert dora.contents(1) == ["before"]
        cluster.fail_over(cluster.master_of("{tocsin:0}"))
        writer = Writer(nodes)
        with takeover.client(nodes[1], "ada-token") as other:
            # Once what was recovered has gone by, and each log has gone on after it: until then nothing is certain.
            for number in range(2):
                writer.round(number)
                for client in (dora, other):
                    assert client.contents(len(GUILDS)) == [str(number)] * len(GUILDS)
            dora.leave()
            takeover.say(ada, "3001", "missed")
            other.wait("MESSAGE_CREATE")
            nodes[0].kill()
            takeover.say(ada, "3001", "after its death")
            dora.ask(nodes[1])
            assert dora.contents(2) == ["missed", "after its death"]
            dora.wait("RESUMED")


@with_replicas
def test_counts_are_kept_at_the_master_of_their_key_and_found_again_after_it_changed(cluster: RedisCluster) -> None:
    people = range(1, 9)
    starts = RedisStarts(cluster.masters[0].url, "tocsin")
    with asyncio.Runner() as runner:
        for user in people:
            taken = starts.take(user, total=5, concurrency=0, day_ms=600_000, window_ms=0)
            assert runner.run(taken)
        assert sum(bool(member.ask("KEYS", "*starts*")) for member in cluster.masters) > 1
        cluster.replicate(cluster.masters[0])
        cluster.fail_over(cluster.masters[0])
        wait_until(lambda: all(_first(runner.run(starts.used(user))) == 1 for user in people))
        runner.run(starts.stop())


def _first(numbers: tuple[int, int] | None) -> int:
    return 0 if numbers is None else numbers[0]


def test_the_doctor_and_readiness_look_at_all_masters(tmp_path: Path, cluster: RedisCluster) -> None:
    looks = findings(tmp_path, cluster.masters[0].url, bus_partitions=64)
    assert {each.verdict for each in looks} == {"ok"}
    assert "3 of its 3 masters have 64 partitions" in looks[0].what
    ports = [str(member.port) for member in cluster.masters]
    assert all(sum(port in each.what for each in looks) == 4 for port in ports)
    with pair(tmp_path, cluster, "--bus-away-ms=200", "--bus-partitions=64") as nodes:
        assert ready(nodes[0].http) == 200
        looks = findings(tmp_path, cluster.masters[0].url, bus_partitions=64)
        assert sum("functions are loaded" in each.what for each in looks) == 3
        cluster.masters[0].freeze()
        wait_for(nodes[0].http, 503)
