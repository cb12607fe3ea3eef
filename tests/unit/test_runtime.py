"""Runtime: a node in this process, from its ready file to its drain."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tocsin.config import Settings
from tocsin.errors import StoreFull, WorldFileError
from tocsin.runtime import Node

WORLD = {
    "users": [
        {"id": "1001", "username": "ada", "token": "ada-token"},
        {"id": "1002", "username": "bell", "token": "bell-token", "bot": True, "intents": "all"},
    ],
    "guilds": [
        {
            "id": "2001",
            "name": "Lab",
            "owner": "ada",
            "channels": [{"id": "3001", "name": "general", "type": 0}],
            "members": [{"user": "bell"}],
        }
    ],
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    seed = tmp_path / "world.json"
    seed.write_text(json.dumps(WORLD))
    return Settings(
        data=str(tmp_path / "data"),
        http_port=0,
        gateway_port=0,
        workers=1,
        seed=str(seed),
        ready_file=str(tmp_path / "ready"),
        drain_spread_ms=10,
    )


@pytest.fixture
async def node(settings: Settings) -> AsyncIterator[Node]:
    node = Node(settings)
    await node.start()
    yield node
    await node.stop()


def read(path: str) -> str:
    return Path(path).read_text()


def exists(path: str) -> bool:
    return Path(path).exists()


async def get(node: Node, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=node.http_url) as client:
        return await client.get(path)


async def say(node: Node, content: str) -> None:
    async with httpx.AsyncClient(base_url=node.http_url, headers={"Authorization": "ada-token"}) as client:
        response = await client.post("/api/v10/channels/3001/messages", json={"content": content})
    assert response.status_code == 200, response.text


async def receive(socket: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


async def until(socket: ClientConnection, name: str) -> Any:
    while True:
        frame = await receive(socket)
        if frame["t"] == name:
            return frame


async def bot(node: Node) -> tuple[ClientConnection, str]:
    """Connect and identify; return the socket after GUILD_CREATE, and the session's id."""
    socket = await connect(f"{node.gateway_url}/?v=10&encoding=json")
    await receive(socket)
    properties = {"os": "linux", "browser": "t", "device": "t"}
    d = {"token": "bell-token", "intents": 33281, "properties": properties}
    await socket.send(json.dumps({"op": 2, "d": d}))
    ready = await until(socket, "READY")
    await until(socket, "GUILD_CREATE")
    return socket, ready["d"]["session_id"]


async def test_the_ready_file_and_the_node_file_tell_where_it_is(node: Node, settings: Settings) -> None:
    ready = json.loads(read(settings.ready_file))
    assert ready == {"pid": os.getpid(), "http": node.http_url, "gateway": node.gateway_url, "node": "node-1"}
    file = f"{settings.data}/node.json"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert json.loads(read(file))["control_token"] == node.control_token


async def test_it_is_ready_and_shows_its_figures(node: Node) -> None:
    assert (await get(node, "/readyz")).status_code == 200
    figures = (await get(node, "/metrics")).text
    assert "tocsin_connections" in figures
    assert "tocsin_guilds_loaded" in figures
    assert (await get(node, "/api/v10/gateway")).json() == {"url": node.gateway_url}


async def test_a_message_over_http_reaches_the_gateway(node: Node) -> None:
    socket, _ = await bot(node)
    await say(node, "hello")
    assert (await until(socket, "MESSAGE_CREATE"))["d"]["content"] == "hello"
    await socket.close()


async def test_a_cut_session_resumes_with_what_it_missed(node: Node) -> None:
    socket, session_id = await bot(node)
    await say(node, "first")
    seen = (await until(socket, "MESSAGE_CREATE"))["s"]
    assert node.faults.cut(session_id) == 1
    with pytest.raises(ConnectionClosed):
        await receive(socket)
    await say(node, "missed")
    async with connect(f"{node.gateway_url}/?v=10&encoding=json") as again:
        await receive(again)
        d = {"token": "bell-token", "session_id": session_id, "seq": seen}
        await again.send(json.dumps({"op": 6, "d": d}))
        # A POST is answered when it is stored: its event may still be on its way, and then comes after the replay.
        came = {each["t"]: each["d"] for each in (await receive(again), await receive(again))}
        assert came.keys() == {"MESSAGE_CREATE", "RESUMED"}
        assert came["MESSAGE_CREATE"]["content"] == "missed"


async def test_faults_meet_the_sessions_they_name(node: Node) -> None:
    first, _ = await bot(node)
    second, session_id = await bot(node)
    assert node.faults.reconnect(1001) == 0
    assert node.faults.invalid_session(session_id, resumable=True) == 1
    assert await receive(second) == {"op": 9, "d": True, "s": None, "t": None}
    assert node.faults.reconnect(1002) == 2
    assert (await receive(first))["op"] == 7
    await first.close()
    await second.close()


async def test_a_fault_closes_with_the_code_it_is_given(node: Node) -> None:
    socket, session_id = await bot(node)
    assert node.faults.close(session_id, 4008) == 1
    with pytest.raises(ConnectionClosed) as closed:
        await receive(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4008


async def test_a_drain_sends_clients_away_and_removes_the_files(node: Node, settings: Settings) -> None:
    socket, _ = await bot(node)
    drain = asyncio.create_task(node.drain())
    assert (await receive(socket))["op"] == 7
    assert node.ready is False
    await socket.close()
    await drain
    assert not exists(settings.ready_file)
    assert not exists(f"{settings.data}/node.json")


async def test_a_second_node_on_a_taken_port_is_refused(node: Node, settings: Settings, tmp_path: Path) -> None:
    taken = int(node.http_url.rsplit(":", 1)[1])
    values = {"data": str(tmp_path / "other"), "http_port": taken, "gateway_port": 0, "ready_file": "", "workers": 1}
    with pytest.raises(OSError, match="in use"):
        await Node(Settings(**values)).start()  # type: ignore[arg-type]


async def test_a_node_starts_again_on_its_data(settings: Settings) -> None:
    for _ in range(2):
        node = Node(settings)
        await node.start()
        assert (await get(node, "/healthz")).status_code == 200
        await node.stop()
        await node.stop()


async def test_a_failed_start_leaves_nothing_behind(settings: Settings) -> None:
    node = Node(msgspec.structs.replace(settings, seed=f"{settings.data}/no-such-file.json"))
    with pytest.raises(WorldFileError):
        await node.start()
    assert not exists(settings.ready_file)


def test_a_start_imports_nothing_that_only_migrations_need(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from tocsin.config import Settings
from tocsin.runtime import Node

async def start():
    node = Node(Settings(data=sys.argv[1], http_port=0, gateway_port=0, workers=1))
    await node.start()
    await node.stop()

for _ in range(2):
    asyncio.run(start())
print("imported", {name.partition(".")[0] for name in sys.modules} & {"alembic", "sqlalchemy", "mako", "pytest"})
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported set()"


async def test_what_cannot_be_let_go_of_is_in_the_way_of_nothing_else(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    async def refuse(*_: object) -> None:
        raise StoreFull("its disk is full")

    async def archive() -> int:
        done.append("threads")
        return 0

    monkeypatch.setattr(node.services.attachments, "sweep", refuse)
    monkeypatch.setattr(node.store, "prune", refuse)
    monkeypatch.setattr(node.services.threads, "archive_stale", archive)
    await node.prune()
    assert done == ["threads"]
