"""Schemas of /guilds/{id}/emojis (protocol.md §8.7)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.request import Snowflake


class EmojiCreate(Struct):
    """Body of POST of an emoji. `image` is a data URI."""

    name: str
    image: str
    roles: list[Snowflake] | None = None


class EmojiEdit(Struct):
    """Body of PATCH of an emoji; a missing key leaves a thing as it is."""

    name: str | UnsetType | None = UNSET
    roles: list[Snowflake] | UnsetType | None = UNSET

    def changes(self) -> dict[str, Any]:
        """Return the changes of an `Emoji`."""
        changes: dict[str, Any] = {}
        if isinstance(self.name, str):
            changes["name"] = self.name
        if self.roles is not UNSET:
            changes["roles"] = tuple(int(each) for each in self.roles or ())
        return changes
