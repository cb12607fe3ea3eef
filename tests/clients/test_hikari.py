"""An unmodified hikari bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import hikari
import pytest

from tests.clients.hikari_bot import HikariBot
from tests.clients.scenarios import Scenarios
from tests.clients.stage import ADA, BELL, CLERK, GENERAL, LAB, TOKENS, VIEW, Stage


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


async def test_it_lives_in_threads(own_stage: Stage) -> None:
    stage = own_stage
    bot = HikariBot(stage, TOKENS[BELL])
    await bot.start()
    try:
        await bot.wait_for("ready")
        message = await stage.say("let us talk")
        path = f"/channels/{GENERAL}/messages/{message}/threads"
        thread = (await stage.call("POST", path, ADA, {"name": "about it"}))["id"]
        assert thread == message
        said = await stage.say("in here", channel=thread)
        assert (await bot.wait_for("messageCreate", id=said))["channel"] == thread
        await bot.do("send", channel=thread, content="indeed")
        assert await stage.contents(thread) == ["", "in here", "indeed"]
        await stage.call("PATCH", f"/channels/{thread}", ADA, {"archived": True})
        again = await stage.say("anybody?", channel=thread)
        await bot.wait_for("messageCreate", id=again)
        await stage.deny(BELL, VIEW)
        await bot.wait_for("channelDelete", id=GENERAL)
        await stage.deny(BELL, 0)
        await bot.wait_for("raw", t="THREAD_LIST_SYNC")
        last = await stage.say("the end", channel=thread)
        await bot.wait_for("messageCreate", id=last)
    finally:
        await bot.stop()
    told = {event["t"] for event in bot.events if event["event"] == "raw"}
    assert {"THREAD_CREATE", "THREAD_MEMBERS_UPDATE", "THREAD_UPDATE", "THREAD_MEMBER_UPDATE"} <= told
    assert [event for event in bot.events if event["event"] == "error"] == []
