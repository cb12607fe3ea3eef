"""What subscribers are told of a list, by clients that keep only what they were told (protocol.md §1.11)."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from tests.support.list_client import ListClient
from tocsin import _core
from tocsin.gateway.member_list_rows import MAX_STEPS, ListRows, Ranges, merged, subtract
from tocsin.model.member_list import group_name

WINDOWS: tuple[Ranges, ...] = (((0, 4),), ((0, 4), (10, 14)), ((0, 99),), ((5, 9), (10, 14)), ((20, 24),))


def row(user_id: int) -> bytes:
    return b'{"member":{"id":"%d"}}' % user_id


def made(members: int = 0) -> ListRows:
    rows = _core.MemberList([7, 0, 1])
    rows.fill([(each, (7, 0, 1)[each % 3], f"name{each:03}") for each in range(100, 100 + members)])
    return ListRows("everyone", rows, row)


def update(found: ListRows, ops: list[bytes]) -> dict[str, Any]:
    groups = [{"id": group_name(group), "count": count} for group, count in found.rows.groups()]
    return {"groups": groups, "ops": [msgspec.json.decode(each) for each in ops]}


def tell(found: ListRows, clients: dict[Ranges, ListClient]) -> None:
    for ranges, client in clients.items():
        client.take(update(found, found.ops(ranges)))
    found.told()


def truth(found: ListRows, ranges: Ranges) -> dict[int, Any]:
    rows: dict[int, Any] = {}
    for first, last in ranges:
        op = msgspec.json.decode(found.sync(first, last))
        rows |= {first + at: item for at, item in enumerate(op["items"])}
    return rows


@pytest.mark.parametrize("seed", range(12))
def test_a_client_that_applies_the_ops_knows_every_row_of_its_windows(seed: int) -> None:
    chance = random.Random(seed)
    found = made(chance.choice((0, 3, 40)))
    clients = {ranges: ListClient() for ranges in WINDOWS}
    for session, (ranges, client) in enumerate(clients.items()):
        found.look(session, ranges)
        client.take(update(found, [found.sync(*each) for each in ranges]))
    for _ in range(150):
        for _ in range(chance.randint(1, 6)):
            user_id = chance.randint(100, 150)
            if chance.random() < 0.3:
                found.remove(user_id)
            else:
                found.put(user_id, chance.choice((7, 0, 0, 1)), f"name{chance.randint(0, 60):03}")
        tell(found, clients)
        for ranges, client in clients.items():
            assert client.known(ranges) == truth(found, ranges), ranges


def test_what_happens_below_all_windows_is_told_in_counts_only() -> None:
    found = made(40)
    found.look(1, ((0, 4),))
    found.put(200, 1, "zzz")
    assert found.changed
    assert not found.moved
    assert found.ops(((0, 4),)) == []
    for each in range(MAX_STEPS + 1):
        found.put(300 + each, 1, f"zzz{each}")
    assert found.ops(((0, 4),)) == []
    found.told()
    found.put(200, 1, "zzz")
    assert not found.changed, "a row that nobody sees has as many beside it as before"


def test_a_change_in_place_is_an_update() -> None:
    found = made(3)
    found.look(1, ((0, 99),))
    at = found.rows.row_of(100)
    found.put(100, (7, 0, 1)[100 % 3], "name100")
    assert found.ops(((0, 99),)) == [b'{"op":"UPDATE","index":%d,"item":%b}' % (at or 0, row(100))]


def test_too_many_changes_are_told_as_windows_anew() -> None:
    found = made(3)
    found.look(1, ((0, 4),))
    for each in range(MAX_STEPS + 1):
        found.put(300 + each, 7, f"a{999 - each}")
    ops = [msgspec.json.decode(each) for each in found.ops(((0, 4),))]
    assert [(op["op"], op["range"], len(op["items"])) for op in ops] == [("SYNC", [0, 4], 5)]


def test_nothing_is_gathered_for_nobody() -> None:
    found = made(3)
    found.put(400, 0, "n")
    assert not found.changed


def test_ranges_are_merged_where_they_overlap_and_taken_apart() -> None:
    assert merged([(100, 199), (0, 99), (50, 60)]) == ((0, 99), (100, 199))
    assert subtract(((0, 9), (20, 29)), ((3, 4), (8, 21))) == ((0, 2), (5, 7), (22, 29))
    assert subtract(((0, 9),), ()) == ((0, 9),)
