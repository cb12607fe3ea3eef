"""Every library reads every event that the server sends to a bot, and finds nothing wrong with any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.clients import compiled_bot
from tests.clients.compiled_bot import CompiledBot
from tests.clients.discordpy_bot import DiscordPyBot, discord, pointed_at
from tests.clients.hikari_bot import HikariBot
from tests.clients.node_bot import NodeBot, need_erlpack, require_node
from tests.clients.recorder import Bot
from tests.clients.stage import Stage, running_node, token_of
from tests.support import event_acts  # noqa: F401 - its acts are walked too
from tests.support.cut_proxy import CutProxy
from tests.support.event_walk import ACTS, PASSIVE, WORLD, Scene
from tests.support.server import UNLIMITED, Server
from tests.support.town import Person

READER = Person("1009", token_of("1009", "reader"))
USER = {"id": READER.id, "username": "reader", "token": READER.token, "bot": True, "intents": "all"}
FLAGS = (*UNLIMITED, "--voice-endpoint", "voice.example:443", *PASSIVE)

NODE = {"discord.js": "driver_discordjs.cjs", "oceanic.js": "driver_oceanic.cjs"}
LIBRARIES = [
    *("discord.py", "hikari", *NODE),
    *(pytest.param(library, marks=pytest.mark.compiled) for library in compiled_bot.COMMANDS),
]

ANSWERS = {
    "RESUMED",
    "RATE_LIMITED",
    "SOUNDBOARD_SOUNDS",
    "CHANNEL_INFO",
    "GUILD_MEMBERS_CHUNK",
    "THREAD_MEMBER_UPDATE",
    "INTERACTION_CREATE",
}
"""Events that come to whoever did something for them alone, or to the bot whose command was used."""

UNKNOWN_TO = {
    # What it says of the voice that is not installed here.
    "discord.py": ("PyNaCl is not installed", "davey is not installed"),
    "discordgo": ("unknown event: Op: 0,",),
    "twilight": ("an event that twilight does not know",),
}
"""What a library says of events of Discord's that it has no name for, and of itself."""


def admitted(server: Server) -> Scene:
    """A scene whose guild the reader is in, seeing everything."""
    scene = Scene(server)
    base, bell = f"/guilds/{scene.place.id}/members", scene.people["bell"]
    scene.town.join(scene.place, READER)
    for role in scene.call("GET", f"{base}/{bell.id}")["roles"]:
        scene.call("PUT", f"{base}/{READER.id}/roles/{role}")
    return scene


@asynccontextmanager
async def walked_scene(data: Path) -> AsyncIterator[tuple[Scene, Stage]]:
    """A scene, which blocks and so is for threads, and the stage for a library to log in on."""
    world = {**WORLD, "users": [*WORLD["users"], USER]}
    with running_node(data, *FLAGS, world=world) as node:
        async with CutProxy(node.relay) as proxy, httpx.AsyncClient(base_url=node.server.http) as http:
            proxy.target = node.gateway
            scene = await asyncio.to_thread(admitted, node.server)
            try:
                yield scene, Stage(node.server, proxy, http)
            finally:
                await asyncio.to_thread(scene.close)


@asynccontextmanager
async def reading(stage: Stage, library: str) -> AsyncIterator[Bot]:
    """The library's bot, with all intents, as the reader."""
    bot: Bot
    if library == "discord.py":
        with pointed_at(stage, "zlib-stream"):
            bot = python = DiscordPyBot(discord.Intents.all())
            python.start(READER.token)
            try:
                yield bot
            finally:
                await bot.stop()
        return
    if library == "hikari":
        bot = hikari = HikariBot(stage, READER.token)
        await hikari.start()
    elif library in NODE:
        require_node(library)
        if library == "oceanic.js":
            need_erlpack()
        bot = await NodeBot.start(NODE[library], base_url=stage.url, token=READER.token)
    else:
        bot = await CompiledBot.start(library, base_url=stage.url, token=READER.token)
    try:
        yield bot
    finally:
        await bot.stop()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("library", LIBRARIES)
async def test_it_reads_every_event(tmp_path: Path, library: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with walked_scene(tmp_path) as (scene, stage), reading(stage, library) as bot:
            await bot.wait_for("ready")
            for do in dict.fromkeys(act.do for act in ACTS):
                await asyncio.to_thread(scene.perform, next(act for act in ACTS if act.do is do))
            last = await asyncio.to_thread(scene.town.say, scene.place, "the end")
            await bot.wait_for("messageCreate", id=last)
            mark = len(bot.events)
    read = {event["t"] for event in bot.events if event["event"] == "raw"}
    assert {act.name for act in ACTS if "bell" in act.audience} - ANSWERS - read == set()
    said = [event["message"] for event in bot.events[:mark] if event["event"] in ("error", "warning", "shardError")]
    said += [record.getMessage() for record in caplog.records if record.name.startswith(("discord", "hikari"))]
    assert [text for text in said if not text.startswith(UNKNOWN_TO.get(library, ()))] == []
