"""GroupIcons: the pictures of group DMs, kept under names that cannot be guessed."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tocsin.errors import InvalidForm, unknown
from tocsin.service import images

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_ICON_BYTES = 1024 * 1024


class GroupIcons:
    """Keeps, serves and drops icons. A name is 32 hexadecimal digits, after `a_` if the picture moves.

    Discord's names are hashes of the picture; one of chance is served without a token to whoever was told it.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def keep(self, uri: str) -> str:
        """Keep the image of a data URI and return its name. Raises `errors.InvalidForm` (50035)."""
        decoded = images.of_data_uri(uri)
        if decoded is None:
            raise InvalidForm.field("icon", "IMAGE_INVALID", "Invalid image data.")
        data, image = decoded
        if len(data) > MAX_ICON_BYTES:
            text = f"File cannot be larger than {MAX_ICON_BYTES / 1024} kb."
            raise InvalidForm.field("icon", "BINARY_TYPE_MAX_SIZE", text)
        name = f"{'a_' if image.animated else ''}{secrets.token_hex(16)}"
        await self._context.content.put(_key(name), data)
        return name

    async def drop(self, name: str | None) -> None:
        """Forget an icon that no group has any more."""
        if name is not None:
            await self._context.content.delete(_key(name))

    async def image(self, channel_id: int, name: str) -> bytes:
        """Return the icon that a group has. Raises `errors.NotFound` (10003) for every other name."""
        channel = await self._context.world.channel(channel_id)
        kept = None if channel is None or channel.guild_id else channel.icon
        if kept is None or not secrets.compare_digest(kept.encode(), name.encode()):
            raise unknown("channel")
        data = await self._context.content.get(_key(kept))
        if data is None:
            raise unknown("channel")
        return data


def _key(name: str) -> str:
    return f"groupicons/{int(name.removeprefix('a_'), 16)}"
