"""Pictures: what people, guilds and group DMs show of themselves, kept under names that cannot be guessed."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tocsin.errors import InvalidForm
from tocsin.service import images

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_PICTURE_BYTES = 1024 * 1024


class Pictures:
    """Keeps, gives and drops pictures. A name is 32 hexadecimal digits, after `a_` if the picture moves.

    Discord's names are hashes of the picture; one of chance is served without a token to whoever was told it.

    Args:
        folder: of the content store.
    """

    def __init__(self, context: Context, folder: str) -> None:
        self._context = context
        self._folder = folder

    async def keep(self, field: str, uri: str) -> str:
        """Keep the image of a data URI and return its name. Raises `errors.InvalidForm` (50035) on `field`."""
        decoded = images.of_data_uri(uri)
        if decoded is None:
            raise InvalidForm.field(field, "IMAGE_INVALID", "Invalid image data.")
        data, image = decoded
        if len(data) > MAX_PICTURE_BYTES:
            text = f"File cannot be larger than {MAX_PICTURE_BYTES / 1024} kb."
            raise InvalidForm.field(field, "BINARY_TYPE_MAX_SIZE", text)
        name = f"{'a_' if image.animated else ''}{secrets.token_hex(16)}"
        await self._context.content.put(self._key(name), data)
        return name

    async def drop(self, name: str | None) -> None:
        """Forget a picture that nothing has any more."""
        if name is not None:
            await self._context.content.delete(self._key(name))

    async def given(self, kept: str | None, name: str) -> bytes | None:
        """Return the picture of that name if it is the one that is kept."""
        if kept is None or not secrets.compare_digest(kept.encode(), name.encode()):
            return None
        return await self._context.content.get(self._key(kept))

    def _key(self, name: str) -> str:
        return f"{self._folder}/{int(name.removeprefix('a_'), 16)}"
