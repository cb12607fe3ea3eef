"""Store: a message and its event, committed durably; alone, and sixteen at once as a busy node does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.payloads import MESSAGE_JSON
from tests.support.store_world import event, message, world_ops
from tocsin.config import Settings
from tocsin.store import Store, open_store, rows


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def store(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[Store]:
    store = open_store(Settings(database=f"sqlite:///{tmp_path}/tocsin.db"), lambda: 1_700_000_000_000)
    loop.run_until_complete(store.open())
    loop.run_until_complete(store.commit(world_ops()))
    yield store
    loop.run_until_complete(store.close())


@pytest.mark.benchmark(group="commit messages")
@pytest.mark.parametrize("at_once", [1, 16])
def test_commit_messages(
    benchmark: BenchmarkFixture, store: Store, loop: asyncio.AbstractEventLoop, at_once: int
) -> None:
    ids = itertools.count(10_000)
    seqs: list[int] = []

    async def one() -> None:
        (committed,) = await store.commit(rows.message_ops(message(next(ids))), [event(body=MESSAGE_JSON)])
        seqs.append(committed.seq)

    async def all_() -> None:
        await asyncio.gather(*(one() for _ in range(at_once)))

    benchmark(lambda: loop.run_until_complete(all_()))
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    benchmark.extra_info["messages"] = at_once
