"""Schemas of /guilds/{id}/voice-states (protocol.md §8.7)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.request import Snowflake
from tocsin_api.schemas.fields import Fields


class VoiceStateIn(Struct):
    """Body of PATCH of a member's voice state; `channel_id` says in which stage they are."""

    channel_id: Snowflake | UnsetType | None = UNSET
    suppress: bool | UnsetType | None = UNSET

    def changes(self) -> dict[str, Any]:
        """Return the checked changes, `requested_at` in Unix ms. Raises `errors.InvalidForm`."""
        return self._fields().done()

    def _fields(self) -> Fields:
        fields = Fields()
        fields.plain("channel_id", self.channel_id)
        fields.plain("suppress", self.suppress)
        return fields


class OwnVoiceStateIn(VoiceStateIn):
    """Body of PATCH of the caller's own."""

    request_to_speak_timestamp: str | UnsetType | None = UNSET

    def _fields(self) -> Fields:
        fields = VoiceStateIn._fields(self)
        fields.time("request_to_speak_timestamp", self.request_to_speak_timestamp, "requested_at")
        return fields
