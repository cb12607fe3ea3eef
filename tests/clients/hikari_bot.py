"""HikariBot: an unmodified hikari.GatewayBot on the test's own loop. Its parsers are the strictest there are."""

from __future__ import annotations

from typing import Any

import hikari

from tests.clients.recorder import Bot, Event, Refused
from tests.clients.stage import Stage

INTENTS = hikari.Intents.ALL


def brief(message: hikari.PartialMessage) -> Event:
    """What the tests compare of a message."""
    reference = message.message_reference
    return {
        "id": str(message.id),
        "channel": str(message.channel_id),
        "author": str(message.author.id) if message.author else None,
        "content": message.content,
        "reference": str(reference.id) if reference else None,
    }


def brief_reaction(event: Any) -> Event:
    """What the tests compare of a reaction's event."""
    return {"message": str(event.message_id), "emoji": str(event.emoji_name)}


def brief_member(member: hikari.Member) -> Event:
    """What the tests compare of a member."""
    roles = sorted(str(role) for role in member.role_ids if role != member.guild_id)
    return {"user": str(member.id), "nick": member.nickname, "roles": roles}


class HikariBot(Bot):
    """One bot. `start` returns once it is started; "ready" is recorded by then."""

    def __init__(self, stage: Stage, token: str) -> None:
        super().__init__()
        self.bot = hikari.GatewayBot(
            token,
            rest_url=f"{stage.url}/api/v10",
            intents=INTENTS,
            banner=None,
            logs=None,
            suppress_optimization_warning=True,
        )
        for kind, listener in (
            (hikari.StartedEvent, self._on_started),
            (hikari.ShardPayloadEvent, self._on_payload),
            (hikari.ShardReadyEvent, self._on_ready),
            (hikari.ShardResumedEvent, self._on_resumed),
            (hikari.GuildAvailableEvent, self._on_guild),
            (hikari.MessageCreateEvent, self._on_message),
            (hikari.MessageUpdateEvent, self._on_edit),
            (hikari.MessageDeleteEvent, self._on_delete),
            (hikari.GuildBulkMessageDeleteEvent, self._on_bulk_delete),
            (hikari.TypingEvent, self._on_typing),
            (hikari.GuildReactionAddEvent, self._on_reaction_add),
            (hikari.GuildReactionDeleteEvent, self._on_reaction_delete),
            (hikari.GuildReactionDeleteEmojiEvent, self._on_reaction_delete_emoji),
            (hikari.GuildReactionDeleteAllEvent, self._on_reaction_delete_all),
            (hikari.MemberCreateEvent, self._on_member_create),
            (hikari.MemberUpdateEvent, self._on_member_update),
            (hikari.MemberDeleteEvent, self._on_member_delete),
            (hikari.GuildChannelCreateEvent, self._on_channel_create),
            (hikari.GuildChannelUpdateEvent, self._on_channel_update),
            (hikari.GuildChannelDeleteEvent, self._on_channel_delete),
            (hikari.MemberChunkEvent, self._on_chunk),
            (hikari.ExceptionEvent, self._on_exception),
        ):
            self.bot.subscribe(kind, listener)

    async def start(self) -> None:
        """Log in and connect."""
        await self.bot.start(check_for_updates=False)

    async def stop(self) -> None:
        if self.bot.is_alive:
            await self.bot.close()

    async def _on_started(self, _: hikari.StartedEvent) -> None:
        self.record("started")

    async def _on_payload(self, event: hikari.ShardPayloadEvent) -> None:
        d: Any = event.payload
        self.record("raw", t=event.name, id=d.get("id"), session=d.get("session_id"))

    async def _on_ready(self, event: hikari.ShardReadyEvent) -> None:
        self.record("shardReady", user=str(event.my_user.id), guilds=[str(guild) for guild in event.unavailable_guilds])

    async def _on_resumed(self, _: hikari.ShardResumedEvent) -> None:
        self.record("resumed")

    async def _on_guild(self, event: hikari.GuildAvailableEvent) -> None:
        again = any(each["event"] == "ready" for each in self.events)
        guild = {
            "id": str(event.guild.id),
            "name": event.guild.name,
            "channels": sorted(str(channel.name) for channel in event.channels.values()),
            "members": sorted(str(member.id) for member in await self.bot.rest.fetch_members(event.guild.id)),
        }
        self.record("readyAgain" if again else "ready", user=str(self.bot.get_me().id), guilds=[guild])  # type: ignore[union-attr]

    async def _on_message(self, event: hikari.MessageCreateEvent) -> None:
        self.record("messageCreate", **brief(event.message))

    async def _on_edit(self, event: hikari.MessageUpdateEvent) -> None:
        self.record("messageUpdate", **brief(event.message))

    async def _on_delete(self, event: hikari.MessageDeleteEvent) -> None:
        self.record("messageDelete", id=str(event.message_id))

    async def _on_bulk_delete(self, event: hikari.GuildBulkMessageDeleteEvent) -> None:
        self.record("messageDeleteBulk", ids=sorted(str(message) for message in event.message_ids))

    async def _on_typing(self, event: hikari.TypingEvent) -> None:
        self.record("typingStart", channel=str(event.channel_id), user=str(event.user_id))

    async def _on_reaction_add(self, event: hikari.GuildReactionAddEvent) -> None:
        self.record("reactionAdd", user=str(event.user_id), **brief_reaction(event))

    async def _on_reaction_delete(self, event: hikari.GuildReactionDeleteEvent) -> None:
        self.record("reactionRemove", user=str(event.user_id), **brief_reaction(event))

    async def _on_reaction_delete_emoji(self, event: hikari.GuildReactionDeleteEmojiEvent) -> None:
        self.record("reactionRemoveEmoji", **brief_reaction(event))

    async def _on_reaction_delete_all(self, event: hikari.GuildReactionDeleteAllEvent) -> None:
        self.record("reactionRemoveAll", message=str(event.message_id))

    async def _on_member_create(self, event: hikari.MemberCreateEvent) -> None:
        self.record("memberAdd", **brief_member(event.member))

    async def _on_member_update(self, event: hikari.MemberUpdateEvent) -> None:
        self.record("memberUpdate", **brief_member(event.member))

    async def _on_member_delete(self, event: hikari.MemberDeleteEvent) -> None:
        self.record("memberRemove", user=str(event.user_id))

    async def _on_channel_create(self, event: hikari.GuildChannelCreateEvent) -> None:
        self.record("channelCreate", id=str(event.channel_id), name=event.channel.name)

    async def _on_channel_update(self, event: hikari.GuildChannelUpdateEvent) -> None:
        self.record("channelUpdate", id=str(event.channel_id))

    async def _on_channel_delete(self, event: hikari.GuildChannelDeleteEvent) -> None:
        self.record("channelDelete", id=str(event.channel_id))

    async def _on_chunk(self, event: hikari.MemberChunkEvent) -> None:
        self.record("chunk", nonce=event.nonce, names=[member.username for member in event.members.values()])

    async def _on_exception(self, event: hikari.ExceptionEvent[Any]) -> None:
        self.record("error", message=repr(event.exception))

    async def do(self, action: str, **arguments: Any) -> Any:
        try:
            return await getattr(self, f"_{action}")(**arguments)
        except hikari.ClientHTTPResponseError as error:
            raise Refused(error.message, int(error.code)) from error

    async def _send(self, channel: str, content: str) -> Event:
        return brief(await self.bot.rest.create_message(int(channel), content))

    async def _reply(self, channel: str, message: str, content: str) -> Event:
        return brief(await self.bot.rest.create_message(int(channel), content, reply=int(message)))

    async def _edit(self, channel: str, message: str, content: str) -> Event:
        return brief(await self.bot.rest.edit_message(int(channel), int(message), content))

    async def _delete(self, channel: str, message: str) -> None:
        await self.bot.rest.delete_message(int(channel), int(message))

    async def _bulkDelete(self, channel: str, messages: list[str]) -> None:
        await self.bot.rest.delete_messages(int(channel), [int(message) for message in messages])

    async def _type(self, channel: str) -> None:
        await self.bot.rest.trigger_typing(int(channel))

    async def _history(self, channel: str, limit: int, **bounds: str) -> list[Event]:
        options: dict[str, Any] = {name: int(message) for name, message in bounds.items()}
        return [brief(message) async for message in self.bot.rest.fetch_messages(int(channel), **options).limit(limit)]

    async def _dm(self, user: str, content: str) -> Event:
        return brief(await (await self.bot.rest.create_dm_channel(int(user))).send(content))

    async def _find(self, guild: str, prefix: str) -> list[str]:
        mark = len(self.events)
        await self.bot.request_guild_members(int(guild), query=prefix, limit=100, nonce=prefix)
        names: list[str] = (await self.wait_for("chunk", since=mark, nonce=prefix))["names"]
        return names

    async def _react(self, channel: str, message: str, emoji: str) -> None:
        await self.bot.rest.add_reaction(int(channel), int(message), emoji)

    async def _unreact(self, channel: str, message: str, emoji: str) -> None:
        await self.bot.rest.delete_my_reaction(int(channel), int(message), emoji)

    async def _reactors(self, channel: str, message: str, emoji: str) -> list[str]:
        users = self.bot.rest.fetch_reactions_for_emoji(int(channel), int(message), emoji)
        return sorted([str(user.id) async for user in users])

    async def _clearReaction(self, channel: str, message: str, emoji: str) -> None:
        await self.bot.rest.delete_all_reactions_for_emoji(int(channel), int(message), emoji)

    async def _clearReactions(self, channel: str, message: str) -> None:
        await self.bot.rest.delete_all_reactions(int(channel), int(message))

    async def _nick(self, guild: str, user: str, nick: str) -> None:
        await self.bot.rest.edit_member(int(guild), int(user), nickname=nick)

    async def _addRole(self, guild: str, user: str, role: str) -> None:
        await self.bot.rest.add_role_to_member(int(guild), int(user), int(role))

    async def _removeRole(self, guild: str, user: str, role: str) -> None:
        await self.bot.rest.remove_role_from_member(int(guild), int(user), int(role))

    async def _kick(self, guild: str, user: str) -> None:
        await self.bot.rest.kick_user(int(guild), int(user))
