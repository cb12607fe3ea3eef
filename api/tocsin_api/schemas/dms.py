"""Schemas of /users/@me/channels (protocol.md §8.8)."""

from __future__ import annotations

from msgspec import Struct

from tocsin_api.request import Snowflake


class DmOpen(Struct):
    """Body of POST /users/@me/channels: one recipient, by either key."""

    recipient_id: Snowflake | None = None
    recipients: list[Snowflake] | None = None
