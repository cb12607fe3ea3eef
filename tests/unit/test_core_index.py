"""`tocsin._core.SubscriptionIndex` beside a model of dictionaries."""

from __future__ import annotations

import random

import pytest

from tocsin._core import SubscriptionIndex

GUILD, CHANNEL = 2001, 3001


def test_a_channel_has_the_sessions_of_its_cohorts() -> None:
    index = SubscriptionIndex()
    index.set_channel(GUILD, CHANNEL, [1, 2, 2])
    for session, cohort in ((10, 1), (11, 2), (12, 3)):
        index.assign(session, GUILD, cohort)
    assert sorted(index.channel_sessions(GUILD, CHANNEL)) == [10, 11]
    assert index.count_channel_sessions(GUILD, CHANNEL) == 2
    assert sorted(index.guild_sessions(GUILD)) == [10, 11, 12]
    assert index.cohort_sessions([3]) == [12]
    index.assign(12, GUILD, 1)
    assert index.cohort_of(12, GUILD) == 1
    assert sorted(index.channel_sessions(GUILD, CHANNEL)) == [10, 11, 12]


def test_it_holds_nothing_once_all_is_gone() -> None:
    index = SubscriptionIndex()
    index.set_channel(GUILD, CHANNEL, [1])
    index.assign(10, GUILD, 1)
    index.assign(11, GUILD, 1)
    index.remove_session(10)
    index.unassign(11, GUILD)
    assert index.cohort_of(11, GUILD) is None
    assert index.channel_sessions(GUILD, CHANNEL) == []
    index.remove_channel(GUILD, CHANNEL)
    assert index.sizes() == (0, 0, 0)
    index.assign(10, GUILD, 1)
    index.remove_guild(GUILD)
    assert index.sizes() == (0, 0, 0)


def test_a_cohort_of_one_guild_admits_nobody_to_another() -> None:
    index = SubscriptionIndex()
    index.assign(10, GUILD, 1)
    index.assign(11, GUILD + 1, 1)
    assert index.cohort_of(11, GUILD + 1) is None
    assert index.guild_sessions(GUILD + 1) == []


def test_it_agrees_with_a_model_whatever_is_done() -> None:
    dice = random.Random(5)
    index, cohorts = SubscriptionIndex(), dict[int, int]()
    index.set_channel(GUILD, CHANNEL, [0, 1, 2])
    for _ in range(5000):
        session, cohort = dice.randrange(200), dice.randrange(6)
        if dice.random() < 0.3:
            index.unassign(session, GUILD)
            cohorts.pop(session, None)
        else:
            index.assign(session, GUILD, cohort)
            cohorts[session] = cohort
        assert index.cohort_of(session, GUILD) == cohorts.get(session)
    assert sorted(index.guild_sessions(GUILD)) == sorted(cohorts)
    assert sorted(index.channel_sessions(GUILD, CHANNEL)) == sorted(s for s, cohort in cohorts.items() if cohort < 3)


def test_an_id_that_is_no_id_is_refused() -> None:
    index = SubscriptionIndex()
    for session, guild, cohort in ((-1, GUILD, 1), (1, 1 << 64, 1), (1, GUILD, 1 << 32)):
        with pytest.raises(OverflowError):
            index.assign(session, guild, cohort)
