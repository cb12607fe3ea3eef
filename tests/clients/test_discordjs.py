"""An unmodified discord.js bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.clients.node_bot import NodeBot, require_node
from tests.clients.scenarios import Scenarios
from tests.clients.stage import ADA, BELL, CLERK, GENERAL, TOKENS, VIEW, Stage

DRIVER = "driver_discordjs.cjs"


@pytest.fixture(autouse=True, scope="module")
def discord_js() -> None:
    require_node("discord.js")


@pytest.fixture
async def bot(stage: Stage) -> AsyncIterator[NodeBot]:
    bot = await NodeBot.start(DRIVER, base_url=stage.url, token=TOKENS[BELL])
    try:
        await bot.wait_for("ready")
        yield bot
    finally:
        await bot.stop()
    assert [event for event in bot.events if event["event"] in ("error", "shardError")] == []


class TestDiscordJs(Scenarios):
    """The scenarios as discord.js lives them."""


async def refusal(stage: Stage, token: str) -> str:
    """Return the message of a login that fails."""
    bot = await NodeBot.start(DRIVER, base_url=stage.url, token=token)
    try:
        message: str = (await bot.wait_for("loginFailed"))["message"]
        return message
    finally:
        await bot.stop()


async def test_an_unknown_token_fails_the_login(stage: Stage) -> None:
    assert await refusal(stage, "MTAwMg.not.known") == "An invalid token was provided."


async def test_privileged_intents_must_be_allowed(stage: Stage) -> None:
    assert await refusal(stage, TOKENS[CLERK]) == "Used disallowed intents"


async def test_a_token_revoked_under_way_is_closed_with_4004(own_stage: Stage) -> None:
    bot = await NodeBot.start(DRIVER, base_url=own_stage.url, token=TOKENS[BELL])
    try:
        await bot.wait_for("ready")
        await own_stage.revoke(BELL)
        await bot.wait_for("shardError", message="Authentication failed")
        assert (await bot.wait_for("disconnect"))["code"] == 4004
    finally:
        await bot.stop()


async def test_it_lives_in_threads(own_stage: Stage) -> None:
    stage = own_stage
    bot = await NodeBot.start(DRIVER, base_url=stage.url, token=TOKENS[BELL])
    try:
        await bot.wait_for("ready")
        message = await stage.say("let us talk")
        thread = await bot.do("startThread", channel=GENERAL, message=message, name="about it")
        assert thread == message
        await bot.wait_for("threadCreate", id=thread, parent=GENERAL)
        said = await stage.say("in here", channel=thread)
        assert (await bot.wait_for("threadMembers", id=thread))["added"] == [ADA]
        assert (await bot.wait_for("messageCreate", id=said))["channel"] == thread
        await bot.do("send", channel=thread, content="indeed")
        assert await stage.contents(thread) == ["", "in here", "indeed"]
        path = f"/channels/{GENERAL}/threads"
        private = (await stage.call("POST", path, ADA, {"name": "psst", "type": 12}))["id"]
        await stage.call("PUT", f"/channels/{private}/thread-members/{BELL}", ADA)
        await bot.wait_for("threadCreate", id=private, newly=False)
        assert await bot.do("threads", channel=GENERAL) == sorted([thread, private])
        await stage.call("DELETE", f"/channels/{private}/thread-members/{BELL}", ADA)
        await bot.wait_for("threadDelete", id=private)
        await stage.call("PATCH", f"/channels/{thread}", ADA, {"archived": True})
        await bot.wait_for("threadUpdate", id=thread, archived=True)
        again = await stage.say("anybody?", channel=thread)
        await bot.wait_for("threadUpdate", id=thread, archived=False)
        await bot.wait_for("messageCreate", id=again)
        # With its parent it goes, and comes.
        await stage.deny(BELL, VIEW)
        await bot.wait_for("channelDelete", id=GENERAL)
        await stage.deny(BELL, 0)
        assert (await bot.wait_for("threadList"))["ids"] == [thread]
        last = await stage.say("the end", channel=thread)
        await bot.wait_for("messageCreate", id=last)
    finally:
        await bot.stop()
    assert [event for event in bot.events if event["event"] in ("error", "shardError")] == []
