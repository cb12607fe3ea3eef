"""Schemas of /webhooks (protocol.md §8.8)."""

from __future__ import annotations

from msgspec import Struct

from tocsin_api.request import Snowflake
from tocsin_api.schemas.fields import Fields
from tocsin_api.schemas.messages import MessageCreate


class WebhookCreate(Struct):
    """Body of POST of a webhook; no image is taken."""

    name: str
    avatar: str | None = None

    def check(self) -> None:
        """Raise `errors.InvalidForm` for an image."""
        _no_image(self.avatar)


class WebhookEdit(Struct):
    """Body of PATCH of a webhook; a missing key leaves a thing as it is."""

    name: str | None = None
    avatar: str | None = None
    channel_id: Snowflake | None = None

    def check(self) -> None:
        """Raise `errors.InvalidForm` for an image."""
        _no_image(self.avatar)


class WebhookExecute(MessageCreate):
    """Body of POST of a webhook's message. `avatar_url` is taken and not shown: there are no avatars yet."""

    username: str | None = None
    avatar_url: str | None = None


def _no_image(avatar: str | None) -> None:
    fields = Fields()
    fields.image("avatar", avatar)
    fields.done()
