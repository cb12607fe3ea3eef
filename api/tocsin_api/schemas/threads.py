"""Schemas of /channels/{id}/threads (protocol.md §8.9)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.schemas.channels import ARCHIVE_DURATIONS, MAX_SLOWMODE_S
from tocsin_api.schemas.fields import Fields


class ThreadIn(Struct):
    """Body of POST of a thread. `type` and `invitable` count only without a message."""

    name: str | None = None
    type: int | UnsetType | None = UNSET
    auto_archive_duration: int | UnsetType | None = UNSET
    rate_limit_per_user: int | UnsetType | None = UNSET
    invitable: bool | UnsetType | None = UNSET

    def changes(self) -> dict[str, Any]:
        """Return what the thread is to be. Raises `errors.InvalidForm`."""
        fields = Fields()
        fields.text("name", self.name, 1, 100)
        fields.choice("auto_archive_duration", self.auto_archive_duration, ARCHIVE_DURATIONS)
        fields.number("rate_limit_per_user", self.rate_limit_per_user, 0, MAX_SLOWMODE_S)
        fields.plain("type", self.type)
        fields.plain("invitable", self.invitable)
        return fields.done()
