"""Schemas of /guilds/{id}/auto-moderation/rules."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.request import Snowflake


class TriggerIn(Struct):
    """A rule's `trigger_metadata`: which of it counts is its trigger's affair."""

    keyword_filter: list[str] | UnsetType | None = UNSET
    regex_patterns: list[str] | UnsetType | None = UNSET
    presets: list[int] | UnsetType | None = UNSET
    allow_list: list[str] | UnsetType | None = UNSET
    mention_total_limit: int | UnsetType | None = UNSET
    mention_raid_protection_enabled: bool | UnsetType | None = UNSET

    def given(self) -> dict[str, Any]:
        """Return what was given."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if value is not UNSET}


class ActionMetadataIn(Struct):
    """An action's `metadata`."""

    channel_id: Snowflake | None = None
    duration_seconds: int | None = None
    custom_message: str | None = None


class ActionIn(Struct):
    """One action of a rule."""

    type: int
    metadata: ActionMetadataIn | None = None

    def value(self) -> dict[str, Any]:
        """Return it as a wire object, with what was given."""
        given: dict[str, Any] = {}
        if self.metadata is not None:
            if self.metadata.channel_id is not None:
                given["channel_id"] = str(int(self.metadata.channel_id))
            if self.metadata.duration_seconds is not None:
                given["duration_seconds"] = self.metadata.duration_seconds
            if self.metadata.custom_message is not None:
                given["custom_message"] = self.metadata.custom_message
        return {"type": self.type, "metadata": given}


class RuleEdit(Struct):
    """Body of PATCH; a missing key leaves a thing as it is."""

    name: str | UnsetType = UNSET
    event_type: int | UnsetType = UNSET
    trigger_metadata: TriggerIn | UnsetType | None = UNSET
    actions: list[ActionIn] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    exempt_roles: list[Snowflake] | UnsetType = UNSET
    exempt_channels: list[Snowflake] | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """Return the changes of an `AutoModRule`."""
        changes: dict[str, Any] = {}
        for name in ("name", "event_type", "enabled"):
            value = getattr(self, name)
            if value is not UNSET:
                changes[name] = value
        if isinstance(self.trigger_metadata, TriggerIn):
            changes["trigger_metadata"] = self.trigger_metadata.given()
        if self.actions is not UNSET:
            changes["actions"] = [each.value() for each in self.actions]
        for name in ("exempt_roles", "exempt_channels"):
            value = getattr(self, name)
            if value is not UNSET:
                changes[name] = tuple(sorted({int(each) for each in value}))
        return changes


class RuleIn(RuleEdit, kw_only=True):
    """Body of POST."""

    name: str
    event_type: int
    trigger_type: int
    actions: list[ActionIn]

    def changes(self) -> dict[str, Any]:
        """Return the fields of an `AutoModRule`."""
        return {**super().changes(), "trigger_type": self.trigger_type}
