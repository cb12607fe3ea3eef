"""An unmodified hikari bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import hikari
import pytest

from tests.clients.hikari_bot import HikariBot
from tests.clients.scenarios import Scenarios
from tests.clients.stage import BELL, CLERK, LAB, TOKENS, Stage


@pytest.fixture
async def bot(stage: Stage) -> AsyncIterator[HikariBot]:
    bot = HikariBot(stage, TOKENS[BELL])
    await bot.start()
    try:
        await bot.wait_for("ready")
        yield bot
    finally:
        await bot.stop()
    assert [event for event in bot.events if event["event"] == "error"] == []


class TestHikari(Scenarios):
    """The scenarios as hikari lives them. It always asks for pages of 100 messages."""

    asks_as_told = False


async def test_it_starts_as_the_library_says(bot: HikariBot) -> None:
    await bot.wait_for("started")
    assert (await bot.wait_for("shardReady"))["guilds"] == [LAB]


async def test_an_unknown_token_fails_the_login(stage: Stage) -> None:
    bot = HikariBot(stage, "MTAwMg.not.known")
    with pytest.raises(hikari.UnauthorizedError):
        await bot.start()
    await bot.stop()


async def test_privileged_intents_must_be_allowed(stage: Stage) -> None:
    bot = HikariBot(stage, TOKENS[CLERK])
    with pytest.raises(hikari.GatewayServerClosedConnectionError) as closed:
        await bot.start()
    assert closed.value.code == 4014
    await bot.stop()
