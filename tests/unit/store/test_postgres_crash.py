"""A PostgreSQL that crashes takes the ids of lost transactions back: nobody takes another's commit for their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.api_world import Clock
from tests.support.postgres_server import PostgresServer, running_postgres
from tocsin.errors import StoreUnavailable
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.store import postgres_link, postgres_writer
from tocsin.store.postgres import PostgresStore

SCOPE = Scope(ScopeKind.GUILD, 7)


def event(body: bytes) -> Event:
    return Event(name="MESSAGE_CREATE", scope=SCOPE, body=body, guild_id=7)


@pytest.fixture
def crashing() -> Iterator[PostgresServer]:
    with running_postgres("synchronous_commit=on", "wal_writer_delay=10s", "autovacuum=off") as server:
        yield server


@pytest.mark.parametrize("taken", [True, False])
async def test_an_id_that_another_transaction_got_after_a_crash_makes_no_lost_commit_true(
    crashing: PostgresServer, clock: Clock, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    store = PostgresStore(crashing.make_empty(), clock, timeout_ms=20_000)
    await store.open()
    told: list[Event] = []
    store.on_commit.append(told.extend)
    await store.commit([], [event(b"before")])
    writer = store._open()[0]
    assert isinstance(writer, postgres_writer.PostgresWriter)
    connection = writer._connection
    assert connection is not None
    execute = type(connection).execute
    statuses: list[str | None] = []

    async def crashes(self: postgres_link.Connection, text: str) -> str:
        if text != "COMMIT" or self is not connection:
            return await execute(self, text)
        xid = int(await self.fetchval("SELECT pg_current_xact_id()::text"))
        await asyncio.to_thread(crashing.kill)
        await asyncio.to_thread(crashing.start)
        if taken:
            other = await store._link.connect()
            while int(await other.fetchval("SELECT pg_current_xact_id()::text")) < xid:
                pass
            statuses.append(await other.fetchval("SELECT pg_xact_status($1::text::xid8)", str(xid)))
            other.terminate()
        raise ConnectionResetError("crashed")

    monkeypatch.setattr(type(connection), "execute", crashes)
    with pytest.raises(StoreUnavailable):
        await store.commit([], [event(b"lost")])
    assert statuses == (["committed"] if taken else [])
    [after] = await store.commit([], [event(b"after")])
    assert after.seq == 2
    assert [each.body for each in told] == [b"before", b"after"]
    assert [each.body for each in await store.outbox_after(SCOPE, 0)] == [b"before", b"after"]
    await store.close()
