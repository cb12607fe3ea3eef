"""An unmodified discord.py bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.discordpy_bot import DiscordPyBot, discord, pointed_at
from tests.clients.scenarios import Scenarios
from tests.clients.stage import ADA, BELL, CLERK, ECHO, GENERAL, LAB, TOKENS, WORLD, Stage, open_stage

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


async def test_it_lives_in_threads(own_stage: Stage) -> None:
    with pointed_at(own_stage, ZLIB):
        bot = DiscordPyBot()
        bot.start(TOKENS[BELL])
        await bot.wait_for("ready")
        channel = bot.client.get_channel(int(GENERAL))
        assert isinstance(channel, discord.TextChannel)
        # One that it starts from a message: it is in it, and hears who writes there.
        message = await channel.fetch_message(int(await own_stage.say("let us talk")))
        thread = await message.create_thread(name="about it", auto_archive_duration=60)
        assert (thread.id, thread.parent, thread.me is not None) == (message.id, channel, True)
        said = await own_stage.say("in here", channel=str(thread.id))
        assert (await bot.wait_for("messageCreate", id=said))["channel"] == str(thread.id)
        known = channel.guild.get_thread(thread.id)
        assert known is not None
        assert [str(member.id) for member in known.members] == [ADA]
        assert {str(member.id) for member in await thread.fetch_members()} == {ADA, BELL}
        await bot.do("send", channel=str(thread.id), content="indeed")
        assert await own_stage.contents(str(thread.id)) == ["", "in here", "indeed"]
        # Archived it leaves the cache, and is found in the archive; a message brings it back.
        await thread.edit(archived=True)
        await bot.wait_for("raw", t="THREAD_UPDATE")
        assert [each.id async for each in channel.archived_threads()] == [thread.id]
        again = await own_stage.say("anybody?", channel=str(thread.id))
        await bot.wait_for("messageCreate", id=again)
        assert channel.guild.get_thread(thread.id) is not None
        # A private one of somebody else comes with being brought in, and goes with being taken out.
        path = f"/channels/{GENERAL}/threads"
        private = (await own_stage.call("POST", path, ADA, {"name": "psst", "type": 12}))["id"]
        hidden = await own_stage.say("not for bell", channel=private)
        members = f"/channels/{private}/thread-members"
        await own_stage.call("PUT", f"{members}/{BELL}", ADA)
        await bot.wait_for("raw", t="THREAD_CREATE", id=private)
        shown = await own_stage.say("for bell", channel=private)
        await bot.wait_for("messageCreate", id=shown)
        await own_stage.call("DELETE", f"{members}/{BELL}", ADA)
        await bot.wait_for("raw", t="THREAD_DELETE", id=private)
        last = await own_stage.say("the end")
        await bot.wait_for("messageCreate", id=last)
        assert channel.guild.get_thread(int(private)) is None
        assert hidden not in bot.raw_ids("MESSAGE_CREATE")
        await bot.stop()
    assert [event for event in bot.events if event["event"] == "error"] == []
