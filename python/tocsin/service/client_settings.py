"""ClientSettings: how a person's clients look and behave, as one JSON object that the clients heed (protocol.md §3.1).

`status`, `custom_status` and `locale` are kept like the rest: presence is what sessions say of themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.service.auth import Principal
from tocsin.service.events import to_user
from tocsin.service.rereading import reread
from tocsin.service.user_settings import asked
from tocsin.store.rows import swap_ops

if TYPE_CHECKING:
    from tocsin.service.context import Context

KIND = 0
"""The type under which they are kept beside those of settings-proto, whose types begin at 1."""

DEFAULTS: dict[str, Any] = {
    "locale": "en-US",
    "theme": "dark",
    "status": "online",
    "custom_status": None,
    "show_current_game": True,
    "inline_attachment_media": True,
    "inline_embed_media": True,
    "gif_auto_play": True,
    "render_embeds": True,
    "render_reactions": True,
    "animate_emoji": True,
    "animate_stickers": 0,
    "enable_tts_command": True,
    "message_display_compact": False,
    "convert_emoticons": True,
    "explicit_content_filter": 1,
    "disable_games_tab": False,
    "developer_mode": False,
    "detect_platform_accounts": False,
    "default_guilds_restricted": False,
    "restricted_guilds": [],
    "guild_positions": [],
    "guild_folders": [],
    "afk_timeout": 600,
    "timezone_offset": 0,
    "stream_notifications_enabled": True,
    "view_nsfw_guilds": True,
    "contact_sync_enabled": False,
    "allow_accessibility_detection": False,
    "native_phone_integration_enabled": True,
    "passwordless": False,
}
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class ClientSettings:
    """Keeps them, and tells the sessions of their owner, and nobody else, what changed."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def get(self, user_id: int) -> dict[str, Any]:
        """Return all settings of a person, with defaults where nothing was set."""
        kept = await self._context.store.find_one(asked(user_id, KIND))
        return settings_of(None if kept is None else kept.settings)

    async def update(self, actor: Principal, changes: dict[str, Any]) -> dict[str, Any]:
        """Change what is named, and return all."""

        async def change() -> dict[str, Any]:
            kept = await self._context.store.find_one(asked(actor.id, KIND))
            before = {} if kept is None else _decode(kept.settings)
            shown = DEFAULTS | before
            news = {name: value for name, value in changes.items() if shown[name] != value}
            if news:
                key = {"user_id": actor.id, "type": KIND}
                was = None if kept is None else {"settings": kept.settings}
                now = {"settings": _encode(before | news).decode()}
                told = to_user(actor.id, "USER_SETTINGS_UPDATE", news)
                await self._context.store.commit(swap_ops("user_settings", key, was, now), [told])
            return shown | news

        async with self._context.locks.hold(("client_settings", actor.id)):
            return await reread(change)


def settings_of(kept: str | None) -> dict[str, Any]:
    """Return all settings, with defaults where nothing was set."""
    return DEFAULTS if kept is None else DEFAULTS | _decode(kept)
