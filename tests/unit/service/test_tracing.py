"""Which messages are traced: by reach, alike everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tocsin.model.snowflake import SnowflakeFactory, snowflake_ms
from tocsin.service import tracing
from tocsin.service.tracing import AHEAD_MS, SLOT_MS, STEPS, Span, Tracing, concerns, in_sample, in_slot, mark


def ids(count: int) -> list[int]:
    """Ids as one node makes them, one to three a millisecond."""
    now = 1_790_000_000_000
    ticks = iter(range(count))

    def clock() -> int:
        return now + next(ticks) // 2

    factory = SnowflakeFactory(3, clock)
    return [factory.next() for _ in range(count)]


@pytest.mark.parametrize(
    ("reach", "share"), [(0, 1.0), (1, 1.0), (10, 1.0), (100, 0.1), (1_000, 0.01), (10_000, 0.001), (500_000, 0.001)]
)
def test_the_further_a_message_reaches_the_rarer_is_its_trace(reach: int, share: float) -> None:
    made = ids(200_000)
    taken = sum(in_sample(each, reach, 1000) for each in made)
    assert share * 0.85 * len(made) <= taken <= share * 1.15 * len(made)


def test_traces_are_made_in_part_of_the_slots_only_and_in_whole_ones() -> None:
    made = ids(400_000)  # 200 s of them
    slots: dict[int, set[bool]] = {}
    for each in made:
        slots.setdefault(snowflake_ms(each) // SLOT_MS, set()).add(in_sample(each, 5, 100))
    assert all(len(verdicts) == 1 for verdicts in slots.values())
    share = sum(True in verdicts for verdicts in slots.values()) / len(slots)
    assert 0.085 <= share <= 0.115
    assert not any(in_sample(each, 5, 0) for each in made)


def test_a_request_before_a_slot_is_looked_at_and_one_far_from_any_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = Tracing(Nowhere(), 10, lambda guild_id: 0)
    slots = [slot for slot in range(17_900_000_000, 17_900_010_000) if in_slot(slot * SLOT_MS, 10)]
    lonely = next(slot for slot, before in zip(slots[1:], slots, strict=False) if slot - before > 3)
    for offset_ms, looked_at in (
        (-SLOT_MS, False),
        (-AHEAD_MS, True),
        (0, True),
        (SLOT_MS - 1, True),
        (3 * SLOT_MS, False),
    ):
        monkeypatch.setattr(tracing, "time_ns", lambda at=lonely * SLOT_MS + offset_ms: at * 1_000_000)
        assert (traces.begin() is not None) is looked_at


class Nowhere:
    def take(self, message_id: int, spans: Sequence[Span]) -> None:
        raise AssertionError


def test_who_is_taken_with_a_large_reach_is_taken_with_a_small_one() -> None:
    # So a process that knows a smaller guild than another does misses nothing that the other has.
    assert all(in_sample(each, 900, 1000) for each in ids(50_000) if in_sample(each, 1000, 1000))


def test_without_traces_marks_are_nothing() -> None:
    assert STEPS.get() is None
    mark("policy")
    concerns(1, 2)
    assert STEPS.get() is None
