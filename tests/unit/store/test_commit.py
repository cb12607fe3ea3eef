"""Commits: all or nothing, numbered without gaps, told in order, seen by whoever reads after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.support.api_world import Clock
from tests.support.store_world import ADA, BELL, CHANNEL, GUILD, SCOPE, event, message, world_ops
from tocsin.errors import Conflict, StoreUnavailable
from tocsin.model.entities import User
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.store import Store, rows
from tocsin.store.base import Delete, Insert, Op, Update, Upsert


async def test_a_commit_writes_its_rows_and_numbers_its_events(store: Store) -> None:
    told: list[Event] = []
    store.on_commit.append(told.extend)
    await store.commit(world_ops())
    first = await store.commit(rows.message_ops(message(10)), [event(body=b'{"n":1}'), event(body=b'{"n":2}')])
    second = await store.commit(rows.message_ops(message(11)), [event(body=b'{"n":3}')])
    assert [each.seq for each in first + second] == [1, 2, 3]
    assert [each.body for each in first + second] == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    assert told == first + second
    assert await store.outbox_after(SCOPE, 0) == told


async def test_each_scope_counts_for_itself(store: Store) -> None:
    dm, other = Scope(ScopeKind.CHANNEL, GUILD), Scope(ScopeKind.USER, GUILD)
    events = await store.commit([], [event(), event(scope=dm), event(), event(scope=other), event(scope=dm)])
    assert [each.seq for each in events] == [1, 1, 2, 1, 2]


async def test_a_conflict_leaves_nothing_behind(store: Store) -> None:
    await store.commit(world_ops())
    await store.commit(rows.message_ops(message(10)))
    told: list[Event] = []
    store.on_commit.append(told.extend)
    ops = [*rows.user_ops(User(id=50, username="new")), *rows.message_ops(message(10, content="again"))]
    with pytest.raises(Conflict):
        await store.commit(ops, [event()])
    assert await store.user(50) is None
    assert await store.outbox_after(SCOPE, 0) == []
    assert told == []
    [after] = await store.commit([], [event()])
    assert after.seq == 1


async def test_conflicts_in_a_group_do_not_hurt_the_others(store: Store) -> None:
    await store.commit(world_ops())
    tries = [store.commit(rows.message_ops(message(10 + n // 2)), [event()]) for n in range(200)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    numbered = [each[0].seq for each in outcomes if isinstance(each, list)]
    assert sum(isinstance(each, Conflict) for each in outcomes) == 100
    assert numbered == list(range(1, 101))
    assert len(await store.messages(CHANNEL, limit=100)) == 100


async def test_a_commit_that_is_wrong_in_itself_does_not_hurt_the_others(store: Store) -> None:
    wrong: list[Op] = [
        Insert("no_such_table", {"id": 1}),
        Insert("users", {"id": 1}),  # lacks columns that may not be null
        Insert("passwords", {"user_id": 1, "hash": object()}),
        Insert("passwords", {"user_id": 1 << 70, "hash": ""}),
        Update("users", {"no_such_column": 1}, {"username": "x"}),
        Delete("users", {}),
    ]
    good = [rows.user_ops(User(id=n, username=f"u{n}")) for n in range(1, len(wrong) + 1)]
    tries: list[Any] = []
    for bad, fine in zip(wrong, good, strict=True):
        tries += [store.commit([bad], [event()]), store.commit(fine, [event()])]
    outcomes: list[Any] = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(each) for each in outcomes[::2]] == [StoreUnavailable] * len(wrong)
    assert [each[0].seq for each in outcomes[1::2]] == list(range(1, len(wrong) + 1))
    for bad in wrong:
        with pytest.raises(StoreUnavailable):
            await store.commit([bad])
    assert len(await store.users(range(1, 10))) == len(good)


async def test_numbers_are_dense_and_told_in_order_under_concurrency(store: Store) -> None:
    told: list[Event] = []
    returned: list[Event] = []
    resumed_early = False
    store.on_commit.append(told.extend)
    scopes = [Scope(ScopeKind.GUILD, 1), Scope(ScopeKind.GUILD, 2), Scope(ScopeKind.CHANNEL, 1)]

    async def writer(number: int) -> None:
        nonlocal resumed_early
        for turn in range(40):
            events = await store.commit([], [event(scope=scopes[(number + turn) % 3])] * (1 + turn % 2))
            resumed_early |= any(each not in told[-2000:] for each in events)
            returned.extend(events)
            if turn % 7 == number % 7:
                await asyncio.sleep(0)

    await asyncio.gather(*(writer(number) for number in range(20)))
    assert not resumed_early
    assert len(told) == len(returned) == 20 * 60
    for scope in scopes:
        in_order = [each.seq for each in told if each.scope == scope]
        assert in_order == list(range(1, len(in_order) + 1))
        kept = await store.outbox_after(scope, 0, limit=5000)
        assert [each.seq for each in kept] == in_order


async def test_callers_resume_in_the_order_of_their_commits(store: Store) -> None:
    resumed: list[int] = []

    async def one(number: int) -> None:
        await store.commit([], [event()])
        resumed.append(number)

    await asyncio.gather(*(one(number) for number in range(300)))
    assert resumed == list(range(300))


async def test_whoever_reads_after_a_commit_sees_it(store: Store) -> None:
    await store.commit(world_ops())
    seen: list[int] = []

    def on_commit(events: Sequence[Event]) -> None:
        seen.append(len(events))

    store.on_commit.append(on_commit)
    for number in range(1, 60):
        await store.commit(rows.message_ops(message(number)), [event()])
        assert len(seen) == number
        found = await store.message(CHANNEL, number)
        assert found is not None
        channel = await store.channel(CHANNEL)
        assert channel is not None
        assert channel.last_message_id == number


async def test_a_listener_that_fails_keeps_nothing_from_the_others_or_the_caller(store: Store) -> None:
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    told: list[Event] = []

    def fail(_: Sequence[Event]) -> None:
        raise ZeroDivisionError

    store.on_commit += [fail, told.extend]
    events = await store.commit([], [event()])
    assert told == events
    assert [type(each["exception"]) for each in problems] == [ZeroDivisionError]


async def test_a_caller_that_leaves_does_not_undo_the_commit(store: Store) -> None:
    told: list[Event] = []
    store.on_commit.append(told.extend)
    task = asyncio.create_task(store.commit(rows.user_ops(User(id=5, username="five")), [event()]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.commit([])
    assert await store.user(5) is not None
    assert len(told) == 1


async def test_a_commit_of_nothing_is_allowed(store: Store) -> None:
    assert await store.commit([]) == []


# -- the operations


async def test_an_update_or_delete_that_must_match_and_does_not_is_a_conflict(store: Store) -> None:
    await store.commit(world_ops())
    ops: list[Op] = [
        Update("users", {"id": 9}, {"username": "x"}, must_match=True),
        Delete("users", {"id": 9}, must_match=True),
    ]
    for op in ops:
        with pytest.raises(Conflict):
            await store.commit([op])
    await store.commit([Update("users", {"id": 9}, {"username": "x"}), Delete("users", {"id": 9})])


async def test_an_update_may_add_to_what_is_there(store: Store) -> None:
    await store.commit(world_ops())
    where = {"id": CHANNEL}
    await store.commit([Update("channels", where, {"topic": "t"}, add={"position": 5, "user_limit": -1})])
    await store.commit([Update("channels", where, {}, add={"position": 2})])
    found = await store.channel(CHANNEL)
    assert found is not None
    assert (found.topic, found.position, found.user_limit) == ("t", 8, -1)
    with pytest.raises(Conflict):
        await store.commit([Update("channels", {"id": 9}, {}, must_match=True, add={"position": 2})])


async def test_a_duplicate_insert_is_a_conflict_unless_it_need_not_be_unique(store: Store) -> None:
    await store.commit(world_ops())
    row = {"channel_id": 3900, "user_id": ADA}
    with pytest.raises(Conflict):
        await store.commit([Insert("dm_recipients", row)])
    await store.commit([Insert("dm_recipients", row, unique=False)])


async def test_a_taken_name_is_a_conflict(store: Store) -> None:
    await store.commit(world_ops())
    with pytest.raises(Conflict):
        await store.commit(rows.user_ops(User(id=77, username="ada")))


async def test_an_upsert_inserts_then_updates(store: Store) -> None:
    for digest in ("one", "two"):
        await store.commit([Upsert("passwords", ("user_id",), {"user_id": ADA, "hash": digest})])
        assert await store.password_hash(ADA) == digest
    await store.commit([Upsert("dm_recipients", ("channel_id", "user_id"), {"channel_id": 1, "user_id": 2})] * 2)


async def test_a_delete_takes_a_list_and_a_bound(store: Store, clock: Clock) -> None:
    await store.commit(world_ops())
    for number in range(1, 41):
        await store.commit(rows.message_ops(message(number)))
    await store.commit([Delete("messages", {"channel_id": CHANNEL, "id": list(range(1, 21))})])
    await store.commit([Delete("messages", {"channel_id": CHANNEL}, below={"id": 31})])
    assert [each.id for each in await store.messages(CHANNEL)] == list(range(40, 30, -1))
    await store.commit([Delete("messages", {"id": []})])
    assert len(await store.messages(CHANNEL)) == 10


async def test_the_store_refuses_work_when_it_is_not_open(make_store: Callable[[], Store]) -> None:
    store = make_store()
    with pytest.raises(StoreUnavailable):
        await store.commit([])
    await store.open()
    await store.commit(world_ops())
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.commit([])
    with pytest.raises(StoreUnavailable):
        await store.user(BELL)
    await store.close()


async def test_closing_writes_what_was_queued(make_store: Callable[[], Store]) -> None:
    store = make_store()
    await store.open()
    tries = [asyncio.ensure_future(store.commit([], [event()])) for _ in range(600)]
    await asyncio.sleep(0)
    await store.close()
    numbers = [each[0].seq for each in await asyncio.gather(*tries)]
    assert numbers == list(range(1, 601))
    again = make_store()
    await again.open()
    [last] = await again.commit([], [event()])
    await again.close()
    assert last.seq == 601
