"""Fan-out index: who may view a channel, with 1,000 and 100,000 members, beside dictionaries of sets."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tocsin import _core

GUILD = 2001
COHORTS = 50
VIEWERS = range(0, COHORTS, 2)
"""The cohorts that may view the channel: every second."""
CHANNELS = range(3001, 3051)
"""All with the same viewers."""
MEMBERS = pytest.mark.parametrize("members", [1_000, 100_000])


class Index(Protocol):
    """What both indexes do."""

    def set_channel(self, guild: int, channel: int, cohorts: list[int], /) -> None: ...
    def assign(self, session: int, guild: int, cohort: int, /) -> None: ...
    def unassign(self, session: int, guild: int, /) -> None: ...
    def channel_sessions(self, guild: int, channel: int, /) -> list[int]: ...
    def count_channel_sessions(self, guild: int, channel: int, /) -> int: ...


class Sets:
    """The index as one writes it in Python: a set of sessions for each cohort, of cohorts for each channel."""

    def __init__(self) -> None:
        self._channels: dict[tuple[int, int], tuple[int, ...]] = {}
        self._members: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        self._cohorts: dict[tuple[int, int], int] = {}

    def set_channel(self, guild: int, channel: int, cohorts: list[int], /) -> None:
        self._channels[guild, channel] = tuple(set(cohorts))

    def assign(self, session: int, guild: int, cohort: int, /) -> None:
        self.unassign(session, guild)
        self._cohorts[session, guild] = cohort
        self._members[guild, cohort].add(session)

    def unassign(self, session: int, guild: int, /) -> None:
        before = self._cohorts.pop((session, guild), None)
        if before is not None:
            self._members[guild, before].discard(session)

    def channel_sessions(self, guild: int, channel: int, /) -> list[int]:
        cohorts = self._channels.get((guild, channel), ())
        return list(itertools.chain.from_iterable(self._members[guild, cohort] for cohort in cohorts))

    def count_channel_sessions(self, guild: int, channel: int, /) -> int:
        count = 0
        for cohort in self._channels.get((guild, channel), ()):
            for _ in self._members[guild, cohort]:
                count += 1
        return count


class SetPerChannel:
    """What most gateways in Python do: a set of sessions for each channel, so that asking is one look."""

    def __init__(self) -> None:
        self._viewers: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)
        self._sessions: defaultdict[tuple[int, int], set[int]] = defaultdict(set)

    def set_channel(self, guild: int, channel: int, cohorts: list[int], /) -> None:
        for cohort in cohorts:
            self._viewers[cohort].add((guild, channel))

    def assign(self, session: int, guild: int, cohort: int, /) -> None:
        self.unassign(session, guild)
        for key in self._viewers[cohort]:
            self._sessions[key].add(session)

    def unassign(self, session: int, guild: int, /) -> None:
        for key, sessions in self._sessions.items():
            if key[0] == guild:
                sessions.discard(session)

    def channel_sessions(self, guild: int, channel: int, /) -> list[int]:
        return list(self._sessions[guild, channel])

    def count_channel_sessions(self, guild: int, channel: int, /) -> int:
        count = 0
        for _ in self._sessions[guild, channel]:
            count += 1
        return count


INDEXES: dict[str, Callable[[], Index]] = {
    "tocsin": _core.SubscriptionIndex,
    "dict-of-sets": Sets,
    "set-per-channel": SetPerChannel,
}
KINDS = pytest.mark.parametrize("kind", INDEXES)


def cohort_of(session: int) -> int:
    return session % COHORTS


def filled(kind: str, members: int) -> Index:
    index = INDEXES[kind]()
    for channel in CHANNELS:
        index.set_channel(GUILD, channel, list(VIEWERS))
    for session in range(members):
        index.assign(session, GUILD, cohort_of(session))
    return index


@pytest.mark.benchmark(group="fan-out index: a session joins a guild of 50 channels and leaves it")
@MEMBERS
@KINDS
def test_assign_and_unassign(benchmark: BenchmarkFixture, kind: str, members: int) -> None:
    index = filled(kind, members)
    before = index.count_channel_sessions(GUILD, CHANNELS[0])

    def join_and_leave() -> None:
        index.assign(members, GUILD, 0)
        index.unassign(members, GUILD)

    benchmark(join_and_leave)
    assert index.count_channel_sessions(GUILD, CHANNELS[0]) == before == members // 2
    index.assign(members, GUILD, 0)
    assert members in index.channel_sessions(GUILD, CHANNELS[-1])


@pytest.mark.benchmark(group="fan-out index: a session moves to another cohort")
@MEMBERS
@KINDS
def test_move(benchmark: BenchmarkFixture, kind: str, members: int) -> None:
    index = filled(kind, members)
    turn = itertools.cycle([1, 0])
    last = 0

    def move() -> None:
        nonlocal last
        last = next(turn)
        index.assign(0, GUILD, last)

    benchmark(move)
    assert (0 in index.channel_sessions(GUILD, CHANNELS[0])) == (last == 0)


@pytest.mark.benchmark(group="fan-out index: the sessions of a channel, as a list")
@MEMBERS
@KINDS
def test_channel_sessions(benchmark: BenchmarkFixture, kind: str, members: int) -> None:
    index = filled(kind, members)
    found = benchmark(index.channel_sessions, GUILD, CHANNELS[0])
    assert sorted(found) == [session for session in range(members) if cohort_of(session) in VIEWERS]


@pytest.mark.benchmark(group="fan-out index: going through the sessions of a channel")
@MEMBERS
@KINDS
def test_going_through_channel_sessions(benchmark: BenchmarkFixture, kind: str, members: int) -> None:
    """What a fan-out does for every event: tocsin's never makes Python objects of sessions."""
    index = filled(kind, members)
    assert benchmark(index.count_channel_sessions, GUILD, CHANNELS[0]) == members // 2
