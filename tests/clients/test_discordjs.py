"""An unmodified discord.js bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.clients.node_bot import NodeBot, require_node
from tests.clients.scenarios import Scenarios
from tests.clients.stage import BELL, CLERK, TOKENS, Stage

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
