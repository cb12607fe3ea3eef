"""The command line against a node that runs: seed, tail, token, doctor, a second serve, and the README's bot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.server import Server

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("TOCSIN_")}
ANNEX: dict[str, Any] = {
    "users": [{"id": "1001", "username": "ada"}],
    "guilds": [{"name": "Annex", "owner": "ada", "channels": [{"name": "hall"}]}],
    "generate": [{"users": 2, "username": "load-{n}", "join": ["Annex"]}],
}


def tocsin(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tocsin", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=50, check=False)


@contextmanager
def following(*argv: str) -> Iterator[IO[str]]:
    """The standard output of a command that goes on; it is ended with the block."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, bufsize=1, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.terminate()


def tail(node: Server, token: str, *flags: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tocsin", "tail", "--data", str(node.data), "--token", token, *flags)


def until(lines: IO[str], mark: str) -> str:
    """The first line that holds `mark`; the test's timeout bounds the wait."""
    for line in lines:
        if mark in line:
            return line
    raise AssertionError(f"ended before {mark!r}")


def say(node: Server, content: str, token: str = "ada-token") -> None:
    request = urllib.request.Request(
        f"{node.api}/channels/3001/messages",
        json.dumps({"content": content}).encode(),
        {"Authorization": token, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def test_seeding_a_running_node_is_seen_by_live_sessions_at_once(node: Server, tmp_path: Path) -> None:
    file = tmp_path / "annex.json"
    file.write_text(json.dumps(ANNEX))
    with following(*tail(node, "ada-token", "--json")) as lines:
        until(lines, '"GUILD_CREATE"')
        done = tocsin("seed", file, "--data", node.data)
        assert done.stdout == (
            "annex.json is in the running node node-1: 2 users, 1 guilds and 3 memberships made, 0 things changed\n"
        )
        created = json.loads(until(lines, '"GUILD_CREATE"'))["d"]
        assert (created["name"], [channel["name"] for channel in created["channels"]]) == ("Annex", ["hall"])
        # Who joined before the gateway had read the new guild is in its GUILD_CREATE; who joined after has an event.
        present = {member["user"]["username"] for member in created["members"]}
        while not present >= {"ada", "load-1", "load-2"}:
            present.add(json.loads(until(lines, '"GUILD_MEMBER_ADD"'))["d"]["user"]["username"])
    again = tocsin("seed", file, "--data", node.data, "--json")
    assert json.loads(again.stdout)["members_made"] == 0


def test_seeding_a_running_node_names_what_is_wrong(node: Server, tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps({"users": [{"username": "eve", "token": "ada-token"}]}))
    done = tocsin("seed", file, "--data", node.data)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "tocsin: users[0].token: it is the token of 'ada' in the store\n"


def test_tail_shows_people_readable_lines_and_stops_at_its_count(node: Server) -> None:
    with following(*tail(node, "ada-token", "--count", "3")) as lines:
        assert "READY" in until(lines, "ada, 1 guilds")
        assert "Lab, 2 channels, 4 members" in until(lines, "GUILD_CREATE")
        say(node, "good evening")
        assert until(lines, "MESSAGE_CREATE").endswith("#general ada: good evening\n")
        assert lines.read() == ""


def test_tail_says_what_is_wrong(node: Server) -> None:
    unknown = tocsin("tail", "--data", node.data, "--token", "nobody")
    assert (unknown.returncode, unknown.stderr) == (1, "tocsin: the server does not know this token\n")
    nowhere = tocsin("tail", "--url", "http://127.0.0.1:9", "--token", "ada-token")
    assert nowhere.returncode == 1
    assert "cannot reach http://127.0.0.1:9" in nowhere.stderr


def test_a_token_made_and_revoked_works_and_fails_at_once(node: Server) -> None:
    token = tocsin("token", "create", "ada", "--data", node.data).stdout.strip()
    say(node, "with a new token", token)
    assert tocsin("token", "revoke", token, "--data", node.data).stdout == "revoked\n"
    with pytest.raises(urllib.error.HTTPError) as refused:
        say(node, "with a revoked token", token)
    assert refused.value.code == 401
    refused.value.close()


def test_a_data_folder_is_served_once(node: Server) -> None:
    done = tocsin("serve", "--data", node.data, "--http-port", "0", "--gateway-port", "0")
    assert done.returncode == 2
    assert done.stderr == f"tocsin: data: node node-1 (pid {node.process.pid}) runs on {node.data} already\n"


def test_a_port_in_use_is_named_and_exits_2(node: Server, tmp_path: Path) -> None:
    for flag, port in (("--http-port", node.http), ("--gateway-port", node.gateway)):
        other = "--gateway-port" if flag == "--http-port" else "--http-port"
        number = port.rpartition(":")[2]
        done = tocsin("serve", "--data", tmp_path / "other", flag, number, other, "0", "--log-level", "error")
        assert done.returncode == 2
        assert "in use" in done.stderr


def test_doctor_knows_the_running_node(node: Server) -> None:
    done = tocsin("doctor", "--data", node.data, "--json")
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0
    assert f"pid {node.process.pid}" in findings["ports"]["what"]


def test_the_bot_of_the_readme_says_pong(node: Server) -> None:
    with following(*tail(node, "ada-token")) as lines:
        until(lines, "GUILD_CREATE")
        pong = (sys.executable, "-u", str(EXAMPLES / "pong.py"), node.http, node.gateway, "bell-token")
        with following(*pong) as bot:
            assert until(bot, "is ready in").strip() == "bell is ready in ['Lab']"
            say(node, "!ping")
            assert until(lines, "bell:").endswith("#general bell: pong\n")
