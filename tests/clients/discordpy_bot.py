"""DiscordPyBot: an unmodified discord.py client on the test's own loop, pointed at a server as users do it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime
from types import ModuleType
from typing import Any
from unittest import mock

import yarl

with warnings.catch_warnings():
    # discord.py's voice half imports what Python 3.13 drops.
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord
    import discord.gateway
    import discord.http
    import discord.utils

from tests.clients.recorder import Bot, Event, Refused
from tests.clients.stage import Stage

__all__ = ["INTENTS", "DiscordPyBot", "discord", "pointed_at"]

INTENTS = discord.Intents.default() | discord.Intents(members=True, message_content=True)
"""Without presences, so that discord.py asks for the members of every guild (op 8)."""


def _utils_without_zstandard() -> ModuleType:
    """Return discord.py's own utils as they are where `zstandard` is not installed."""
    spec = importlib.util.find_spec("discord.utils")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {"zstandard": None, "compression.zstd": None}):
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def pointed_at(stage: Stage, compression: str) -> Iterator[None]:
    """Point discord.py at a server, and let it compress as it does with or without `zstandard` installed."""
    utils = discord.utils if compression == "zstd-stream" else _utils_without_zstandard()
    context: Any = utils._ActiveDecompressionContext
    assert compression == context.COMPRESSION_TYPE
    with (
        mock.patch.object(discord.http.Route, "BASE", f"{stage.url}/api/v10"),
        mock.patch.object(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(stage.proxy.url)),
        mock.patch.object(discord.utils, "_ActiveDecompressionContext", context),
    ):
        yield


def brief(message: discord.Message) -> Event:
    """What the tests compare of a message."""
    reference = message.reference
    return {
        "id": str(message.id),
        "channel": str(message.channel.id),
        "author": str(message.author.id),
        "content": message.content,
        "reference": None if reference is None else str(reference.message_id),
    }


def brief_reaction(payload: Any) -> Event:
    """What the tests compare of a reaction's raw event."""
    return {"message": str(payload.message_id), "emoji": payload.emoji.name}


def brief_member(member: discord.Member) -> Event:
    """What the tests compare of a member."""
    roles = sorted(str(role.id) for role in member.roles if not role.is_default())
    return {"user": str(member.id), "nick": member.nick, "roles": roles}


class RecordingClient(discord.Client):
    """Tells its bot of everything it dispatches."""

    def __init__(self, bot: DiscordPyBot, intents: discord.Intents) -> None:
        super().__init__(intents=intents, guild_ready_timeout=0.2, enable_debug_events=True)
        self._bot = bot

    async def on_socket_raw_receive(self, text: str) -> None:
        payload = json.loads(text)
        if payload["op"] == 0:
            d = payload["d"]
            self._bot.record("raw", t=payload["t"], s=payload["s"], id=d.get("id"), session=d.get("session_id"))
        else:
            self._bot.record("op", op=payload["op"], d=payload["d"])

    async def on_ready(self) -> None:
        assert self.user is not None
        guilds = [
            {
                "id": str(guild.id),
                "name": guild.name,
                "channels": sorted(channel.name for channel in guild.channels),
                "members": sorted(str(member.id) for member in guild.members),
            }
            for guild in self.guilds
        ]
        name = "readyAgain" if any(event["event"] == "ready" for event in self._bot.events) else "ready"
        self._bot.record(name, user=str(self.user.id), guilds=guilds)

    async def on_resumed(self) -> None:
        self._bot.record("resumed")

    async def on_disconnect(self) -> None:
        self._bot.record("disconnect")

    async def on_message(self, message: discord.Message) -> None:
        self._bot.record("messageCreate", **brief(message))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        self._bot.record("messageUpdate", **brief(payload.message))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self._bot.record("messageDelete", id=str(payload.message_id))

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        self._bot.record("messageDeleteBulk", ids=sorted(str(message_id) for message_id in payload.message_ids))

    async def on_typing(self, channel: Any, user: discord.User | discord.Member, when: datetime) -> None:
        self._bot.record("typingStart", channel=str(channel.id), user=str(user.id))

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        self._bot.record("reactionAdd", user=str(payload.user_id), **brief_reaction(payload))

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        self._bot.record("reactionRemove", user=str(payload.user_id), **brief_reaction(payload))

    async def on_raw_reaction_clear_emoji(self, payload: discord.RawReactionClearEmojiEvent) -> None:
        self._bot.record("reactionRemoveEmoji", **brief_reaction(payload))

    async def on_raw_reaction_clear(self, payload: discord.RawReactionClearEvent) -> None:
        self._bot.record("reactionRemoveAll", message=str(payload.message_id))

    async def on_member_join(self, member: discord.Member) -> None:
        self._bot.record("memberAdd", **brief_member(member))

    async def on_member_update(self, before: discord.Member, after: discord.Member) -> None:
        self._bot.record("memberUpdate", **brief_member(after))

    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        self._bot.record("memberRemove", user=str(payload.user.id))

    async def on_guild_channel_create(self, channel: discord.abc.GuildChannel) -> None:
        self._bot.record("channelCreate", id=str(channel.id), name=channel.name)

    async def on_guild_channel_update(self, before: discord.abc.GuildChannel, after: discord.abc.GuildChannel) -> None:
        self._bot.record("channelUpdate", id=str(after.id))

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self._bot.record("channelDelete", id=str(channel.id))

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        self._bot.record("error", message=f"{event_method}: {sys.exc_info()[1]!r}")


class DiscordPyBot(Bot):
    """One client. `start` returns at once; wait for "ready"."""

    def __init__(self, intents: discord.Intents = INTENTS) -> None:
        super().__init__()
        self.client = RecordingClient(self, intents)
        self._running: asyncio.Task[None] | None = None

    def start(self, token: str) -> None:
        """Log in and connect in the background."""
        self._running = asyncio.create_task(self.client.start(token))

    async def stop(self) -> None:
        await self.client.close()
        if self._running is not None:
            await self._running

    async def do(self, action: str, **arguments: Any) -> Any:
        try:
            return await getattr(self, f"_{action}")(**arguments)
        except discord.HTTPException as error:
            raise Refused(error.text, error.code) from error

    def _channel(self, channel: str) -> Any:
        return self.client.get_channel(int(channel)) or self.client.get_partial_messageable(int(channel))

    async def _send(self, channel: str, content: str) -> Event:
        return brief(await self._channel(channel).send(content))

    async def _reply(self, channel: str, message: str, content: str) -> Event:
        return brief(await (await self._channel(channel).fetch_message(int(message))).reply(content))

    async def _edit(self, channel: str, message: str, content: str) -> Event:
        return brief(await self._channel(channel).get_partial_message(int(message)).edit(content=content))

    async def _delete(self, channel: str, message: str) -> None:
        await self._channel(channel).get_partial_message(int(message)).delete()

    async def _bulkDelete(self, channel: str, messages: list[str]) -> None:
        await self._channel(channel).delete_messages([discord.Object(int(message)) for message in messages])

    async def _type(self, channel: str) -> None:
        await self._channel(channel).typing()

    async def _history(self, channel: str, limit: int, **bounds: str) -> list[Event]:
        options = {name: discord.Object(int(message)) for name, message in bounds.items()}
        history = self._channel(channel).history(limit=limit, **options)
        return [brief(message) async for message in history]

    async def _dm(self, user: str, content: str) -> Event:
        return brief(await (await self.client.fetch_user(int(user))).send(content))

    async def _find(self, guild: str, prefix: str) -> list[str]:
        found = self.client.get_guild(int(guild))
        assert found is not None
        return [member.name for member in await found.query_members(prefix, limit=100)]

    def _message(self, channel: str, message: str) -> discord.PartialMessage:
        partial: discord.PartialMessage = self._channel(channel).get_partial_message(int(message))
        return partial

    async def _react(self, channel: str, message: str, emoji: str) -> None:
        await self._message(channel, message).add_reaction(emoji)

    async def _unreact(self, channel: str, message: str, emoji: str) -> None:
        assert self.client.user is not None
        await self._message(channel, message).remove_reaction(emoji, self.client.user)

    async def _reactors(self, channel: str, message: str, emoji: str) -> list[str]:
        for reaction in (await self._message(channel, message).fetch()).reactions:
            if reaction.emoji == emoji:
                return sorted([str(user.id) async for user in reaction.users()])
        return []

    async def _clearReaction(self, channel: str, message: str, emoji: str) -> None:
        await self._message(channel, message).clear_reaction(emoji)

    async def _clearReactions(self, channel: str, message: str) -> None:
        await self._message(channel, message).clear_reactions()

    def _member(self, guild: str, user: str) -> discord.Member:
        found = self.client.get_guild(int(guild))
        assert found is not None
        member = found.get_member(int(user))
        assert member is not None
        return member

    async def _nick(self, guild: str, user: str, nick: str) -> None:
        await self._member(guild, user).edit(nick=nick)

    async def _addRole(self, guild: str, user: str, role: str) -> None:
        await self._member(guild, user).add_roles(discord.Object(int(role)))

    async def _removeRole(self, guild: str, user: str, role: str) -> None:
        await self._member(guild, user).remove_roles(discord.Object(int(role)))

    async def _kick(self, guild: str, user: str) -> None:
        await self._member(guild, user).kick()
