"""How long connections and sessions live: heartbeats, timeouts, takeover, expiry, drain (protocol.md §1.6-1.8)."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.raw_client import RawClient, op
from tests.support.server import Server, running_server, start_server

INTERVAL_MS = 400


@pytest.fixture(scope="module")
def brisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that soon loses patience."""
    flags = ("--heartbeat-interval-ms", str(INTERVAL_MS), "--identify-timeout-ms", "1000")
    with running_server(tmp_path_factory.mktemp("brisk"), *flags) as server:
        yield server


@contextlib.contextmanager
def connected(server: Server) -> Iterator[RawClient]:
    with RawClient(server.gateway) as client:
        client.open()
        yield client


def resume(client: RawClient, session_id: str, seq: int) -> None:
    client.send(op(6, {"token": "ada-token", "session_id": session_id, "seq": seq}))


def say(server: Server, content: str) -> None:
    response = httpx.post(
        f"{server.api}/channels/3001/messages", json={"content": content}, headers={"Authorization": "ada-token"}
    )
    assert response.status_code == 200, response.text


def test_hello_names_the_interval_of_the_settings(brisk: Server) -> None:
    with RawClient(brisk.gateway) as client:
        assert client.open()["d"]["heartbeat_interval"] == INTERVAL_MS


def test_who_does_not_identify_in_time_is_closed_with_4003(brisk: Server) -> None:
    with connected(brisk) as client:
        client.read_until(1)
        client.send(op(1))
        client.read_until(11)
        assert client.read_close() == 4003


def test_a_silent_client_is_asked_then_closed_and_may_resume(brisk: Server) -> None:
    with connected(brisk) as client:
        ready = client.identify("ada-token", intents=0)
        assert client.read_payload() == {"op": 1, "d": None, "s": None, "t": None}
        assert client.read_close() == 4000
    with connected(brisk) as client:
        resume(client, ready["session_id"], 1)
        assert client.read_until(0, "RESUMED")["s"] == 2


def test_who_answers_the_servers_heartbeat_stays(brisk: Server) -> None:
    with connected(brisk) as client:
        client.identify("ada-token", intents=0)
        for _ in range(4):
            client.read_until(1)
            client.send(op(1, 1))
            assert client.read_payload()["op"] == 11


def test_a_resume_takes_over_from_a_connection_that_still_lives(server: Server) -> None:
    with connected(server) as old, connected(server) as new:
        session_id = old.identify("ada-token", intents=0)["session_id"]
        resume(new, session_id, 1)
        new.read_until(0, "RESUMED")
        assert old.read_close() == 4000
        new.send(op(1, 2))
        assert new.read_payload()["op"] == 11


def test_a_user_is_offline_when_the_last_session_has_expired(tmp_path: Path) -> None:
    with running_server(tmp_path, "--resume-window-ms", "500") as server, connected(server) as watcher:
        watcher.identify("bell-token", intents=1 << 8)
        with connected(server) as client:
            ready = client.identify("ada-token", intents=0, presence={"status": "dnd", "activities": []})
            assert watcher.read_until(0, "PRESENCE_UPDATE")["d"]["status"] == "dnd"
        gone = watcher.read_until(0, "PRESENCE_UPDATE")["d"]
        assert (gone["user"]["id"], gone["status"], gone["activities"]) == ("1001", "offline", [])
        with connected(server) as client:
            resume(client, ready["session_id"], 1)
            assert client.read_payload()["op"] == 9


def test_sigterm_sends_op_7_then_closes_resumably_and_exits_0(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    with connected(server) as client:
        ready = client.identify("ada-token", intents=1 << 9)
        say(server, "before the end")
        seq = client.read_until(0, "MESSAGE_CREATE")["s"]
        server.process.send_signal(signal.SIGTERM)
        assert client.read_payload() == {"op": 7, "d": None, "s": None, "t": None}
        assert client.read_close() == 4000
    assert server.process.wait(30) == 0
    with running_server(tmp_path) as again, connected(again) as client:
        # Sessions live in the process: a new one says so at once, and never resumes in part.
        resume(client, ready["session_id"], seq)
        assert client.read_payload() == {"op": 9, "d": False, "s": None, "t": None}
        assert client.identify("ada-token", intents=0)["session_id"] != ready["session_id"]
