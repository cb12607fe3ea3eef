"""The checker finds each kind of fault that is planted, names it, and finds nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tests.cluster.observer import DISCORD_EPOCH_MS, MOVERS_FROM, Life, Outage, Record, created_s, mark_of
from tests.cluster.verdict import Logged, Verdict, judge

GUILD, START_MS = 1, 1_800_000_000_000


def made(second: int) -> int:
    """The id of a message made so many seconds after the start."""
    return (START_MS + second * 1000 - DISCORD_EPOCH_MS) << 22


LOG = [Logged(made(second), seen=second % 5 != 0) for second in range(1, 101)]
DUE = [each.id for each in LOG if each.seen]
SECRET = made(50)


def life(ids: list[int], *, ready: int = 0, end: str = "") -> Life:
    found = Life("session", "ws://node")
    found.ids.extend(ids)
    found.ready_s = created_s(made(ready)) + 0.5
    found.end = end
    return found


def verdict(*lives: Life, attached: bool = True, acknowledged: dict[int, int] | None = None) -> Verdict:
    return judge([(GUILD, list(lives), attached)], {GUILD: LOG}, Record(), acknowledged or {})


def wrong(found: Verdict) -> dict[str, int]:
    return {name: getattr(found, name) for name in Verdict.WRONG if getattr(found, name)}


@pytest.mark.parametrize(
    "lives",
    [
        [life(DUE)],
        [life(DUE[40:], ready=51)],
        [life(DUE[:30], end="op 9"), life(DUE[60:], ready=76)],
        [life([], end="op 9"), life(DUE)],
        # What came between the snapshot's place in the log and its arrival may be told or not.
        [life(DUE[38:], ready=51)],
        [life([], ready=100)],
    ],
)
def test_a_run_of_the_log_is_right_wherever_a_life_begins_and_is_ended_in_words(lives: list[Life]) -> None:
    found = verdict(*lives)
    assert found.right, found.samples
    assert found.lives == len(lives)


@pytest.mark.parametrize(
    ("ids", "fault", "count"),
    [
        (DUE[:10] + DUE[13:], "lost", 3),
        (DUE[:10] + DUE[9:], "duplicated", 1),
        ([*DUE[:9], DUE[10], DUE[9], *DUE[11:]], "reordered", 1),
        ([*DUE[:40], SECRET, *DUE[40:]], "forbidden", 1),
        ([*DUE[:40], made(500), *DUE[40:]], "uncommitted", 1),
        (DUE[:-2], "lost", 2),
        (DUE[4:], "lost", 4),
        ([], "lost", len(DUE)),
    ],
)
def test_a_planted_fault_is_counted_by_its_name(ids: list[int], fault: str, count: int) -> None:
    found = verdict(life(ids))
    assert wrong(found) == {fault: count}
    assert found.samples


def test_a_life_that_ended_in_words_may_end_anywhere_and_one_in_silence_may_not() -> None:
    assert verdict(life(DUE[:20], end="close 4009"), life([], ready=100)).right
    assert wrong(verdict(life(DUE[:20]))) == {"lost": len(DUE) - 20}
    assert wrong(verdict(life(DUE[:20]), attached=False)) == {"absent": 1}


def test_sequences_absence_and_vanished_messages_are_told() -> None:
    broken = life(DUE)
    for s in (1, 2, 4):
        broken.take(s)
    assert wrong(verdict(broken)) == {"broken_sequences": 1}
    again = life(DUE)
    for s in (1, 2, 2, 3):
        again.take(s)
    assert wrong(verdict(again)) == {"broken_sequences": 1}
    assert wrong(verdict(life(DUE), acknowledged={made(500): GUILD, DUE[3]: GUILD, SECRET: GUILD})) == {"vanished": 1}


def test_outages_are_counted_by_how_they_ended() -> None:
    record = Record()
    record.outages += [
        Outage(1.0, 1.5, "resumed", True),
        Outage(1.0, 3.0, "resumed", False),
        Outage(2.0, 2.25, "op 9", True),
    ]
    found = judge([(GUILD, [life(DUE)], True)], {GUILD: LOG}, record, {})
    assert (found.resumed, found.resumed_elsewhere, found.invalidated) == (2, 1, 1)
    assert found.endings == {"op 9": 1}
    assert found.resumed_percent == 66.667
    assert found.summary()["back_ms"] == {"count": 3, "p50": 500.0, "p99": 2000.0, "max": 2000.0}


def test_a_change_of_a_member_is_judged_as_a_message_is() -> None:
    user = MOVERS_FROM + 7
    bodies = {
        "GUILD_MEMBER_ADD": {"user": {"id": str(user)}},
        "GUILD_MEMBER_UPDATE": {"user": {"id": str(user)}, "nick": str(made(31) + 1)},
        "GUILD_MEMBER_REMOVE": {"user": {"id": str(user)}},
    }
    marks = [mark_of(name, msgspec.json.encode(body)) for name, body in bodies.items()]
    assert marks == [2 * user, made(31) + 1, 2 * user + 1]
    assert mark_of("GUILD_MEMBER_UPDATE", b'{"user":{"id":"1004"},"nick":"Dora"}') == 0
    log = [*LOG[:30], *(Logged(mark, True) for mark in marks), *LOG[30:]]
    due = [each.id for each in log if each.seen]
    record = Record()
    record.begun = dict.fromkeys(marks, created_s(made(30)) + 0.1)

    def judged(ids: list[int], ready: int = 0) -> dict[str, int]:
        return wrong(judge([(GUILD, [life(ids, ready=ready)], True)], {GUILD: log}, record, {}))

    assert judged(due) == {}
    for mark in marks:
        at = due.index(mark)
        assert judged(due[:at] + due[at + 1 :]) == {"lost": 1}
        assert judged([*due[: at + 1], *due[at:]]) == {"duplicated": 1}
    # It began before them, and was told from after them on.
    after = due.index(marks[-1]) + 1
    assert judged(due[after:], ready=29) == {"lost": 3}


@pytest.fixture
def planted() -> Callable[[list[int]], Verdict]:
    return lambda ids: verdict(life(ids))


def test_every_single_loss_and_repetition_is_found(planted: Callable[[list[int]], Verdict]) -> None:
    for at in range(len(DUE)):
        assert wrong(planted(DUE[:at] + DUE[at + 1 :])) == {"lost": 1}
        assert wrong(planted([*DUE[: at + 1], DUE[at], *DUE[at + 1 :]])) == {"duplicated": 1}
