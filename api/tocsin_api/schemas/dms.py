"""Schemas of /users/@me/channels (protocol.md §8.8)."""

from __future__ import annotations

from msgspec import Struct

from tocsin_api.request import Snowflake


class DmOpen(Struct):
    """Body of POST /users/@me/channels: one recipient by either key, or those of a group. Nicknames are not kept."""

    recipient_id: Snowflake | None = None
    recipients: list[Snowflake] | None = None
    access_tokens: list[str] | None = None
