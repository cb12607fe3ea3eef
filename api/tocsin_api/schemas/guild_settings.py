"""Schemas of /users/@me/guilds/{id}/settings (protocol.md §3.1)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.schemas.fields import Fields


class MuteConfig(Struct):
    """How long a guild is muted: until `end_time`, or until it is unmuted."""

    end_time: str | None = None
    selected_time_window: int | None = None


class GuildSettingsEdit(Struct):
    """Body of PATCH; a missing key leaves a thing as it is."""

    muted: bool | UnsetType = UNSET
    mute_config: MuteConfig | UnsetType | None = UNSET
    message_notifications: int | UnsetType = UNSET
    suppress_everyone: bool | UnsetType = UNSET
    suppress_roles: bool | UnsetType = UNSET
    mobile_push: bool | UnsetType = UNSET
    hide_muted_channels: bool | UnsetType = UNSET
    mute_scheduled_events: bool | UnsetType = UNSET
    notify_highlights: int | UnsetType = UNSET
    flags: int | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """Return what is named. Raises `errors.InvalidForm` (50035)."""
        fields = Fields()
        fields.choice("message_notifications", self.message_notifications, (0, 1, 2, 3))
        fields.choice("notify_highlights", self.notify_highlights, (0, 1, 2))
        fields.number("flags", self.flags, 0, 2**31 - 1)
        for name in ("muted", "suppress_everyone", "suppress_roles", "mobile_push"):
            fields.plain(name, getattr(self, name))
        for name in ("hide_muted_channels", "mute_scheduled_events"):
            fields.plain(name, getattr(self, name))
        if isinstance(self.mute_config, MuteConfig):
            window = self.mute_config.selected_time_window
            fields.form.length(("mute_config", "end_time"), self.mute_config.end_time, 0, 64)
            fields.changes["mute_config"] = {
                "end_time": self.mute_config.end_time,
                "selected_time_window": window,
            }
        elif self.mute_config is None:
            fields.changes["mute_config"] = None
        return fields.done()
