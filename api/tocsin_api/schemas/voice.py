"""Schemas of /guilds/{id}/voice-states (protocol.md §8.7)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin.model import wire
from tocsin_api.request import Snowflake
from tocsin_api.schemas.fields import Fields


class VoiceStateIn(Struct):
    """Body of PATCH of a member's voice state; `channel_id` says in which stage they are."""

    channel_id: Snowflake | UnsetType | None = UNSET
    suppress: bool | UnsetType | None = UNSET

    def changes(self) -> dict[str, Any]:
        """Return the checked changes."""
        fields = Fields()
        fields.plain("channel_id", self.channel_id)
        fields.plain("suppress", self.suppress)
        return fields.done()


class OwnVoiceStateIn(VoiceStateIn):
    """Body of PATCH of the caller's own."""

    request_to_speak_timestamp: str | UnsetType | None = UNSET

    def changes(self) -> dict[str, Any]:
        """Return the checked changes, with `requested_at` in Unix ms. Raises `errors.InvalidForm`."""
        fields = Fields()
        fields.plain("channel_id", self.channel_id)
        fields.plain("suppress", self.suppress)
        asked = self.request_to_speak_timestamp
        if isinstance(asked, str):
            try:
                fields.changes["requested_at"] = wire.parse_timestamp(asked)
            except (ValueError, OverflowError):
                message = f'Could not parse "{asked[:64]}". Should be ISO8601.'
                fields.form.add(("request_to_speak_timestamp",), "DATE_TIME_TYPE_PARSE", message)
        elif asked is None:
            fields.changes["requested_at"] = None
        return fields.done()
