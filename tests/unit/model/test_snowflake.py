"""Snowflakes: unique, rising, carrying their time, whatever the clock does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.snowflake import EPOCH_MS, SnowflakeFactory, snowflake_at, snowflake_ms

NOW = 1_795_000_000_000


def ticking(steps: list[int]) -> Iterator[int]:
    now = NOW
    for step in steps:
        now += step
        yield now


def test_an_id_carries_its_time_and_its_node() -> None:
    made = SnowflakeFactory(0b11111_00001, lambda: NOW).next()
    assert snowflake_ms(made) == NOW
    assert (made & 0x3E0000) >> 17 == 0b11111
    assert (made & 0x1F000) >> 12 == 0b00001
    assert made & 0xFFF == 0


def test_the_protocols_epoch() -> None:
    assert snowflake_ms(0) == EPOCH_MS == 1_420_070_400_000
    assert snowflake_ms(175928847299117063) == 1_462_015_105_796


@given(st.integers(EPOCH_MS, EPOCH_MS + (1 << 41) - 1))
def test_snowflake_at_is_the_lowest_id_of_its_moment(ms: int) -> None:
    assert snowflake_ms(snowflake_at(ms)) == ms
    assert ms == EPOCH_MS or snowflake_ms(snowflake_at(ms) - 1) == ms - 1


def test_times_before_the_epoch_have_the_lowest_id() -> None:
    assert snowflake_at(0) == 0


@given(st.lists(st.sampled_from([0, 0, 0, 1, 5, 3000, -1, -5, -86_400_000]), min_size=1, max_size=200))
def test_ids_rise_however_the_clock_steps(steps: list[int]) -> None:
    clock = ticking(steps)
    factory = SnowflakeFactory(7, lambda: next(clock))
    made = [factory.next() for _ in steps]
    assert made == sorted(set(made))
    assert {(each >> 12) & 0x3FF for each in made} == {7}


def test_more_than_4096_ids_in_a_millisecond_borrow_from_the_next() -> None:
    factory = SnowflakeFactory(0, lambda: NOW)
    made = [factory.next() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert snowflake_ms(made[4095]) == NOW
    assert snowflake_ms(made[4096]) == NOW + 1


@given(st.integers(1, (1 << 62) - 1), st.integers(0, 1023))
def test_ids_go_on_above_the_highest_known(floor: int, node: int) -> None:
    assert SnowflakeFactory(node, lambda: NOW, floor).next() > floor


def test_threads_share_a_factory() -> None:
    factory = SnowflakeFactory(0, lambda: NOW)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: [factory.next() for _ in range(2000)], range(4)))
    assert len({each for part in parts for each in part}) == 8000
    assert all(part == sorted(part) for part in parts)


@pytest.mark.parametrize("node", [-1, 1024])
def test_a_node_number_out_of_range_is_refused(node: int) -> None:
    with pytest.raises(ValueError, match="node_number"):
        SnowflakeFactory(node, lambda: NOW)
