"""Every figure that the dashboard and the alert rules name is one that a running node exports, with those labels."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.api_client import ApiClient
from tests.support.raw_client import RawClient
from tests.support.redis_server import RedisServer
from tests.support.server import UNLIMITED, Server, running_server

CLUSTER = Path(__file__).parents[2] / "docs/examples/cluster"
NAME = re.compile(r"\b((?:tocsin|process)_[a-z_]+)(\{[^}]*\})?")
ASIDE = {"process_start_time_seconds", "process_virtual_memory_bytes"}
"""What no panel shows."""


def queries() -> list[str]:
    dashboard = json.loads((CLUSTER / "grafana-dashboard.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    found += [variable["query"] for variable in dashboard["templating"]["list"]]
    rules = yaml.safe_load((CLUSTER / "alerts.yml").read_text())
    return found + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


@pytest.fixture
def node(tmp_path: Path, redis: RedisServer) -> Iterator[Server]:
    traced = "--trace-endpoint=http://127.0.0.1:9/v1/traces"
    with running_server(tmp_path / "node", *UNLIMITED, f"--bus={redis.url}", traced) as server:
        yield server


def scraped(node: Server) -> str:
    with urllib.request.urlopen(f"{node.http}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_what_the_dashboard_and_the_alerts_name_is_exported(node: Server) -> None:
    with RawClient(node.gateway) as client:
        client.open()
        client.identify("ada-token", intents=1)
        client.read_until(0, "GUILD_CREATE")
        ApiClient(node.api, "ada-token").ok("POST", "/channels/3001/messages", {"content": "x"})
        text = scraped(node)
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    samples = {name.split("{")[0] for name in re.findall(r"^(\S+) ", text, re.MULTILINE)}
    labels: dict[str, set[str]] = {}
    for name, some in re.findall(r"^(\w+)\{([^}]*)\} ", text, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r"(\w+)=", some))
    asked = queries()
    assert len(asked) > 60
    for query in asked:
        for name, chosen in NAME.findall(query):
            assert name in samples or name in kinds, f"{name} is not exported: {query}"
            own = set(re.findall(r"(\w+)=", chosen)) - {"instance", "job"}
            grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", query)))) - {"instance", "le"}
            if name in labels:
                assert own | grouped <= labels[name] or "le" in labels[name] or name == "tocsin_http_requests_total", (
                    query
                )


def test_rates_are_of_counters_and_quantiles_of_histograms(node: Server) -> None:
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scraped(node), re.MULTILINE))
    for query in queries():
        for name in re.findall(r"(?:rate|increase)\((\w+)", query):
            base = re.sub(r"_(bucket|count|sum)$", "", name)
            kind = kinds.get(name) or kinds[base]
            assert kind in ("counter", "histogram"), name


def test_every_kind_of_thing_that_can_go_wrong_is_counted(node: Server) -> None:
    text = scraped(node)
    for outcome in ("resumed", "unknown", "trimmed", "ahead", "inherited", "uncertain", "busy", "misplaced"):
        assert f'tocsin_resumes_total{{outcome="{outcome}"}}' in text
    for name in (
        "tocsin_store_commit_seconds_count",
        "tocsin_http_request_seconds_count",
        "tocsin_policy_seconds_count",
    ):
        assert name in text
    for reason in ("client", "expired", "orphan", "host", "moved", "lost"):
        assert f'tocsin_session_ends_total{{reason="{reason}"}}' in text
    for name in (
        "tocsin_store_waiting_commits",
        "tocsin_dispatcher_queue_items",
        "tocsin_host_queue_requests",
        "tocsin_bus_queue_bytes",
        'tocsin_worker_queue_messages{worker="0"}',
    ):
        assert f"\n{name} " in text


def test_refused_and_answered_requests_are_counted_by_status(node: Server) -> None:
    api = ApiClient(node.api, "ada-token")
    assert ApiClient(node.api, "nobody").call("GET", "/users/@me")[0] == 401
    assert ApiClient(node.api, "nobody").call("POST", "/channels/3001/messages", {"content": "x"})[0] == 401
    assert api.call("GET", "/channels/9")[0] == 404
    api.ok("POST", "/channels/3001/messages", {"content": "x"})
    text = scraped(node)
    for line in (
        'tocsin_http_requests_total{method="GET",status="401"} 1',
        'tocsin_http_requests_total{method="POST",status="401"} 1',
        'tocsin_http_requests_total{method="GET",status="404"} 1',
        'tocsin_http_requests_total{method="POST",status="200"} 1',
        'tocsin_http_request_seconds_count{route="message"} 2',
    ):
        assert f"\n{line}\n" in text


def test_every_figure_that_is_exported_is_on_the_dashboard_or_known_not_to_be(node: Server) -> None:
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scraped(node), re.MULTILINE))
    shown = {name for query in queries() for name, _ in NAME.findall(query)}
    shown |= {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    missing = {name for name in kinds if name not in shown and not name.endswith("_created")}
    assert missing == ASIDE, missing - ASIDE
