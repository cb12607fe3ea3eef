"""ReactionService: what people put under messages (protocol.md §8.4).

Changes to one message's reactions happen one after the other, so that the limit of different emojis holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tocsin.errors import BadRequest, Conflict, Forbidden, unknown
from tocsin.model import wire
from tocsin.model.entities import Channel, Emoji, EmojiRef, Reaction, ReactionCount
from tocsin.model.permissions import QUARANTINED, Permission
from tocsin.model.snowflake import MAX_SNOWFLAKE
from tocsin.service import events
from tocsin.service.audience import Draft, commit_to
from tocsin.service.auth import Principal
from tocsin.service.world import ChannelAccess
from tocsin.store import rows
from tocsin.store.base import Delete, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_EMOJIS = 20
"""How many different emojis a message may have."""

_ADD = int(Permission.ADD_REACTIONS)
_EXTERNAL = int(Permission.USE_EXTERNAL_EMOJIS)
_HISTORY = int(Permission.READ_MESSAGE_HISTORY)
_MANAGE = int(Permission.MANAGE_MESSAGES)
_MAX_CHARS = 64
_CUSTOM = re.compile(r"(?:a:)?(\w{1,32}):(\d{1,19})")
_BASE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa"
    "\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55"
    "\u3030\u303d\u3297\u3299\U0001f004\U0001f0cf\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f201\U0001f202\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f250\U0001f251\U0001f300-\U0001faff]"
)
_ONE = f"{_BASE}(?:\ufe0f|[\U0001f3fb-\U0001f3ff])*[\U000e0020-\U000e007f]*"
_UNICODE = re.compile(
    f"[#*0-9]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}|[\U0001f1e6-\U0001f1ff]|{_ONE}(?:\u200d{_ONE})*"
)
"""One emoji by the shape that UTS #51 gives it: a keycap, a flag, or characters joined with modifiers."""

Body = dict[str, Any]


def parse_emoji(text: str) -> EmojiRef:
    """Read an emoji of a path: one of Unicode, or `name:id`. Raises `errors.BadRequest` (10014)."""
    if len(text) <= _MAX_CHARS:
        if _UNICODE.fullmatch(text):
            return EmojiRef(name=text)
        custom = _CUSTOM.fullmatch(text)
        if custom is not None and int(custom[2]) <= MAX_SNOWFLAKE:
            return EmojiRef(id=int(custom[2]), name=custom[1])
    raise _unknown()


def _unknown() -> BadRequest:
    return BadRequest(10014, "Unknown Emoji")


class ReactionService:
    """Adds, lists and removes reactions."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world

    async def add(self, actor: Principal, channel_id: int, message_id: int, emoji: str) -> None:
        """React; again is no change. A new emoji on a message needs ADD_REACTIONS.

        Raises:
            errors.ApiError: 10003, 50001, 50008, 50013, 10008, 10014, 30010.
        """
        access = await self._access(actor, channel_id, _HISTORY)
        access.need_open()
        if access.member is not None and access.member.flags & QUARANTINED:
            access.need(_ADD)
        wanted = parse_emoji(emoji)
        async with self._context.locks.hold(("reactions", message_id)):
            message = await self._world.message(channel_id, message_id)
            there = await self._store.reactions([message_id], actor.id)
            found = _find(there, wanted)
            if found is None:
                access.need(_ADD)
                if wanted.id is not None:
                    wanted = await self._custom(access, actor, wanted.id)
                if len(there) >= MAX_EMOJIS:
                    raise BadRequest(30010, f"Maximum number of reactions reached ({MAX_EMOJIS})")
            elif found.me:
                return
            else:
                wanted = found.emoji
            reaction = Reaction(
                message_id=message_id,
                emoji=wanted.key,
                user_id=actor.id,
                id=self._context.snowflakes.next(),
                channel_id=channel_id,
                emoji_id=wanted.id,
                name=wanted.name,
                animated=wanted.animated,
            )
            member = None if access.member is None else wire.member(access.member, actor.user)
            put = wanted

            def draft(to: Channel) -> Draft:
                return rows.reaction_ops(reaction), [events.reaction_add(to, message, actor.id, put, member)]

            try:
                await commit_to(self._context, actor.id, access.channel, draft)
            except Conflict:
                raise unknown("message") from None

    async def _custom(self, access: ChannelAccess, actor: Principal, emoji_id: int) -> EmojiRef:
        """Return an emoji of this guild, or of another that the actor is in, with USE_EXTERNAL_EMOJIS."""
        emoji = await self._store.find_one(Select(entity=Emoji, table="emojis", where={"id": emoji_id}))
        if emoji is None:
            raise _unknown()
        if emoji.guild_id != access.channel.guild_id:
            if await self._world.member(emoji.guild_id, actor.id) is None:
                raise _unknown()
            access.need(_EXTERNAL)
        return EmojiRef(id=emoji.id, name=emoji.name, animated=emoji.animated)

    async def users(
        self, actor: Principal, channel_id: int, message_id: int, emoji: str, *, after: int = 0, limit: int = 25
    ) -> list[Body]:
        """Return who reacted with an emoji, by rising user id. Needs READ_MESSAGE_HISTORY."""
        await self._access(actor, channel_id, _HISTORY)
        key = parse_emoji(emoji).key
        await self._world.message(channel_id, message_id)
        page = await self._store.find(
            Select(
                entity=Reaction,
                table="reactions",
                where={"message_id": message_id, "emoji": key},
                above={"user_id": after},
                order="user_id",
                limit=limit,
            )
        )
        users = await self._world.users(each.user_id for each in page)
        return [wire.user(users[each.user_id]) for each in page if each.user_id in users]

    async def remove(self, actor: Principal, channel_id: int, message_id: int, emoji: str, user_id: int) -> None:
        """Take a reaction away; somebody else's needs MANAGE_MESSAGES. One that is not there is no change.

        Raises:
            errors.ApiError: 10003, 50001, 50008, 50013, 10008, 10014; 50003 for another's in a DM.
        """
        access = await self._access(actor, channel_id, 0)
        access.need_open()
        if user_id != actor.id:
            self._need_manage(access)
        wanted = parse_emoji(emoji)
        async with self._context.locks.hold(("reactions", message_id)):
            await self._world.message(channel_id, message_id)
            found = _find(await self._store.reactions([message_id], user_id), wanted)
            if found is None or not found.me:
                return
            op = Delete("reactions", {"message_id": message_id, "emoji": wanted.key, "user_id": user_id})
            taken = found.emoji

            def draft(to: Channel) -> Draft:
                return [op], [events.reaction_remove(to, message_id, user_id, taken)]

            await commit_to(self._context, actor.id, access.channel, draft)

    async def clear(self, actor: Principal, channel_id: int, message_id: int, emoji: str | None = None) -> None:
        """Take away all reactions, or all with one emoji. Needs MANAGE_MESSAGES."""
        access = await self._access(actor, channel_id, 0)
        access.need_open()
        self._need_manage(access)
        wanted = None if emoji is None else parse_emoji(emoji)
        async with self._context.locks.hold(("reactions", message_id)):
            await self._world.message(channel_id, message_id)
            there = await self._store.reactions([message_id], actor.id)
            if wanted is None:
                if there:
                    event = events.reaction_remove_all(access.channel, message_id)
                    await self._store.commit([Delete("reactions", {"message_id": message_id})], [event])
                return
            found = _find(there, wanted)
            if found is None:
                raise _unknown()
            op = Delete("reactions", {"message_id": message_id, "emoji": wanted.key})
            event = events.reaction_remove_emoji(access.channel, message_id, found.emoji)
            await self._store.commit([op], [event])

    async def _access(self, actor: Principal, channel_id: int, permissions: int) -> ChannelAccess:
        access = await self._world.text_access(channel_id, actor.id)
        access.need(permissions)
        return access

    @staticmethod
    def _need_manage(access: ChannelAccess) -> None:
        if not access.channel.guild_id:
            raise Forbidden(50003, "Cannot execute action on a DM channel")
        access.need(_MANAGE)


def _find(there: list[ReactionCount], emoji: EmojiRef) -> ReactionCount | None:
    return next((each for each in there if each.emoji.key == emoji.key), None)
