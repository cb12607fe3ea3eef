"""SqliteStore when things go wrong: a full disk, a lock, a broken file, a newer schema, a slow disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_world import Clock
from tests.support.store_world import CHANNEL, SCOPE, event, message, world_ops
from tocsin.config import Settings
from tocsin.errors import ConfigError, StoreFull, StoreUnavailable
from tocsin.store import open_store, rows, sqlite, sqlite_writer
from tocsin.store.base import Delete
from tocsin.store.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tocsin.db"


@pytest.fixture
async def store(path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    found = SqliteStore(path, clock)
    await found.open()
    yield found
    await found.close()


class SmallDisk(SqliteStore):
    """A store that may grow to 80 pages."""

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute("PRAGMA max_page_count = 80")
        return connection


async def test_a_full_disk_refuses_whole_commits_and_the_store_lives_on(path: Path, clock: Clock) -> None:
    store = SmallDisk(path, clock)
    await store.open()
    await store.commit(world_ops())
    written = 0

    async def fill() -> None:
        nonlocal written
        for number in range(1, 1000):
            await store.commit(rows.message_ops(message(number, content="x" * 2000)), [event()])
            written = number

    with pytest.raises(StoreFull, match="full"):
        await fill()
    assert 'tocsin_store_refused_total{reason="full"} 1' in store.figures.text()
    assert 0 < written < 999
    assert [each.id for each in await store.messages(CHANNEL, limit=1000)] == list(range(written, 0, -1))
    assert [each.seq for each in await store.outbox_after(SCOPE, 0)] == list(range(1, written + 1))
    group = [store.commit(rows.message_ops(message(5000 + n, content="x" * 9000)), [event()]) for n in range(20)]
    outcomes = await asyncio.gather(*group, return_exceptions=True)
    assert {type(each) for each in outcomes} == {StoreFull}
    await store.commit([Delete("messages", {"channel_id": CHANNEL})])
    [after] = await store.commit(rows.message_ops(message(9000, content="fits again")), [event()])
    assert after.seq == written + 1
    assert [each.id for each in await store.messages(CHANNEL)] == [9000]
    await store.close()


async def test_a_locked_database_is_unavailable_and_then_available_again(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 20)
    store = SqliteStore(path, clock)
    await store.open()
    await store.commit(world_ops())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.commit(rows.message_ops(message(1)), [event()])
    assert await store.message(CHANNEL, 1) is None
    other.execute("ROLLBACK")
    other.close()
    [first] = await store.commit(rows.message_ops(message(1)), [event()])
    assert first.seq == 1
    await store.close()


async def test_an_unexpected_error_does_not_end_the_writer(path: Path) -> None:
    moments = iter([1, 0, 2])

    def clock() -> int:
        moment = next(moments)
        if not moment:
            raise ZeroDivisionError("no clock")
        return moment

    store = SqliteStore(path, clock)
    await store.open()
    await store.commit([], [event()])
    with pytest.raises(StoreUnavailable, match="no clock"):
        await store.commit([], [event()])
    [second] = await store.commit([], [event()])
    assert second.seq == 2
    await store.close()


async def test_a_connection_that_is_lost_is_opened_again(path: Path, clock: Clock) -> None:
    opened: list[sqlite3.Connection] = []

    class Losing(SqliteStore):
        def _connect(self) -> sqlite3.Connection:
            opened.append(super()._connect())
            return opened[-1]

    store = Losing(path, clock)
    await store.open()
    await store.commit([], [event()])
    opened[-1].close()
    with pytest.raises(StoreUnavailable):
        await store.commit([], [event()])
    [second] = await store.commit([], [event()])
    assert second.seq == 2
    await store.close()


async def test_commits_beyond_the_bound_are_refused_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "QUEUE_LIMIT", 3)
    entered, released = threading.Event(), threading.Event()

    def clock() -> int:
        entered.set()
        released.wait(20)
        return 1

    store = SqliteStore(path, clock)
    await store.open()
    first = asyncio.ensure_future(store.commit([], [event()]))
    await asyncio.to_thread(entered.wait, 20)
    waiting = [asyncio.ensure_future(store.commit([], [event()])) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="too many"):
        await store.commit([], [event()])
    released.set()
    assert [each[0].seq for each in await asyncio.gather(first, *waiting)] == [1, 2, 3, 4]
    await store.close()


async def test_commits_that_wait_together_share_a_transaction(path: Path) -> None:
    groups = 0

    def clock() -> int:
        nonlocal groups
        groups += 1
        return 1

    store = SqliteStore(path, clock)
    await store.open()
    await asyncio.gather(*(store.commit([], [event()]) for _ in range(1000)))
    assert 1000 // sqlite_writer.GROUP_LIMIT <= groups < 300
    await store.close()


async def test_the_file_is_in_wal_mode_and_commits_reach_the_disk(store: SqliteStore, path: Path) -> None:
    connection = store._connect()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


async def test_readers_cannot_write(store: SqliteStore) -> None:
    with pytest.raises(StoreUnavailable, match="readonly"):
        await store._query("DELETE FROM users")


@pytest.fixture
def rubbish(path: Path) -> Path:
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    return path


async def test_a_file_that_is_no_database_is_refused_with_a_reason(rubbish: Path, clock: Clock) -> None:
    with pytest.raises(StoreUnavailable, match="not a database"):
        await SqliteStore(rubbish, clock).open()


async def test_a_folder_that_cannot_be_made_is_refused_with_a_reason(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot open"):
        await SqliteStore(tmp_path / "file" / "tocsin.db", clock).open()


async def test_a_path_is_taken_as_it_stands(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "a b%20c?x=1#ë" / "tocsin.db"
    store = open_store(Settings(database=f"sqlite:///{path}"), clock)
    await store.open()
    await store.close()
    assert path.exists()


async def test_an_old_sqlite_is_refused(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "OLDEST_SQLITE", (99, 0, 0))
    with pytest.raises(ConfigError, match=r"needs SQLite 99\.0\.0"):
        await SqliteStore(path, clock).open()


def test_the_default_database_is_in_the_data_folder(tmp_path: Path, clock: Clock) -> None:
    store = open_store(Settings(data=str(tmp_path / "d")), clock)
    assert isinstance(store, SqliteStore)
    assert store.path == tmp_path / "d" / "tocsin.db"


def test_another_database_is_refused_by_the_settings_name(clock: Clock) -> None:
    with pytest.raises(ConfigError, match=r"^database: must be"):
        open_store(Settings(database="mysql://localhost/tocsin"), clock)
