"""Lookers: who is passive in a guild, and what is noted for them meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.gateway_rig import Dispatcher, Modelled
from tocsin.gateway.lookers import Lookers
from tocsin.gateway.session import Session
from tocsin.model.entities import User
from tocsin.model.presence import SessionPresence
from tocsin.service.auth import Principal

GUILD, LIMIT = 1, 100


def session(key: int, batch: Dispatcher, *, bot: bool = False) -> Session:
    batch.sessions[key] = Modelled(key, bot, 0)
    principal = Principal(user=User(id=key, username=f"u{key}", bot=bot), token_digest=b"", application=None)
    presence = SessionPresence(platform="web", order=0)
    return Session(key, f"s{key}", principal, intents=0, shard=None, large_threshold=50, presence=presence)


@pytest.mark.parametrize(
    ("bot", "limit", "members", "passive"),
    [
        (False, LIMIT, LIMIT, True),
        (False, LIMIT, LIMIT - 1, False),
        (True, LIMIT, LIMIT, False),
        (False, 0, LIMIT, False),
    ],
)
def test_people_are_passive_from_so_many_members_on(bot: bool, limit: int, members: int, passive: bool) -> None:
    batch, lookers = Dispatcher(), Lookers(GUILD, limit)
    lookers.seat(session(7, batch, bot=bot), members, batch)
    assert (7 in lookers.passive, GUILD in batch.sessions[7].passive) == (passive, passive)


@pytest.mark.parametrize(
    ("wanted", "looks"),
    [
        ({"typing": True}, True),
        ({"activities": True}, True),
        ({"threads": True}, True),
        ({"channels": {"10": [[0, 99]]}}, True),
        ({"channels": {}}, False),
        ({"typing": False}, False),
        ({"typing": None}, False),
        ({"members": ["5"]}, False),
        ({}, False),
    ],
)
def test_what_is_looking(wanted: dict[str, Any], looks: bool) -> None:
    batch, lookers = Dispatcher(), Lookers(GUILD, LIMIT)
    one = session(7, batch)
    lookers.seat(one, LIMIT, batch)
    assert lookers.subscribe(one, wanted, batch) is looks
    assert (GUILD in batch.sessions[7].passive) is not looks


def test_looking_lasts_until_all_of_it_is_taken_back() -> None:
    batch, lookers = Dispatcher(), Lookers(GUILD, LIMIT)
    one = session(7, batch)
    lookers.seat(one, LIMIT, batch)
    assert lookers.subscribe(one, {"typing": True, "channels": {"10": [[0, 99]]}}, batch)
    assert not lookers.subscribe(one, {"typing": False}, batch)
    assert not lookers.passive
    assert not lookers.subscribe(one, {"channels": {}}, batch)
    assert list(lookers.passive) == [7]
    assert batch.log == ["passive", "active", "passive"]


def test_nothing_is_noted_without_passive_sessions_and_all_is_taken_once() -> None:
    batch, lookers = Dispatcher(), Lookers(GUILD, LIMIT)
    calls: list[None] = []
    lookers.on_unread = lambda: calls.append(None)
    lookers.note(10)
    assert not calls
    lookers.seat(session(7, batch), LIMIT, batch)
    lookers.note(10)
    lookers.note_voice({11})
    assert lookers.take() == ({10}, {11}, [7])
    assert lookers.take() == (set(), set(), [7])
    lookers.forget(7)
    lookers.note(10)
    assert lookers.take() == (set(), set(), [])
    assert len(calls) == 2


def test_who_is_unknown_changes_nothing() -> None:
    batch, lookers = Dispatcher(), Lookers(GUILD, LIMIT)
    assert not lookers.subscribe(session(7, batch), {"typing": True}, batch)
    assert batch.log == []
