"""Schemas of /webhooks (protocol.md §8.8)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.request import Snowflake
from tocsin_api.schemas.messages import MessageCreate


class WebhookCreate(Struct):
    """Body of POST of a webhook. `avatar` is a data URI."""

    name: str
    avatar: str | None = None


class WebhookEdit(Struct):
    """Body of PATCH of a webhook; a missing key leaves a thing as it is."""

    name: str | None = None
    avatar: str | UnsetType | None = UNSET
    channel_id: Snowflake | None = None


class WebhookExecute(MessageCreate):
    """Body of POST of a webhook's message. `avatar_url` is taken and not shown: nothing is fetched from elsewhere."""

    username: str | None = None
    avatar_url: str | None = None
