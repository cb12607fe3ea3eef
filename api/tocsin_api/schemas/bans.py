"""Schemas of /guilds/{id}/bans (protocol.md §8.7)."""

from __future__ import annotations

from msgspec import Struct

from tocsin.service.bans import MAX_BULK, MAX_PURGE_SECONDS
from tocsin_api.request import Snowflake
from tocsin_api.schemas.fields import Fields

_DAY_S = 86_400


class BanIn(Struct):
    """Body of PUT /guilds/{id}/bans/{user}: how much of what they wrote goes with them."""

    delete_message_seconds: int | None = None
    delete_message_days: int | None = None

    def purge_seconds(self) -> int:
        """Return how far back to delete, 0 for not at all. Raises `errors.InvalidForm`."""
        fields = Fields()
        fields.number("delete_message_seconds", self.delete_message_seconds, 0, MAX_PURGE_SECONDS)
        fields.number("delete_message_days", self.delete_message_days, 0, MAX_PURGE_SECONDS // _DAY_S)
        fields.done()
        if self.delete_message_seconds is not None:
            return self.delete_message_seconds
        return (self.delete_message_days or 0) * _DAY_S


class BulkBanIn(Struct):
    """Body of POST /guilds/{id}/bulk-ban."""

    user_ids: list[Snowflake]
    delete_message_seconds: int | None = None

    def users(self) -> list[int]:
        """Return whom to ban. Raises `errors.InvalidForm`, also for what `delete_message_seconds` may not be."""
        fields = Fields()
        if not 1 <= len(self.user_ids) <= MAX_BULK:
            message = f"Must be between 1 and {MAX_BULK} in length."
            fields.form.add(("user_ids",), "BASE_TYPE_BAD_LENGTH", message)
        fields.number("delete_message_seconds", self.delete_message_seconds, 0, MAX_PURGE_SECONDS)
        fields.done()
        return [int(user_id) for user_id in self.user_ids]
