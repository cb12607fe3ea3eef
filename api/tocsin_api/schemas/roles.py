"""Schemas of /guilds/{id}/roles (protocol.md §8.7)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.request import Bits, Snowflake
from tocsin_api.schemas.fields import Fields

MAX_COLOR = 0xFFFFFF
MAX_POSITION = 2**31 - 1


class ColorsIn(Struct):
    """A role's colours; tocsin keeps the first."""

    primary_color: int | UnsetType | None = UNSET


class RoleIn(Struct):
    """Body of POST and PATCH of a role; a missing key leaves a thing as it is."""

    name: str | UnsetType | None = UNSET
    permissions: Bits | UnsetType | None = UNSET
    color: int | UnsetType | None = UNSET
    colors: ColorsIn | UnsetType | None = UNSET
    hoist: bool | UnsetType | None = UNSET
    icon: str | UnsetType | None = UNSET
    unicode_emoji: str | UnsetType | None = UNSET
    mentionable: bool | UnsetType | None = UNSET

    def changes(self) -> dict[str, Any]:
        """Return the checked changes of a `Role`."""
        fields = Fields()
        if self.name is not None:
            fields.text("name", self.name, 1, 100)
        fields.plain("permissions", self.permissions)
        fields.number("color", self.color, 0, MAX_COLOR)
        if isinstance(self.colors, ColorsIn):
            fields.number("color", self.colors.primary_color, 0, MAX_COLOR)
        fields.plain("hoist", self.hoist)
        fields.image("icon", self.icon)
        fields.text("unicode_emoji", self.unicode_emoji, 1, 32, null=True)
        fields.plain("mentionable", self.mentionable)
        return fields.done()


class RolePosition(Struct):
    """One role of PATCH /guilds/{id}/roles."""

    id: Snowflake
    position: int | None = None

    def check(self, fields: Fields) -> None:
        """Note a position that none can have."""
        fields.number("position", self.position, 0, MAX_POSITION)
