"""Fixtures: the bot, on the test's own loop, pointed at the test server."""

import asyncio
from collections.abc import AsyncIterator

import discord
import pytest
import yarl
from pong import Pong

from tocsin.testing import BotAccount, Guild, TestServer


@pytest.fixture
async def bot(
    tocsin_server: TestServer, bot_account: BotAccount, guild: Guild, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pong]:
    """The bot, logged in and ready in `guild`."""
    monkeypatch.setattr(discord.http.Route, "BASE", tocsin_server.api)
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(tocsin_server.gateway))
    bot = Pong(guild_ready_timeout=0.2)
    async with bot:  # sets the client up, so that it may be waited for
        running = asyncio.create_task(bot.start(bot_account.token))
        await bot.wait_for("ready", timeout=10)
        yield bot
        await bot.close()
        await running
