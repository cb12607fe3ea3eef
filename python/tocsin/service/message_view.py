"""MessageView: messages as their readers get them, with authors, mentions and the message replied to.

A bot without MESSAGE_CONTENT reads over HTTP what the gateway would have sent it (protocol.md §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tocsin.model import wire
from tocsin.model.entities import Member, Message, User, WebhookAuthor
from tocsin.model.intents import Intents
from tocsin.model.interactions import InteractionMessage
from tocsin.service.auth import Principal
from tocsin.service.webhook_avatars import pictured
from tocsin.service.world import World
from tocsin.store.base import Select, Store

_CONTENT = int(Intents.MESSAGE_CONTENT)
REPLY = 19
HAS_THREAD = 1 << 5
_WITH_REFERENCED = frozenset({19, 21, 23})


def reads_content(actor: Principal) -> bool:
    """Whether the actor may read what others write without a mention of it."""
    return not actor.is_bot or (actor.application is not None and bool(actor.application.intents & _CONTENT))


def veil(actor: Principal, message: Message, replied: Message | None, body: dict[str, Any]) -> bool:
    """Blank in a rendered message what the actor may not read, and return whether there was anything."""
    if reads_content(actor):
        return False
    quoted: dict[str, Any] | None = body.get("referenced_message")
    quoted_hidden = False
    if replied is not None and quoted is not None and _hidden(replied, actor.id):
        quoted_hidden = True
        hide_content(quoted)
    hidden = _hidden(message, actor.id)
    if hidden:
        hide_content(body)
    return hidden or quoted_hidden


def hide_content(body: dict[str, Any]) -> None:
    """Blank what MESSAGE_CONTENT guards."""
    body["content"] = ""
    body["embeds"] = []
    body["attachments"] = []
    body["components"] = []


def deleted_user(user_id: int) -> User:
    """Stand in for an author whose account is gone."""
    return User(id=user_id, username="Deleted User", discriminator="0")


class Resolved(NamedTuple):
    """What the body of a message event is made of, besides message, author and the author's member."""

    users: dict[int, User]
    members: dict[int, Member]
    quoted: dict[str, Any] | None


NOTHING_MORE = Resolved({}, {}, None)


def for_event(message: Message, author: User, member: Member | None, more: Resolved) -> dict[str, Any]:
    """Render for MESSAGE_CREATE and MESSAGE_UPDATE: with guild, members and the message replied to."""
    mentions = [
        (more.users[user_id], more.members.get(user_id)) for user_id in message.mentions if user_id in more.users
    ]
    return wire.message(message, author, mentions, member, referenced=more.quoted)


class MessageView:
    """Renders messages, reading what they refer to in one go."""

    def __init__(self, store: Store, world: World) -> None:
        self._store = store
        self._world = world

    async def resolve(self, guild_id: int, user_ids: Sequence[int], referenced: Message | None) -> Resolved:
        """Read what an event's body needs besides the message: those it mentions, and what it replies to."""
        if not user_ids and referenced is None:
            return NOTHING_MORE
        wanted = list(user_ids)
        if referenced is not None:
            wanted += [referenced.author_id, *referenced.mentions]
        users = await self._world.users(wanted)
        members: dict[int, Member] = {}
        if guild_id:
            for user_id in user_ids:
                member = await self._world.member(guild_id, user_id)
                if member is not None:
                    members[user_id] = member
        if referenced is None:
            return Resolved(users, members, None)
        return Resolved(users, members, self._plain(referenced, users, await self._webhooks([referenced])))

    async def quoted(self, message: Message) -> Message | None:
        """Return the message that this one replies to, if it is there."""
        if message.type != REPLY or not message.reference:
            return None
        return await self._store.message(message.channel_id, int(message.reference["message_id"]))

    async def updated(
        self, message: Message, replied: Message | None, origin: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Render for MESSAGE_UPDATE. `origin`: which interaction it is of, where that is not stored."""
        author = (await self._webhooks([message])).get(message.id) or await self._world.user(message.author_id)
        author = author or deleted_user(message.author_id)
        member = await self._world.member(message.guild_id, message.author_id) if message.guild_id else None
        more = await self.resolve(message.guild_id, message.mentions, replied)
        body = {**for_event(message, author, member, more), "tts": False}
        body |= origin if origin is not None else (await self._origins([message])).get(message.id, {})
        await self._show_thread(message, body)
        return body

    async def for_reader(self, actor: Principal, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Render for a GET by `actor`: without guild and members."""
        quoted_ids: dict[int, list[int]] = {}
        for message in messages:
            if message.type in _WITH_REFERENCED and message.reference:
                source = int(message.reference.get("channel_id") or message.channel_id)
                quoted_ids.setdefault(source, []).append(int(message.reference["message_id"]))
        quoted: dict[int, Message] = {}
        for source, ids in quoted_ids.items():
            quoted.update((found.id, found) for found in await self._store.messages_by_ids(source, ids))
        wanted: list[int] = []
        for message in (*messages, *quoted.values()):
            wanted.append(message.author_id)
            wanted.extend(message.mentions)
        users = await self._world.users(wanted)
        hooks = await self._webhooks((*messages, *quoted.values()))
        origins = await self._origins(messages)
        on_them: dict[int, list[dict[str, Any]]] = {}
        for each in await self._store.reactions([message.id for message in messages], actor.id):
            on_them.setdefault(each.message_id, []).append(wire.reaction_count(each))
        bodies = []
        for message in messages:
            body = self._plain(message, users, hooks)
            body |= origins.get(message.id, {})
            if message.id in on_them:
                body["reactions"] = on_them[message.id]
            replied: Message | None = None
            if message.type in _WITH_REFERENCED and message.reference:
                replied = quoted.get(int(message.reference["message_id"]))
                body["referenced_message"] = None if replied is None else self._plain(replied, users, hooks)
            await self._show_thread(message, body)
            veil(actor, message, replied, body)
            bodies.append(body)
        return bodies

    async def _show_thread(self, message: Message, body: dict[str, Any]) -> None:
        """Add the thread that started from a message: whoever sees the one sees the other."""
        if message.flags & HAS_THREAD:
            thread = await self._world.channel(message.id)
            if thread is not None:
                body["thread"] = wire.channel(thread)

    async def _origins(self, messages: Sequence[Message]) -> dict[int, dict[str, Any]]:
        """Return what the interactions are that messages came from, by message."""
        ids = [each.id for each in messages if each.webhook_id is not None and each.webhook_id == each.application_id]
        if not ids:
            return {}
        select = Select(entity=InteractionMessage, table="interaction_messages", where={"message_id": ids})
        return {each.message_id: each.origin for each in await self._store.find(select)}

    async def _webhooks(self, messages: Sequence[Message]) -> dict[int, User]:
        """Return the authors of those messages that webhooks wrote, by message."""
        ids = [message.id for message in messages if message.webhook_id is not None]
        if not ids:
            return {}
        select = Select(entity=WebhookAuthor, table="webhook_authors", where={"message_id": ids})
        found = await self._store.find(select)
        hooks = await pictured(self._store, id=[*{each.webhook_id for each in found}])
        avatars = {each.id: each.avatar for each in hooks}
        return {
            each.message_id: wire.webhook_user(each.webhook_id, each.name, avatars.get(each.webhook_id))
            for each in found
        }

    def _plain(self, message: Message, users: dict[int, User], hooks: dict[int, User]) -> dict[str, Any]:
        author = hooks.get(message.id) or users.get(message.author_id) or deleted_user(message.author_id)
        mentions = [(users[user_id], None) for user_id in message.mentions if user_id in users]
        body = wire.message(message, author, mentions)
        body.pop("guild_id", None)
        body.pop("referenced_message", None)
        return body


def _hidden(message: Message, reader_id: int) -> bool:
    return bool(message.guild_id) and message.author_id != reader_id and reader_id not in message.mentions
