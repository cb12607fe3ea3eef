"""EmojiService: a guild's own emojis (protocol.md §8.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.errors import BadRequest, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.entities import Emoji, User
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import Permission
from tocsin.service import guild_events, images
from tocsin.service.auth import Principal
from tocsin.service.forms import Form
from tocsin.service.world import GuildAccess
from tocsin.store import rows
from tocsin.store.base import Delete, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_EMOJIS = 50
"""How many a guild may have, of still and of animated ones each."""

MAX_IMAGE_BYTES = 256 * 1024
_CREATE = int(Permission.CREATE_GUILD_EXPRESSIONS)
_MANAGE = int(Permission.MANAGE_GUILD_EXPRESSIONS)
_NAME = re.compile(r"\w{2,32}", re.ASCII)
Body = dict[str, Any]


def image_key(emoji_id: int) -> str:
    """Return where an emoji's image is in the content store."""
    return f"emojis/{emoji_id}"


class EmojiService:
    """Lists, makes, changes and deletes emojis, and finds their images."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world

    async def list_of(self, actor: Principal, guild_id: int) -> list[Body]:
        """Return a guild's emojis; who made them only to those who may make some."""
        access = await self._world.guild_access(guild_id, actor.id)
        emojis = await self._store.find(Select(entity=Emoji, table="emojis", where={"guild_id": guild_id}, order="id"))
        makers: dict[int, User] = {}
        if access.permissions & (_CREATE | _MANAGE):
            makers = await self._world.users(emoji.user_id for emoji in emojis)
        return [_render(emoji, makers.get(emoji.user_id)) for emoji in emojis]

    async def get(self, actor: Principal, guild_id: int, emoji_id: int) -> Body:
        """Return one emoji. Raises `errors.NotFound` (10014)."""
        access = await self._world.guild_access(guild_id, actor.id)
        emoji = await self._emoji(guild_id, emoji_id)
        shown = access.permissions & (_CREATE | _MANAGE)
        return _render(emoji, await self._world.user(emoji.user_id) if shown else None)

    async def create(self, actor: Principal, guild_id: int, name: str, image: str, roles: tuple[int, ...] = ()) -> Body:
        """Make an emoji of a data URI.

        Raises:
            errors.MissingPermissions: 50013, neither CREATE_ nor MANAGE_GUILD_EXPRESSIONS.
            errors.InvalidForm: 50035, a name or an image that cannot be.
            errors.BadRequest: 30008 or 30018, the guild has `MAX_EMOJIS` already.
        """
        access = await self._world.guild_access(guild_id, actor.id)
        _need_any(access, _CREATE | _MANAGE)
        form = Form()
        _check_name(name, form)
        decoded = images.of_data_uri(image)
        if decoded is None:
            form.add(("image",), "IMAGE_INVALID", "Invalid image data.")
        elif len(decoded[0]) > MAX_IMAGE_BYTES:
            form.add(("image",), "BINARY_TYPE_MAX_SIZE", "File cannot be larger than 256.0 kb.")
        form.check()
        assert decoded is not None
        data, found = decoded
        emoji_id = self._context.snowflakes.next()
        await self._context.content.put(image_key(emoji_id), data)
        try:
            async with self._context.locks.hold(("guild", guild_id)):
                access = await self._world.guild_access(guild_id, actor.id)
                _need_any(access, _CREATE | _MANAGE)
                same = sum(each.animated == found.animated for each in access.guild.emojis.values())
                if same >= MAX_EMOJIS:
                    code = 30018 if found.animated else 30008
                    raise BadRequest(code, f"Maximum number of emojis reached ({MAX_EMOJIS})")
                emoji = Emoji(
                    id=emoji_id,
                    guild_id=guild_id,
                    name=name,
                    user_id=actor.id,
                    animated=found.animated,
                    roles=_roles(access.guild, roles),
                )
                await self._write(access.guild, emoji)
        except BaseException:
            await self._context.content.delete(image_key(emoji_id))
            raise
        return _render(emoji, actor.user)

    async def update(self, actor: Principal, guild_id: int, emoji_id: int, changes: dict[str, Any]) -> Body:
        """Change an emoji's name or roles; another's needs MANAGE_GUILD_EXPRESSIONS. Raises as `create`, and 10014."""
        async with self._context.locks.hold(("guild", guild_id)):
            access, emoji = await self._editable(actor, guild_id, emoji_id)
            form = Form()
            if "name" in changes:
                _check_name(changes["name"], form)
            form.check()
            if "roles" in changes:
                changes = {**changes, "roles": _roles(access.guild, changes["roles"])}
            changed = msgspec.structs.replace(emoji, **changes)
            if changed != emoji:
                await self._write(access.guild, changed)
            return _render(changed, await self._world.user(changed.user_id))

    async def delete(self, actor: Principal, guild_id: int, emoji_id: int) -> None:
        """Delete an emoji; another's needs MANAGE_GUILD_EXPRESSIONS. Reactions with it stay. Raises as `update`."""
        async with self._context.locks.hold(("guild", guild_id)):
            access, emoji = await self._editable(actor, guild_id, emoji_id)
            left = [each for each in access.guild.emojis.values() if each.id != emoji.id]
            event = guild_events.emojis_update(guild_id, left)
            await self._store.commit([Delete("emojis", {"id": emoji.id}, must_match=True)], [event])
        await self._context.content.delete(image_key(emoji.id))

    async def image(self, emoji_id: int) -> bytes:
        """Return an emoji's image. Raises `errors.NotFound` (10014)."""
        emoji = await self._store.find_one(Select(entity=Emoji, table="emojis", where={"id": emoji_id}))
        data = None if emoji is None else await self._context.content.get(image_key(emoji_id))
        if data is None:
            raise unknown("emoji")
        return data

    async def _write(self, guild: GuildState, emoji: Emoji) -> None:
        emojis = {**guild.emojis, emoji.id: emoji}
        await self._store.commit(rows.emoji_ops(emoji), [guild_events.emojis_update(guild.guild.id, emojis.values())])

    async def _editable(self, actor: Principal, guild_id: int, emoji_id: int) -> tuple[GuildAccess, Emoji]:
        access = await self._world.guild_access(guild_id, actor.id)
        _need_any(access, _CREATE | _MANAGE)
        emoji = await self._emoji(guild_id, emoji_id)
        if emoji.user_id != actor.id:
            access.need(_MANAGE)
        return access, emoji

    async def _emoji(self, guild_id: int, emoji_id: int) -> Emoji:
        where = {"id": emoji_id, "guild_id": guild_id}
        emoji = await self._store.find_one(Select(entity=Emoji, table="emojis", where=where))
        if emoji is None:
            raise unknown("emoji")
        return emoji


def _render(emoji: Emoji, maker: User | None) -> Body:
    body = wire.emoji(emoji)
    if maker is not None:
        body["user"] = wire.user(maker)
    return body


def _need_any(access: GuildAccess, permissions: int) -> None:
    if not access.permissions & permissions:
        raise MissingPermissions


def _check_name(name: str, form: Form) -> None:
    if not 2 <= len(name) <= 32:
        form.add(("name",), "BASE_TYPE_BAD_LENGTH", "Must be between 2 and 32 in length.")
    elif not _NAME.fullmatch(name):
        form.add(("name",), "STRING_TYPE_REGEX", "String value did not match validation regex.")


def _roles(guild: GuildState, roles: tuple[int, ...]) -> tuple[int, ...]:
    """Return those of the roles that exist, once each."""
    return tuple(sorted({each for each in roles if each in guild.roles}))
