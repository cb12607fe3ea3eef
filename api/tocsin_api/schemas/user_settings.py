"""Schemas of notes and settings (protocol.md §3.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.request import Snowflake
from tocsin_api.schemas.fields import Fields


class NoteEdit(Struct):
    """Body of PUT /users/@me/notes/{id}."""

    note: str | None = None


class SettingsEdit(Struct):
    """Body of PATCH /users/@me/settings-proto/{type}."""

    settings: str
    required_data_version: int | None = None


MAX_GUILDS = 200
"""How many guilds or folders a setting may list."""
THEMES = ("dark", "light", "darker", "midnight", "unset")
STATUSES = ("online", "idle", "dnd", "invisible")
_SWITCHES = (
    "show_current_game",
    "inline_attachment_media",
    "inline_embed_media",
    "gif_auto_play",
    "render_embeds",
    "render_reactions",
    "animate_emoji",
    "enable_tts_command",
    "message_display_compact",
    "convert_emoticons",
    "disable_games_tab",
    "developer_mode",
    "detect_platform_accounts",
    "default_guilds_restricted",
    "stream_notifications_enabled",
    "view_nsfw_guilds",
    "contact_sync_enabled",
    "allow_accessibility_detection",
    "native_phone_integration_enabled",
    "passwordless",
)


class CustomStatus(Struct):
    """A text, an emoji, and until when."""

    text: str | None = None
    emoji_id: Snowflake | None = None
    emoji_name: str | None = None
    expires_at: str | None = None


class GuildFolder(Struct):
    """Guilds that a client shows together; without an id, one that stands alone."""

    guild_ids: list[Snowflake]
    id: int | None = None
    name: str | None = None
    color: int | None = None


class ClientSettingsEdit(Struct):
    """Body of PATCH /users/@me/settings; a missing key leaves a thing as it is, and unknown ones are ignored."""

    locale: str | UnsetType = UNSET
    theme: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    custom_status: CustomStatus | UnsetType | None = UNSET
    show_current_game: bool | UnsetType = UNSET
    inline_attachment_media: bool | UnsetType = UNSET
    inline_embed_media: bool | UnsetType = UNSET
    gif_auto_play: bool | UnsetType = UNSET
    render_embeds: bool | UnsetType = UNSET
    render_reactions: bool | UnsetType = UNSET
    animate_emoji: bool | UnsetType = UNSET
    animate_stickers: int | UnsetType = UNSET
    enable_tts_command: bool | UnsetType = UNSET
    message_display_compact: bool | UnsetType = UNSET
    convert_emoticons: bool | UnsetType = UNSET
    explicit_content_filter: int | UnsetType = UNSET
    disable_games_tab: bool | UnsetType = UNSET
    developer_mode: bool | UnsetType = UNSET
    detect_platform_accounts: bool | UnsetType = UNSET
    default_guilds_restricted: bool | UnsetType = UNSET
    restricted_guilds: list[Snowflake] | UnsetType = UNSET
    guild_positions: list[Snowflake] | UnsetType = UNSET
    guild_folders: list[GuildFolder] | UnsetType = UNSET
    afk_timeout: int | UnsetType = UNSET
    timezone_offset: int | UnsetType = UNSET
    stream_notifications_enabled: bool | UnsetType = UNSET
    view_nsfw_guilds: bool | UnsetType = UNSET
    contact_sync_enabled: bool | UnsetType = UNSET
    allow_accessibility_detection: bool | UnsetType = UNSET
    native_phone_integration_enabled: bool | UnsetType = UNSET
    passwordless: bool | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """Return what is named, as it is on the wire. Raises `errors.InvalidForm` (50035)."""
        fields = Fields()
        fields.text("locale", self.locale, 2, 16)
        for name, value, words in (("theme", self.theme, THEMES), ("status", self.status, STATUSES)):
            if value is not UNSET and value not in words:
                fields.form.add((name,), "BASE_TYPE_CHOICES", f"Value must be one of ({', '.join(words)}).")
            fields.plain(name, value)
        for name in _SWITCHES:
            fields.plain(name, getattr(self, name))
        fields.choice("animate_stickers", self.animate_stickers, (0, 1, 2))
        fields.choice("explicit_content_filter", self.explicit_content_filter, (0, 1, 2))
        fields.number("afk_timeout", self.afk_timeout, 60, 600)
        fields.number("timezone_offset", self.timezone_offset, -24 * 60, 24 * 60)
        for name in ("restricted_guilds", "guild_positions"):
            self._list(fields, name, getattr(self, name), lambda each: str(int(each)))
        self._list(fields, "guild_folders", self.guild_folders, lambda each: _folder(fields, each))
        if self.custom_status is not UNSET:
            fields.changes["custom_status"] = (
                None if self.custom_status is None else _status(fields, self.custom_status)
            )
        return fields.done()

    @staticmethod
    def _list(fields: Fields, name: str, values: Any, render: Callable[[Any], Any]) -> None:
        if values is UNSET:
            return
        if len(values) > MAX_GUILDS:
            fields.form.too_long((name,), MAX_GUILDS)
            return
        fields.changes[name] = [render(each) for each in values]


def _folder(fields: Fields, folder: GuildFolder) -> dict[str, Any]:
    fields.form.length(("guild_folders", "name"), folder.name, 0, 32)
    if len(folder.guild_ids) > MAX_GUILDS:
        fields.form.too_long(("guild_folders", "guild_ids"), MAX_GUILDS)
    for name, value in (("id", folder.id), ("color", folder.color)):
        if value is not None and not -(2**63) <= value < 2**63:
            fields.form.add(("guild_folders", name), "NUMBER_TYPE_MAX", "int value is too large.")
    ids = [str(int(each)) for each in folder.guild_ids]
    return {"guild_ids": ids, "id": folder.id, "name": folder.name, "color": folder.color}


def _status(fields: Fields, status: CustomStatus) -> dict[str, Any]:
    fields.form.length(("custom_status", "text"), status.text, 0, 128)
    fields.form.length(("custom_status", "emoji_name"), status.emoji_name, 0, 64)
    fields.form.length(("custom_status", "expires_at"), status.expires_at, 0, 64)
    emoji_id = None if status.emoji_id is None else str(int(status.emoji_id))
    return {
        "text": status.text,
        "emoji_id": emoji_id,
        "emoji_name": status.emoji_name,
        "expires_at": status.expires_at,
    }
