"""What RedisBus does when Redis refuses events of a scope, with a Redis that a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tocsin.bus.redis import SWEPT_MS, RedisBus
from tocsin.errors import StoreUnavailable
from tocsin.model.event import Event, Scope, ScopeKind

SCOPE = Scope(ScopeKind.GUILD, 7)
NOW_MS = 1_795_000_000_000


def event(seq: int) -> Event:
    return Event(name="MESSAGE_CREATE", scope=SCOPE, seq=seq, body=b"{}", guild_id=7)


class Outbox:
    """A log, read in pages of two. `failures`: so many reads fail first."""

    def __init__(self, *seqs: int, failures: int = 0) -> None:
        self.seqs, self.failures = list(seqs), failures
        self.asked: list[tuple[int, int]] = []

    async def outbox_after(self, scope: Scope, seq: int, limit: int = 1000, *, since_ms: int = 0) -> list[Event]:
        await asyncio.sleep(0)
        assert scope == SCOPE
        self.asked.append((seq, since_ms))
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        return [event(each) for each in self.seqs if each > seq][:2]

    async def outbox_since(self, created_ms: int, limit: int = 100_000) -> list[tuple[int, Event]]:
        return []


class Wire:
    """The core's part, which keeps what it is told."""

    def __init__(self, told: list[Any]) -> None:
        self.told = told

    def register(self, ticket: int, incarnation: int, scopes: Sequence[tuple[int, int]], /) -> None:
        raise AssertionError

    def begin(self, scope_kind: int, scope_id: int, after: int, over_hole: bool, /) -> None:
        self.told.append(("begin", after, over_hole))

    def go_on(self, incarnation: int, /) -> None:
        raise AssertionError


class Rig:
    """A bus over an outbox. `told`: what reached the core, in order: places of the log, and where it goes on."""

    def __init__(self, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[Any] = []
        self.outbox = outbox
        self.bus = RedisBus(_no_batch, _no_batch, lambda: None, outbox, lambda: NOW_MS)
        monkeypatch.setattr(self.bus, "publish", lambda events: self.told.extend(each.seq for each in events))
        self.bus.start(Wire(self.told))

    async def settled(self) -> list[Any]:
        while self.bus.behind:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await self.bus.stop()
        return self.told


def _no_batch() -> Any:
    raise AssertionError


async def test_of_a_log_that_redis_does_not_know_all_is_published_since_the_node_has_its_inbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(Outbox(5, 6, 7), monkeypatch)
    rig.bus.on_behind(SCOPE, 0)
    rig.bus.on_behind(SCOPE, 0)
    assert await rig.settled() == [("begin", 4, False), 5, 6, 7]
    assert rig.outbox.asked == [(0, NOW_MS - SWEPT_MS), (6, 0), (7, 0)]


async def test_a_log_that_begins_needs_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(Outbox(1, 2), monkeypatch)
    rig.bus.on_behind(SCOPE, 0)
    assert await rig.settled() == [1, 2]


async def test_what_the_outbox_has_forgotten_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(Outbox(5, 6), monkeypatch)
    rig.bus.on_behind(SCOPE, 3)
    assert await rig.settled() == [("begin", 4, True), 5, 6]


async def test_a_watermark_that_is_told_of_meanwhile_is_where_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(Outbox(5, 6), monkeypatch)
    rig.bus.on_behind(SCOPE, 0)
    rig.bus.on_behind(SCOPE, 4)
    assert await rig.settled() == [("begin", 4, False), 5, 6, 5, 6]


async def test_a_database_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def at_once(pause_s: float) -> None:
        pauses.append(pause_s)
        await sleep(0)

    rig = Rig(Outbox(5, failures=2), monkeypatch)
    monkeypatch.setattr(asyncio, "sleep", at_once)
    rig.bus.on_behind(SCOPE, 0)
    assert await rig.settled() == [("begin", 4, False), 5]
    assert 0.1 in pauses
