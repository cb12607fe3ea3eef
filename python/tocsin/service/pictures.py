"""Pictures: what people, guilds and group DMs show of themselves, kept under names that cannot be guessed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

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


class PictureFields:
    """The pictures that an entity's fields name.

    Args:
        folders: of the content store, by field.
    """

    def __init__(self, context: Context, folders: Mapping[str, str]) -> None:
        self._of = {field: Pictures(context, folder) for field, folder in folders.items()}

    @asynccontextmanager
    async def changing(self, before: object, changes: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Give the changes with names for the data URIs; after the block, drop what `before` has of them.

        If the block fails, what was kept is dropped. Raises `errors.InvalidForm` (50035) on a field.
        """
        made: dict[str, str] = {}
        try:
            for field, pictures in self._of.items():
                if changes.get(field) is not None:
                    made[field] = await pictures.keep(field, changes[field])
            yield changes | made
        except BaseException:
            for field, name in made.items():
                await self._of[field].drop(name)
            raise
        for field in self._of.keys() & changes.keys():
            await self._of[field].drop(getattr(before, field, None))

    async def drop(self, entity: object) -> None:
        """Forget all that an entity has."""
        for field, pictures in self._of.items():
            await pictures.drop(getattr(entity, field))

    async def given(self, entity: object, field: str, name: str) -> bytes | None:
        """Return a picture of that name if it is the one that the entity has; None of no entity."""
        return await self._of[field].given(getattr(entity, field, None), name)
