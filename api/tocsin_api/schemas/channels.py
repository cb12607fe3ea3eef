"""Schemas of /channels/{id} and /guilds/{id}/channels (protocol.md §8.6)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin.model.entities import Overwrite
from tocsin.service.channel_form import GUILD_TYPES, MAX_FORUM_TOPIC, MAX_STAGE_USERS
from tocsin.service.channels import ChannelMove
from tocsin_api.request import Bits, Snowflake
from tocsin_api.schemas.fields import Fields

MAX_SLOWMODE_S = 21_600
MIN_BITRATE, MAX_BITRATE = 8_000, 384_000
MAX_POSITION = 2**31 - 1
ARCHIVE_DURATIONS = (60, 1440, 4320, 10080)


class OverwriteIn(Struct):
    """Body of PUT /channels/{id}/permissions/{target}."""

    type: int
    allow: Bits | None = None
    deny: Bits | None = None

    def value(self, target_id: int) -> Overwrite:
        """Return it as the service takes it. Raises `errors.InvalidForm` for another type than 0 or 1."""
        fields = Fields()
        fields.choice("type", self.type, (0, 1))
        fields.done()
        return Overwrite(id=target_id, type=self.type, allow=int(self.allow or 0), deny=int(self.deny or 0))


class TargetedOverwriteIn(OverwriteIn, kw_only=True):
    """An overwrite within a channel's body."""

    id: Snowflake


class ChannelIn(Struct):
    """Body of POST and PATCH of a guild channel; a missing key leaves a thing as it is."""

    name: str | UnsetType | None = UNSET
    type: int | UnsetType | None = UNSET
    position: int | UnsetType | None = UNSET
    topic: str | UnsetType | None = UNSET
    nsfw: bool | UnsetType | None = UNSET
    rate_limit_per_user: int | UnsetType | None = UNSET
    bitrate: int | UnsetType | None = UNSET
    user_limit: int | UnsetType | None = UNSET
    permission_overwrites: list[TargetedOverwriteIn] | UnsetType | None = UNSET
    parent_id: Snowflake | UnsetType | None = UNSET
    rtc_region: str | UnsetType | None = UNSET
    video_quality_mode: int | UnsetType | None = UNSET
    default_auto_archive_duration: int | UnsetType | None = UNSET
    default_thread_rate_limit_per_user: int | UnsetType | None = UNSET
    # A thread's own; other channels have none of them.
    archived: bool | UnsetType | None = UNSET
    auto_archive_duration: int | UnsetType | None = UNSET
    locked: bool | UnsetType | None = UNSET
    invitable: bool | UnsetType | None = UNSET
    # A group DM's own.
    icon: str | UnsetType | None = UNSET
    owner: Snowflake | UnsetType | None = UNSET

    def group_changes(self) -> dict[str, Any]:
        """Return the checked changes of a group DM."""
        fields = Fields()
        fields.text("name", self.name, 1, 100, null=True)
        fields.plain("icon", self.icon, null=True)
        fields.plain("owner", self.owner)
        changes = fields.done()
        return changes | {"owner_id": changes.pop("owner")} if "owner" in changes else changes

    def changes(self, *, making: bool = False) -> dict[str, Any]:
        """Return the checked changes of a `Channel`. One that is being made needs a name."""
        fields = Fields()
        fields.text("name", None if making and self.name is UNSET else self.name, 1, 100)
        fields.choice("type", self.type, GUILD_TYPES)
        fields.number("position", self.position, 0, MAX_POSITION)
        fields.text("topic", self.topic, 0, MAX_FORUM_TOPIC, null=True)
        fields.plain("nsfw", self.nsfw)
        fields.number("rate_limit_per_user", self.rate_limit_per_user, 0, MAX_SLOWMODE_S)
        fields.number("bitrate", self.bitrate, MIN_BITRATE, MAX_BITRATE)
        fields.number("user_limit", self.user_limit, 0, MAX_STAGE_USERS)
        fields.plain("parent_id", self.parent_id, null=True)
        fields.text("rtc_region", self.rtc_region, 1, 64, null=True)
        fields.choice("video_quality_mode", self.video_quality_mode, (1, 2))
        fields.choice("default_auto_archive_duration", self.default_auto_archive_duration, ARCHIVE_DURATIONS)
        slowmode = self.default_thread_rate_limit_per_user
        fields.number("default_thread_rate_limit_per_user", slowmode, 0, MAX_SLOWMODE_S)
        if not making:
            fields.plain("archived", self.archived)
            fields.choice("auto_archive_duration", self.auto_archive_duration, ARCHIVE_DURATIONS)
            fields.plain("locked", self.locked)
            fields.plain("invitable", self.invitable)
        if isinstance(self.permission_overwrites, list):
            fields.changes["overwrites"] = [each.value(int(each.id)) for each in self.permission_overwrites]
        return fields.done()


class ChannelPosition(Struct):
    """One channel of PATCH /guilds/{id}/channels."""

    id: Snowflake
    position: int | None = None
    lock_permissions: bool | None = None
    parent_id: Snowflake | UnsetType | None = UNSET

    def move(self) -> ChannelMove:
        """Return it as the service takes it."""
        fields = Fields()
        fields.number("position", self.position, 0, MAX_POSITION)
        fields.done()
        parent_id = self.parent_id
        return ChannelMove(
            id=int(self.id),
            position=self.position,
            parent_id=0 if parent_id is UNSET else None if parent_id is None else int(parent_id),
            lock_permissions=bool(self.lock_permissions),
        )
