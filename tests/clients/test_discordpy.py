"""An unmodified discord.py bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.discordpy_bot import DiscordPyBot, discord, pointed_at
from tests.clients.scenarios import Scenarios
from tests.clients.stage import BELL, CLERK, ECHO, GENERAL, LAB, TOKENS, WORLD, Stage, open_stage

ZLIB, ZSTD = "zlib-stream", "zstd-stream"


@pytest.fixture
async def bot(stage: Stage) -> AsyncIterator[DiscordPyBot]:
    with pointed_at(stage, ZLIB):
        bot = DiscordPyBot()
        bot.start(TOKENS[BELL])
        try:
            await bot.wait_for("ready")
            yield bot
        finally:
            await bot.stop()
    assert [event for event in bot.events if event["event"] == "error"] == []


class TestDiscordPy(Scenarios):
    """The scenarios as discord.py lives them."""


async def test_it_speaks_zstd_where_it_can(stage: Stage) -> None:
    with pointed_at(stage, ZSTD):
        bot = DiscordPyBot()
        bot.start(TOKENS[BELL])
        await bot.wait_for("ready")
        message = await stage.say("squeezed " * 100)
        assert (await bot.wait_for("messageCreate", id=message))["content"] == ("squeezed " * 100).strip()
        await bot.stop()


async def test_a_bot_without_the_role_does_not_see_the_staffs_channel(stage: Stage) -> None:
    with pointed_at(stage, ZLIB):
        bot = DiscordPyBot()
        bot.start(TOKENS[ECHO])
        ready = await bot.wait_for("ready")
        assert ready["guilds"][0]["channels"] == ["general"]
        await bot.stop()


async def test_all_members_of_a_large_guild_arrive_in_chunks(tmp_path: Path) -> None:
    world: dict[str, Any] = {**WORLD, "generate": [{"users": 1500, "username": "extra{n}", "join": ["Lab"]}]}
    async with open_stage(tmp_path / "node", world=world) as stage:
        with pointed_at(stage, ZLIB):
            bot = DiscordPyBot()
            bot.start(TOKENS[BELL])
            ready = await bot.wait_for("ready")
            assert len(ready["guilds"][0]["members"]) == 1505
            assert len(bot.raw_ids("GUILD_MEMBERS_CHUNK")) == 2
            found = await bot.do("find", guild=LAB, prefix="extra15")
            assert set(found) == {"extra15", "extra1500", *(f"extra{n}" for n in range(150, 160))}
            await bot.stop()


async def test_an_unknown_token_fails_the_login(stage: Stage) -> None:
    with pointed_at(stage, ZLIB):
        bot = DiscordPyBot()
        with pytest.raises(discord.LoginFailure):
            await bot.client.login("MTAwMg.not.known")
        await bot.stop()


async def test_a_token_revoked_after_the_login_is_closed_with_4004(own_stage: Stage) -> None:
    with pointed_at(own_stage, ZLIB):
        bot = DiscordPyBot()
        await bot.client.login(TOKENS[BELL])
        await own_stage.revoke(BELL)
        with pytest.raises(discord.ConnectionClosed) as closed:
            await bot.client.connect()
        assert closed.value.code == 4004
        await bot.stop()


async def test_privileged_intents_must_be_allowed(stage: Stage) -> None:
    with pointed_at(stage, ZLIB):
        bot = DiscordPyBot()
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await bot.client.start(TOKENS[CLERK])
        await bot.stop()


async def test_it_keeps_to_the_rate_limit_by_the_headers_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_stage(tmp_path / "node", "--message-rate-limit", "2", "--message-rate-window-ms", "1000") as stage:
        with pointed_at(stage, ZLIB):
            bot = DiscordPyBot()
            bot.start(TOKENS[BELL])
            await bot.wait_for("ready")
            for n in range(5):
                await bot.do("send", channel=GENERAL, content=f"message {n}")
            assert await stage.contents() == [f"message {n}" for n in range(5)]
            await bot.stop()
    assert [record.getMessage() for record in caplog.records if "429" in record.getMessage()] == []
