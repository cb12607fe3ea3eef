"""Traces: a message's stages over all processes it meets are one trace, and nothing of what it says is in it."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.api_client import ApiClient
from tests.support.collector import Collector, Taken, collecting
from tests.support.raw_client import RawClient
from tests.support.redis_server import RedisServer
from tests.support.server import UNLIMITED, WORLD, running_server, start_server

GENERAL = "3001"
ALL = ("--trace-per-mille=1000",)
SECRET = "what nobody else shall read"
API_STAGES = ["message", "http", "policy", "commit", "answer", "publish"]


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
    assert all(span.parent_id == root.span_id for span in spans if span is not root)
    assert all(span.start_ns <= span.end_ns for span in spans)
    chain = [by_name[name] for name in ("http", "policy", "commit", "answer")]
    assert (chain[0].start_ns, chain[-1].end_ns) == (root.start_ns, root.end_ns)
    assert all(one.end_ns == other.start_ns for one, other in pairwise(chain))
    commit, publish = by_name["commit"], by_name["publish"]
    assert commit.start_ns <= publish.start_ns <= publish.end_ns <= commit.end_ns
    return by_name


def check_silent(collector: Collector) -> None:
    for word in (SECRET, "ada", "general", "Lab", "token", GENERAL):
        assert word.encode() not in collector.octets


def test_the_stages_of_a_message_are_one_trace_without_a_word_of_it(tmp_path: Path) -> None:
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
                message_id = say(api.api)
                assert client.read_until(0, "MESSAGE_CREATE")["d"]["content"] == SECRET
            spans = collector.wait(len(API_STAGES) + 1)
            by_name = check_one_trace(spans, message_id)
            assert by_name["inbox"].node == "g"
            assert {span.node for span in spans} == {"g", "a-0"}
            check_silent(collector)
        finally:
            gateway.kill()
            api.kill()


def test_a_collector_that_is_away_costs_no_message(tmp_path: Path) -> None:
    with running_server(tmp_path / "node", *UNLIMITED, *ALL, "--trace-endpoint=http://127.0.0.1:9/v1/traces") as server:
        for _ in range(20):
            say(server.api)


def test_traces_without_opentelemetry_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tocsin.errors import ConfigError

    monkeypatch.delitem(sys.modules, "tocsin.telemetry", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"^trace_endpoint: traces need `pip install tocsin\[otel\]`"):
        __import__("tocsin.telemetry")
