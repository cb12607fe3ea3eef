"""Schemas of /channels/{id}/invites (protocol.md §8.6)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from tocsin_api.schemas.fields import Fields

WEEK_S = 604_800
MAX_USES = 100


class InviteCreate(Struct):
    """Body of POST of an invite. `max_age` in seconds, 0 for no end."""

    max_age: int | None = None
    max_uses: int | None = None
    temporary: bool | None = None
    unique: bool | None = None

    def options(self) -> dict[str, Any]:
        """Return what was given, checked."""
        fields = Fields()
        fields.number("max_age", self.max_age, 0, WEEK_S)
        fields.number("max_uses", self.max_uses, 0, MAX_USES)
        fields.plain("temporary", self.temporary)
        fields.plain("unique", self.unique)
        return fields.done()
