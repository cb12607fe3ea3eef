"""Durability: what was answered with 2xx is in the store after `kill -9`, a hundred times; no id occurs twice."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from pathlib import Path

import aiohttp
import pytest

from tests.support.server import UNLIMITED, Server, start_server

KILLS = int(os.environ.get("TOCSIN_TEST_KILLS", "100"))
WRITERS = 16


async def write_until_killed(server: Server, after_s: float) -> list[tuple[int, str]]:
    """Post from many writers, kill the server meanwhile, and return what was acknowledged: ids and contents."""
    acknowledged: list[tuple[int, str]] = []

    async def writer(session: aiohttp.ClientSession, number: int) -> None:
        sent = 0
        while True:
            content = f"{number}-{sent}"
            sent += 1
            try:
                async with session.post(f"{server.api}/channels/3001/messages", json={"content": content}) as reply:
                    body = await reply.json()
            except (TimeoutError, aiohttp.ClientError, ConnectionError):
                return
            assert reply.status == 200, body
            acknowledged.append((int(body["id"]), content))

    headers = {"Authorization": "ada-token"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as session:
        writers = [asyncio.create_task(writer(session, number)) for number in range(WRITERS)]
        await asyncio.sleep(after_s)  # the moment of the kill is the variable of this test
        server.kill()
        await asyncio.gather(*writers)
    return acknowledged


@pytest.mark.timeout(900)
async def test_every_acknowledged_message_survives_kill_9(tmp_path: Path) -> None:
    moments = random.Random(20261124)
    everything: dict[int, str] = {}
    for round_number in range(KILLS):
        server = start_server(tmp_path, *UNLIMITED)
        try:
            acknowledged = await write_until_killed(server, moments.uniform(0.02, 0.25))
        finally:
            server.kill()
        for message_id, content in acknowledged:
            assert message_id not in everything, f"round {round_number}: id {message_id} was given twice"
            everything[message_id] = content
        with sqlite3.connect(f"file:{tmp_path / 'tocsin.db'}?mode=ro", uri=True) as database:
            stored = dict(
                database.execute(
                    "SELECT id, content FROM messages WHERE id >= ?", (min(dict(acknowledged), default=0),)
                )
            )
        database.close()
        missing = {message_id for message_id, content in acknowledged if stored.get(message_id) != content}
        assert not missing, (
            f"round {round_number}: {len(missing)} of {len(acknowledged)} acknowledged messages are gone"
        )
    assert len(everything) >= KILLS, "the kills came before any message"

    server = start_server(tmp_path, *UNLIMITED)
    try:
        with sqlite3.connect(f"file:{tmp_path / 'tocsin.db'}?mode=ro", uri=True) as database:
            stored = dict(database.execute("SELECT id, content FROM messages"))
            (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
        database.close()
        assert verdict == "ok"
        assert everything.items() <= stored.items()
        headers = {"Authorization": "ada-token"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{server.api}/channels/3001/messages?limit=1") as reply,
        ):
            (newest,) = await reply.json()
        assert int(newest["id"]) == max(stored)
    finally:
        server.kill()
