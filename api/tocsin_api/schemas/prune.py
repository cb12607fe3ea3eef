"""Schemas of /guilds/{id}/prune (protocol.md §8.7)."""

from __future__ import annotations

from msgspec import Struct

from tocsin.service.prune import DAYS, MAX_DAYS, MIN_DAYS
from tocsin_api.request import Snowflake
from tocsin_api.schemas.fields import Fields


class PruneIn(Struct):
    """Body of POST /guilds/{id}/prune. `include_roles` is a list, or ids with commas between."""

    days: int | None = None
    compute_prune_count: bool | None = None
    include_roles: list[Snowflake] | str | None = None

    def checked_days(self) -> int:
        """Return for how long the members were inactive. Raises `errors.InvalidForm`."""
        fields = Fields()
        fields.number("days", self.days, MIN_DAYS, MAX_DAYS)
        fields.done()
        return DAYS if self.days is None else self.days
