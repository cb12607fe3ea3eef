"""Traces: a message's stages over all processes it meets are one trace, and nothing of what it says is in it."""

from __future__ import annotations

import contextlib
import re
from itertools import pairwise
from pathlib import Path

from tests.support.api_client import ApiClient
from tests.support.collector import Collector, Taken, collecting
from tests.support.raw_client import RawClient
from tests.support.redis_server import RedisServer
from tests.support.server import UNLIMITED, WORLD, running_server, start_server

GENERAL = "3001"
ALL = ("--trace-per-mille=1000",)
TWO = ("--workers=2",)
CLOCKS_NS = 2_000_000
"""How far a time that was noted by the monotonic clock may be off when it is told by the other."""
SECRET = "what nobody else shall read"
LONG_NUMBER = re.compile(rb'"[0-9a-f]{10,}"|[0-9]{10,}')
API_STAGES = ["message", "post", "http", "policy", "store", "answer", "publish"]
CORE_STAGES = ["dispatcher", "audience", "fan-out", "socket"]


def say(api: str) -> int:
    made: str = ApiClient(api, "ada-token").ok("POST", f"/channels/{GENERAL}/messages", {"content": SECRET})["id"]
    return int(made)


def check_one_trace(spans: list[Taken], message_id: int) -> dict[str, Taken]:
    """Check that the spans are of one trace, under its root, in order of time; return them by stage."""
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.span_id for span in spans}) == len(spans)
    by_name = {span.name: span for span in spans}
    root = by_name["message"]
    assert root.parent_id == b""
    assert root.facts == {
        "tocsin.message_id": message_id,
        "tocsin.reach": 4,
        "http.response.status_code": 200,
    }
    parts = [by_name["http"], by_name["policy"]]
    assert all(span.parent_id == by_name["post"].span_id for span in parts)
    assert all(span.parent_id == root.span_id for span in spans if span not in (root, *parts))
    assert all(span.start_ns <= span.end_ns for span in spans)
    for whole, stages in ((root, ("post", "store", "answer")), (by_name["post"], ("http", "policy"))):
        chain = [by_name[name] for name in stages]
        assert (chain[0].start_ns, chain[-1].end_ns) == (whole.start_ns, whole.end_ns)
        assert all(one.end_ns == other.start_ns for one, other in pairwise(chain))
    store, publish = by_name["store"], by_name["publish"]
    assert store.start_ns <= publish.start_ns <= publish.end_ns <= store.end_ns
    return by_name


def check_core(by_name: dict[str, Taken], node: str, receivers: int) -> None:
    """Check the stages of one node's core: in their order, with the count of those who got it."""
    stages = [by_name[name] for name in CORE_STAGES]
    assert {stage.node for stage in stages} == {node}
    dispatcher, audience, fanout, socket = stages
    assert dispatcher.end_ns == audience.start_ns
    assert audience.end_ns <= fanout.start_ns <= socket.start_ns
    assert fanout.end_ns <= socket.end_ns
    assert fanout.facts["tocsin.receivers"] == receivers
    assert 1 <= fanout.facts["tocsin.workers"] <= 2


def check_silent(collector: Collector) -> None:
    # Ids and times are chance: any short word may be in one.
    said = LONG_NUMBER.sub(b"", collector.octets)
    for word in (SECRET, "ada", "general", "Lab", "token", GENERAL):
        assert word.encode() not in said


def test_the_stages_of_a_message_are_one_trace_without_a_word_of_it(tmp_path: Path) -> None:
    with (
        collecting() as collector,
        running_server(tmp_path / "node", *UNLIMITED, *ALL, *TWO, f"--trace-endpoint={collector.url}") as server,
        contextlib.ExitStack() as clients,
    ):
        for token in ("ada-token", "bell-token", "dora-token"):
            client = clients.enter_context(RawClient(server.gateway))
            client.open()
            client.identify(token, intents=1 | 1 << 9 | 1 << 15)
            client.read_until(0, "GUILD_CREATE")
        message_id = say(server.api)
        spans = collector.wait(len(API_STAGES) + len(CORE_STAGES))
        assert sorted(span.name for span in spans) == sorted(API_STAGES + CORE_STAGES)
        by_name = check_one_trace(spans, message_id)
        check_core(by_name, by_name["message"].node, receivers=3)
        # One machine, one clock: it came to the core while it was published.
        publish, dispatcher = by_name["publish"], by_name["dispatcher"]
        assert publish.start_ns - CLOCKS_NS <= dispatcher.start_ns <= publish.end_ns + CLOCKS_NS
        check_silent(collector)


def test_a_message_that_nobody_hears_has_the_stages_of_the_api_alone(tmp_path: Path) -> None:
    with (
        collecting() as collector,
        running_server(tmp_path / "node", *UNLIMITED, *ALL, f"--trace-endpoint={collector.url}") as server,
    ):
        message_id = say(server.api)
        spans = collector.wait(len(API_STAGES))
        assert sorted(span.name for span in spans) == sorted(API_STAGES)
        check_one_trace(spans, message_id)
        check_silent(collector)


def test_halves_of_a_node_add_to_one_trace(tmp_path: Path, redis: RedisServer) -> None:
    with collecting() as collector:
        shared = (*UNLIMITED, f"--database=sqlite:///{tmp_path / 'db'}", f"--bus={redis.url}")
        traced = (*shared, *ALL, f"--trace-endpoint={collector.url}")
        public = ("--public-gateway-url=ws://127.0.0.1:1", "--workers=1", "--node-id=a", "--node-number=2")
        api = start_server(tmp_path / "api", *traced, *public, world=WORLD, verb="api")
        gateway = start_server(tmp_path / "g", *traced, "--node-id=g", "--node-number=1", world=None, verb="gateway")
        try:
            with RawClient(gateway.gateway) as client:
                client.open()
                client.identify("dora-token", intents=1 | 1 << 9 | 1 << 15)
                client.read_until(0, "GUILD_CREATE")
                # Redis does not know the log of a guild that was seeded: its first event comes by the outbox, untraced.
                say(api.api)
                client.read_until(0, "MESSAGE_CREATE")
                message_id = say(api.api)
                assert client.read_until(0, "MESSAGE_CREATE")["d"]["content"] == SECRET
            spans = collector.wait(2 * len(API_STAGES) + len(CORE_STAGES))
            [trace_id] = {span.trace_id for span in spans if span.facts.get("tocsin.message_id") == message_id}
            spans = [span for span in spans if span.trace_id == trace_id]
            by_name = check_one_trace(spans, message_id)
            check_core(by_name, "g", receivers=1)
            assert {span.node for span in spans} == {"g", "a-0"}
            check_silent(collector)
        finally:
            gateway.kill()
            api.kill()


def test_a_collector_that_is_away_costs_no_message(tmp_path: Path) -> None:
    with running_server(tmp_path / "node", *UNLIMITED, *ALL, "--trace-endpoint=http://127.0.0.1:9/v1/traces") as server:
        for _ in range(20):
            say(server.api)
