"""GuildSettingsService: how a person wants to be told of a guild, which their clients heed (protocol.md §3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.model.entities import UserGuildSettings
from tocsin.service.auth import Principal
from tocsin.service.events import to_user
from tocsin.service.rereading import reread
from tocsin.store.base import Select
from tocsin.store.rows import swap_ops

if TYPE_CHECKING:
    from tocsin.service.context import Context

_DEFAULTS: dict[str, Any] = {
    "muted": False,
    "mute_config": None,
    "message_notifications": 3,
    "suppress_everyone": False,
    "suppress_roles": False,
    "mobile_push": True,
    "hide_muted_channels": False,
    "mute_scheduled_events": False,
    "notify_highlights": 0,
    "flags": 0,
}


class GuildSettingsService:
    """Keeps the settings, and tells the sessions of their owner, and nobody else, when they change."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def get(self, actor: Principal, guild_id: int) -> dict[str, Any]:
        """Return the settings of a guild that the actor is in. Raises 10004 or 50001."""
        await self._context.world.guild_access(guild_id, actor.id)
        return body_of(await self._of(actor.id, guild_id))

    async def update(self, actor: Principal, guild_id: int, changes: dict[str, Any]) -> dict[str, Any]:
        """Change what is named, and return the settings. Raises 10004 or 50001."""
        await self._context.world.guild_access(guild_id, actor.id)

        async def change() -> dict[str, Any]:
            before = await self._of(actor.id, guild_id)
            changed = msgspec.structs.replace(before, settings=before.settings | changes, version=before.version + 1)
            body = body_of(changed)
            told = to_user(actor.id, "USER_GUILD_SETTINGS_UPDATE", body)
            key = {"user_id": actor.id, "guild_id": guild_id}
            was = {"version": before.version} if before.version else None
            row = {"settings": changed.settings, "version": changed.version}
            await self._context.store.commit(swap_ops("user_guild_settings", key, was, row), [told])
            return body

        async with self._context.locks.hold(("guild_settings", actor.id)):
            return await reread(change)

    async def _of(self, user_id: int, guild_id: int) -> UserGuildSettings:
        where = {"user_id": user_id, "guild_id": guild_id}
        one = Select(entity=UserGuildSettings, table="user_guild_settings", where=where)
        return await self._context.store.find_one(one) or UserGuildSettings(user_id=user_id, guild_id=guild_id)


def asked(user_id: int) -> Select[UserGuildSettings]:
    """Ask for what a person set, also of guilds that they left."""
    return Select(entity=UserGuildSettings, table="user_guild_settings", where={"user_id": user_id})


def body_of(kept: UserGuildSettings) -> dict[str, Any]:
    """Render settings; those of channels are not kept."""
    own = {"guild_id": str(kept.guild_id), "channel_overrides": [], "version": kept.version}
    return _DEFAULTS | kept.settings | own
