"""Schemas of /interactions (protocol.md §8.9)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from tocsin_api.request import Snowflake


class InteractionIn(Struct):
    """Body of POST /interactions, as people's clients send it."""

    type: int
    application_id: Snowflake
    channel_id: Snowflake
    data: dict[str, Any]
    guild_id: Snowflake | None = None
    message_id: Snowflake | None = None
    message_flags: int | None = None
    session_id: str | None = None
    nonce: str | int | None = None


class CallbackIn(Struct):
    """Body of POST /interactions/{id}/{token}/callback; `data` is read by `type`."""

    type: int
    data: dict[str, Any] | None = None
