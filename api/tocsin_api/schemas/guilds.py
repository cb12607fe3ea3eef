"""Schemas of /guilds (protocol.md §8.7)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.request import Snowflake
from tocsin_api.schemas.fields import Fields

AFK_TIMEOUTS = (60, 300, 900, 1800, 3600)


class GuildIn(Struct):
    """Body of POST and PATCH of a guild; a missing key leaves a thing as it is."""

    name: str | UnsetType | None = UNSET
    icon: str | UnsetType | None = UNSET
    splash: str | UnsetType | None = UNSET
    discovery_splash: str | UnsetType | None = UNSET
    banner: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    owner_id: Snowflake | UnsetType | None = UNSET
    verification_level: int | UnsetType | None = UNSET
    default_message_notifications: int | UnsetType | None = UNSET
    explicit_content_filter: int | UnsetType | None = UNSET
    afk_channel_id: Snowflake | UnsetType | None = UNSET
    afk_timeout: int | UnsetType | None = UNSET
    system_channel_id: Snowflake | UnsetType | None = UNSET
    system_channel_flags: int | UnsetType | None = UNSET
    rules_channel_id: Snowflake | UnsetType | None = UNSET
    public_updates_channel_id: Snowflake | UnsetType | None = UNSET
    safety_alerts_channel_id: Snowflake | UnsetType | None = UNSET
    preferred_locale: str | UnsetType | None = UNSET
    premium_progress_bar_enabled: bool | UnsetType | None = UNSET

    def changes(self, *, making: bool = False) -> dict[str, Any]:
        """Return the checked changes of a `Guild`. One that is being made needs a name."""
        fields = Fields()
        name = self.name.strip() if isinstance(self.name, str) else self.name
        fields.text("name", None if making and name is UNSET else name, 2, 100)
        for picture in ("icon", "splash", "discovery_splash", "banner"):
            fields.picture(picture, getattr(self, picture))
        fields.text("description", self.description, 1, 300, null=True)
        fields.plain("owner_id", self.owner_id)
        fields.choice("verification_level", self.verification_level, range(5))
        fields.choice("default_message_notifications", self.default_message_notifications, (0, 1))
        fields.choice("explicit_content_filter", self.explicit_content_filter, range(3))
        fields.choice("afk_timeout", self.afk_timeout, AFK_TIMEOUTS)
        for channel in (
            "afk_channel_id",
            "system_channel_id",
            "rules_channel_id",
            "public_updates_channel_id",
            "safety_alerts_channel_id",
        ):
            fields.plain(channel, getattr(self, channel), null=True)
        fields.number("system_channel_flags", self.system_channel_flags, 0, 2**31 - 1)
        if self.preferred_locale is not None:
            fields.text("preferred_locale", self.preferred_locale, 2, 16)
        fields.plain("premium_progress_bar_enabled", self.premium_progress_bar_enabled)
        return fields.done()
