"""PostgresStore when things go wrong, and when several processes write: a server that dies, freezes, is full."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.api_world import Clock
from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.store_world import ADA, CHANNEL, SCOPE, event, message, world_ops
from tocsin.config import Settings
from tocsin.errors import ConfigError, StoreUnavailable
from tocsin.model.entities import User
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.store import migrate, open_store, postgres_link, postgres_writer, rows
from tocsin.store.base import Op, Update
from tocsin.store.postgres import PostgresStore
from tocsin.store.postgres_link import escape, shown, unescape

WRITER = Path(__file__).parents[2] / "support" / "scope_writer.py"


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as made:
        yield made


@pytest.fixture
async def store(url: str, clock: Clock) -> AsyncIterator[PostgresStore]:
    found = PostgresStore(url, clock)
    await found.open()
    yield found
    await found.close()


@pytest.fixture
def frail() -> Iterator[PostgresServer]:
    """A server that the test may kill."""
    with running_postgres("synchronous_commit=on") as server:
        yield server


# -- several writers


async def test_in_a_scope_that_processes_share_numbers_are_dense_and_commits_come_in_their_order(
    store: PostgresStore, url: str
) -> None:
    """A reader that follows the log by number must never meet a gap that is filled later."""
    scopes = [Scope(ScopeKind.GUILD, number) for number in (1, 2, 3)]
    command = [sys.executable, str(WRITER), url, "150"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [await asyncio.create_subprocess_exec(*command, name, env=environment) for name in ("1", "2")]
    seen = dict.fromkeys(scopes, 0)
    while any(writer.returncode is None for writer in writers):
        for scope in scopes:
            new = [each.seq for each in await store.outbox_after(scope, seen[scope])]
            assert new == list(range(seen[scope] + 1, seen[scope] + 1 + len(new)))
            seen[scope] += len(new)
    assert [await writer.wait() for writer in writers] == [0, 0]
    kept = [each for scope in scopes for each in await store.outbox_after(scope, 0, limit=5000)]
    assert len(kept) == 2 * 150 * 3
    # Of each writer the events are in the order in which it committed them.
    for scope in scopes:
        for number in (b"1", b"2"):
            turns = [int(each.body.split(b":")[1]) for each in kept if each.scope == scope and each.body[:1] == number]
            assert turns == sorted(turns)


async def test_writers_that_stand_in_each_others_way_both_get_through(url: str, clock: Clock) -> None:
    """Rows without a common scope are taken in any order: PostgreSQL ends one of two that wait for each other."""
    stores = [PostgresStore(url, clock), PostgresStore(url, clock)]
    for each in stores:
        await each.open()
    await stores[0].commit(world_ops())
    up: list[Op] = [Update("users", {"id": ADA + n}, {}, must_match=True, add={"flags": 1}) for n in (0, 1, 2)]
    where = [[*up[:1], Update("guilds", {"id": 2001}, {"name": "x"}), *up[1:]], [*reversed(up)]]
    for turn in range(40):
        await asyncio.gather(*(each.commit(where[(turn + n) % 2]) for n, each in enumerate(stores)))
    found = await stores[0].user(ADA)
    assert found is not None
    assert found.flags == 80
    for each in stores:
        await each.close()


async def test_a_conflict_in_one_processs_group_leaves_no_gap_for_another(url: str, clock: Clock) -> None:
    stores = [PostgresStore(url, clock), PostgresStore(url, clock)]
    for each in stores:
        await each.open()
    await stores[0].commit(world_ops())
    tries = [each.commit(rows.message_ops(message(10 + n)), [event()]) for n in range(60) for each in stores]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    numbers = sorted(each[0].seq for each in outcomes if isinstance(each, list))
    assert numbers == list(range(1, 61))
    assert [each.seq for each in await stores[1].outbox_after(SCOPE, 0)] == numbers
    for each in stores:
        await each.close()


# -- a server that dies, freezes or is busy


async def test_what_was_answered_outlives_a_server_that_is_killed_and_nothing_is_half_written(
    frail: PostgresServer, clock: Clock
) -> None:
    with frail.database() as url:
        store = PostgresStore(url, clock, timeout_ms=5000)
        told: list[Event] = []
        store.on_commit.append(told.extend)
        await store.open()
        await store.commit(world_ops())
        answered: list[int] = []
        refused = 0
        enough = asyncio.Event()

        async def write(first: int) -> None:
            nonlocal refused
            for number in range(first, first + 400):
                try:
                    await store.commit(rows.message_ops(message(number)), [event(body=str(number).encode())])
                except StoreUnavailable:
                    refused += 1
                    return
                answered.append(number)
                if len(answered) == 40:
                    enough.set()

        writers = [asyncio.create_task(write(1000 * n)) for n in range(1, 9)]
        await enough.wait()
        await asyncio.to_thread(frail.kill)
        await asyncio.gather(*writers)
        assert refused
        with pytest.raises(StoreUnavailable):
            await store.message(CHANNEL, answered[0])
        await asyncio.to_thread(frail.start)
        [last] = await store.commit(rows.message_ops(message(9999)), [event(body=b"9999")])
        kept = await store.outbox_after(SCOPE, 0, limit=5000)
        assert [each.seq for each in kept] == list(range(1, last.seq + 1))
        # Each message has its event and each event its message; what was told is what is kept, in its order.
        assert {int(each.body) for each in kept} == {each.id for each in await store.messages(CHANNEL, limit=5000)}
        assert set(answered) <= {int(each.body) for each in kept}
        assert told == kept
        await store.close()


async def test_a_frozen_server_is_unavailable_in_time_and_then_goes_on(frail: PostgresServer, clock: Clock) -> None:
    with frail.database() as url:
        store = PostgresStore(url, clock, timeout_ms=1000)
        told: list[Event] = []
        store.on_commit.append(told.extend)
        await store.open()
        await store.commit(world_ops(), [event()])
        await store.user(ADA)
        frail.freeze()
        outcomes = await asyncio.gather(
            store.commit(rows.message_ops(message(1)), [event()]), store.user(ADA), return_exceptions=True
        )
        assert [type(each) for each in outcomes] == [StoreUnavailable, StoreUnavailable]
        frail.thaw()
        assert await store.user(ADA) is not None
        [after] = await store.commit(rows.message_ops(message(2)), [event()])
        assert await store.message(CHANNEL, 1) is None
        assert (after.seq, [each.seq for each in told]) == (2, [1, 2])
        await store.close()


@pytest.mark.parametrize("reached", [True, False])
async def test_a_commit_whose_answer_is_lost_is_told_if_and_only_if_it_is_committed(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    told: list[Event] = []
    store.on_commit.append(told.extend)
    await store.commit(world_ops())
    writer = store._open()[0]
    assert isinstance(writer, postgres_writer.PostgresWriter)
    connection = writer._connection
    assert connection is not None
    execute = type(connection).execute

    async def losing(self: postgres_link.Connection, text: str) -> str:
        if text != "COMMIT" or self is not connection:
            return await execute(self, text)
        if reached:
            await execute(self, text)
        raise ConnectionResetError("cut off")

    monkeypatch.setattr(type(connection), "execute", losing)
    tries = [store.commit(rows.message_ops(message(n)), [event()]) for n in (1, 2)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(each) for each in outcomes] == [list if reached else StoreUnavailable] * 2
    assert len(told) == len(await store.messages(CHANNEL)) == (2 if reached else 0)
    [after] = await store.commit([], [event()])
    assert after.seq == len(told)


async def test_reads_that_find_every_connection_taken_are_refused_in_time(url: str, clock: Clock) -> None:
    store = open_store(Settings(database=url, database_pool_size=2, database_timeout_ms=3000), clock)
    assert isinstance(store, PostgresStore)
    await store.open()
    slow = [asyncio.create_task(store._query("SELECT pg_sleep(10)")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await store.user(ADA)
    outcomes: Sequence[object] = await asyncio.gather(*slow, return_exceptions=True)
    assert [type(each) for each in outcomes] == [StoreUnavailable] * 2
    assert await store.user(ADA) is None
    await store.close()


async def test_a_row_that_somebody_holds_too_long_makes_a_commit_unavailable(
    store: PostgresStore, url: str, clock: Clock
) -> None:
    await store.commit(world_ops(), [event()])
    other = await postgres_link.PostgresLink(url, 10_000).connect()
    await other.execute("BEGIN")
    await other.execute("UPDATE scope_seq SET seq = seq")
    hasty = PostgresStore(url, clock, timeout_ms=1000)
    await hasty.open()
    with pytest.raises(StoreUnavailable):
        await hasty.commit([], [event()])
    await other.close()
    [after] = await hasty.commit([], [event()])
    assert after.seq == 2
    await hasty.close()


async def test_commits_beyond_the_bound_are_refused_at_once(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writer, "QUEUE_LIMIT", 3)
    tries = [asyncio.ensure_future(store.commit([], [event()])) for _ in range(5)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(each) for each in outcomes] == [list] * 3 + [StoreUnavailable] * 2


# -- what is refused at the start, and what is shown


async def test_a_server_that_is_not_there_is_refused_without_its_password(tmp_path: Path, clock: Clock) -> None:
    url = f"postgresql://tocsin:hidden@/none?host={tmp_path}"
    with pytest.raises(StoreUnavailable, match="cannot open postgresql:///none: ") as caught:
        await PostgresStore(url, clock).open()
    assert "hidden" not in str(caught.value)
    with pytest.raises(StoreUnavailable, match="cannot open") as caught:
        migrate.upgrade(url)
    assert "hidden" not in str(caught.value)


async def test_a_database_that_is_not_there_is_refused_by_name(postgres: PostgresServer, clock: Clock) -> None:
    with pytest.raises(StoreUnavailable, match='"nowhere" does not exist'):
        await PostgresStore(postgres.url("nowhere"), clock).open()


@pytest.fixture
def newer(postgres: PostgresServer) -> Iterator[str]:
    """A database of this version's schema that nobody uses after the test."""
    with postgres.database(empty=True) as made:
        migrate.upgrade(made)
        yield made


async def test_a_database_of_a_newer_version_is_refused_untouched(newer: str, clock: Clock) -> None:
    connection = await postgres_link.PostgresLink(newer, 10_000).connect()
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(ConfigError, match=r"9999.*newer tocsin"):
        await PostgresStore(newer, clock).open()
    assert await asyncio.to_thread(migrate.current, newer) == "9999"


async def test_nodes_that_start_together_over_an_empty_database_migrate_it_once(
    postgres: PostgresServer, clock: Clock
) -> None:
    with postgres.database(empty=True) as url:
        stores = [PostgresStore(url, clock) for _ in range(3)]
        await asyncio.gather(*(each.open() for each in stores))
        await stores[0].commit(world_ops())
        assert await stores[2].user(ADA) is not None
        for each in stores:
            await each.close()


def test_a_url_is_shown_without_its_secrets() -> None:
    assert shown("postgresql://me:hidden@db:5433/tocsin?password=hidden&host=/x") == "postgresql://db:5433/tocsin"
    assert shown("sqlite:////a b?c") == "sqlite:////a b?c"


# -- texts


@pytest.mark.parametrize("text", ["", "a", "\0", "a\0b", "\ufdd0", "\ufdd00", "\ufdd0\0\ufdd01", "\0" * 3 + "0"])
def test_any_text_comes_back_and_none_holds_a_nul(text: str) -> None:
    assert "\0" not in escape(text)
    assert unescape(escape(text)) == text


async def test_names_with_nuls_are_kept_and_found(store: PostgresStore) -> None:
    await store.commit(rows.user_ops(User(id=1, username="a\0b")))
    found = await store.user_by_name("a\0b")
    assert found is not None
    assert found.username == "a\0b"
