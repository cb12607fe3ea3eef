"""Disks that are full: the database's, that of people's files, Redis's.

What cannot be kept is refused in words, what is kept is told, nobody's session ends, and all goes on by itself once
there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.observer import all_up

if TYPE_CHECKING:
    from tests.cluster.stage import Node, Stage

BACK_S = 60.0
NOTICED_S = 30.0
TOGETHER = 20
UNTOLD = "what had a file"
FILE = bytes(100_000)
REFUSED_COMMITS = 'tocsin_store_refused_total{reason="full"}'
REFUSED_FILES = 'tocsin_content_refused_total{reason="full"}'
REFUSED_BY_REDIS = "tocsin_bus_full_total"


async def database_full(stage: Stage) -> None:
    """No room for tables: what grows is refused, what fits is taken, reads go on."""
    where = stage.database if stage.postgres is None else stage.postgres.cluster / "base"
    before = stage.refused.get(503, 0)
    async with _full(stage, where), _counted(stage, REFUSED_COMMITS):
        await _until(stage, "a full disk refused nothing", lambda: stage.refused.get(503, 0) > before, flood=True)
        for node in stage.alive():
            await _messages(stage, node, *_somewhere(stage))
        await asyncio.sleep(stage.dice.uniform(0.2, 1))
    await _taken_again(stage)


async def wal_full(stage: Stage) -> None:
    """No room for PostgreSQL's own log, on a disk of its own: it panics, and is started when there is room."""
    assert stage.postgres is not None
    server = stage.postgres
    before = server.log().count("PANIC")
    async with _full(stage, server.cluster / "pg_wal"):
        await _until(stage, "PostgreSQL had room", lambda: server.log().count("PANIC") > before, flood=True)
        await asyncio.sleep(stage.dice.uniform(0.2, 1))
    await asyncio.to_thread(server.start)
    await _taken_again(stage)


async def content_full(stage: Stage) -> None:
    """No room for people's files: messages with one are refused whole, others go on."""
    nodes = stage.alive()
    folders = [node.content for node in nodes]
    async with _full(stage, *folders), _counted(stage, REFUSED_FILES):
        for node in nodes:
            number, channel = _somewhere(stage)
            if await stage.post(number, channel, at=node, body={"content": UNTOLD}, file=FILE):
                stage.disturbed["a file was kept on a full disk"] += 1
            if not await stage.post(number, channel, at=node):
                stage.disturbed["a message without a file was refused"] += 1
            if UNTOLD in await _messages(stage, node, number, channel):
                stage.disturbed["a message was kept without its file"] += 1
    stage.disturbed["half a file was left"] += sum(1 for each in folders for _ in each.rglob("*.part"))
    for node in nodes:
        if not await stage.post(*_somewhere(stage), at=node, body={"content": "with a file"}, file=FILE):
            stage.disturbed["a file was refused though there was room"] += 1


async def redis_log_full(stage: Stage) -> None:
    """No room for Redis's append-only file: it takes no writes (MISCONF)."""
    await _redis_full(stage, stage.redis.folder / "appendonlydir", "aof_last_write_status")


async def redis_snapshot_full(stage: Stage) -> None:
    """No room for Redis's snapshots: it takes no writes until one is done (`stop-writes-on-bgsave-error`)."""
    await asyncio.to_thread(stage.redis.call, "CONFIG", "SET", "save", "1 1")
    await _redis_full(stage, stage.redis.folder / "temp-", "rdb_last_bgsave_status")
    await asyncio.to_thread(stage.redis.call, "CONFIG", "SET", "save", "")


async def _redis_full(stage: Stage, where: Path, status: str) -> None:
    """Messages are taken all the while, and told when there is room."""
    redis = stage.redis
    async with _full(stage, where), _counted(stage, REFUSED_BY_REDIS):
        await _until(stage, "Redis had room", lambda: redis.info(status, "persistence") == "err")
        for _ in range(TOGETHER):
            if not await stage.post(*_somewhere(stage)):
                stage.disturbed["a message was refused because of Redis"] += 1
        await asyncio.sleep(stage.dice.uniform(0.2, 2))
    await _until(stage, "Redis did not go on", lambda: redis.info(status, "persistence") == "ok")


# -- what they have in common


@contextlib.asynccontextmanager
async def _full(stage: Stage, *where: Path) -> AsyncIterator[None]:
    """No room there during the block; nobody's session may end by it."""
    assert stage.disk is not None
    await all_up(stage.observers, BACK_S)
    before = len(stage.record.outages)
    stage.disk.fill(*where)
    try:
        yield
    finally:
        stage.disk.free()
    lost = len(stage.record.outages) - before + sum(not each.up for each in stage.observers)
    if lost:
        stage.disturbed["outages by a full disk"] += lost


@contextlib.asynccontextmanager
async def _counted(stage: Stage, counter: str) -> AsyncIterator[None]:
    """A counter of some node's must go up during the block, and all nodes stay ready: other nodes are no better off."""

    async def count() -> float:
        return sum([await node.counter(counter) for node in stage.alive()])

    before = await count()
    yield
    if await count() <= before:
        stage.disturbed[f"{counter} counted nothing"] += 1
    stage.disturbed["nodes not ready"] += sum([not await node.ready() for node in stage.alive()])


async def _until(stage: Stage, otherwise: str, done: Callable[[], bool], *, flood: bool = False) -> None:
    """Wait for it; `flood`: while messages are written that need room."""
    until = time.monotonic() + NOTICED_S
    while not await asyncio.to_thread(done):
        if time.monotonic() > until:
            stage.disturbed[otherwise] += 1
            return
        if flood:
            number, channel = _somewhere(stage)
            # 18 KB that no database makes smaller.
            text = "".join(map(chr, stage.dice.choices(range(0x4E00, 0x9F00), k=6000)))
            body = {"content": text[:2000], "embeds": [{"description": text[2000:]}]}
            await asyncio.gather(*(stage.post(number, channel, body=body) for _ in range(TOGETHER)))
        await asyncio.sleep(0.02)


async def _taken_again(stage: Stage) -> None:
    """Each node takes messages again by itself."""
    until = time.monotonic() + NOTICED_S
    for node in stage.alive():
        while not await stage.post(*_somewhere(stage), at=node):
            if time.monotonic() > until:
                stage.disturbed["a node did not go on"] += 1
                return
            await asyncio.sleep(0.05)


async def _messages(stage: Stage, node: Node, number: int, channel: int) -> str:
    """What a node reads to an owner of a channel's newest messages."""
    assert node.server is not None
    url = f"{node.server.api}/channels/{channel}/messages?limit=100"
    async with stage.http.get(url, headers={"Authorization": f"owner-{number}"}) as reply:
        if reply.status != 200:
            stage.disturbed["a full disk was in the way of reading"] += 1
        return await reply.text()


def _somewhere(stage: Stage) -> tuple[int, int]:
    """A guild's number, and its channel that all may view."""
    number = stage.dice.randrange(stage.scale.guilds)
    return number, stage.guilds[number] + 1
