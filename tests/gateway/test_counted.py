"""What becomes of identifies, connections and commands is counted by outcome: the figures of a node after each."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest

from tests.support.raw_client import RawClient, op
from tests.support.server import UNLIMITED, Server, running_server

PROPERTIES = {"os": "linux", "browser": "tests", "device": "tests"}


def figures(server: Server, name: str) -> dict[str, float]:
    """The samples of a metric by the value of their one label."""
    with urllib.request.urlopen(f"{server.http}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(rf'^{name}{{\w+="([^"]*)"}} (\S+)$', text, re.MULTILINE)
    return {label: float(value) for label, value in found if float(value)}


def identify(server: Server, **fields: object) -> RawClient:
    client = RawClient(server.gateway)
    client.open()
    client.send(op(2, {"token": "clerk-token", "intents": 1, "properties": PROPERTIES} | fields))
    return client


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"token": "nobody"}, 4004),
        ({"shard": [3, 2]}, 4010),
        ({"intents": 1 << 40}, 4013),
        ({"intents": 1 << 1}, 4014),
        ({"token": 7}, 4002),
    ],
)
def test_a_refused_identify_is_counted_by_its_close_code(tmp_path: Path, fields: dict[str, object], code: int) -> None:
    with running_server(tmp_path / "node", *UNLIMITED) as server:
        with identify(server, **fields) as client:
            assert client.read_close() == code
        assert figures(server, "tocsin_identifies_total") == {str(code): 1}


def test_identifies_that_go_well_or_are_too_many_are_counted(tmp_path: Path) -> None:
    with running_server(tmp_path / "node", *UNLIMITED, "--session-start-limit=1") as server:
        with identify(server) as client:
            client.read_until(0, "READY")
        with identify(server) as client:
            assert client.read_until(9)["d"] is False
        assert figures(server, "tocsin_identifies_total") == {"ok": 1, "limited": 1}
        assert figures(server, "tocsin_commands_total") == {"2": 2}
