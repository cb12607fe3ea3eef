"""OwnService: what READY shows a person of their own, asked of the store at once: a storm of identifies asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tocsin.model.entities import ReadState, RoleMention, UserGuildSettings
from tocsin.service import client_settings, dms, guild_settings, read_states, user_settings
from tocsin.service.auth import Principal

if TYPE_CHECKING:
    from tocsin.service.context import Context
    from tocsin.service.dms import DmService
    from tocsin.service.read_states import ReadStateService


class Own(NamedTuple):
    """A person's own state; read states also of channels that they do not see any more."""

    dms: list[dict[str, Any]]
    read_states: list[ReadState]
    notes: dict[str, str]
    settings_proto: str
    settings: dict[str, Any]
    guild_settings: list[UserGuildSettings]
    role_mentions: list[RoleMention]


OF_BOTS = Own([], [], {}, "", {}, [], [])
"""Bots are shown nothing of it."""


class OwnService:
    """Reads it; each part is kept and changed by its own service."""

    def __init__(self, context: Context, direct: DmService, unread: ReadStateService) -> None:
        self._store = context.store
        self._dms = direct
        self._unread = unread

    async def of(self, actor: Principal, role_ids: Sequence[int]) -> Own:
        """Return a person's own state; `role_ids` are those they have, of whatever guilds."""
        closed, states, notes, kept, of_guilds = await self._store.find_each(
            dms.asked_closed({"user_id": actor.id}),
            read_states.asked(actor.id),
            user_settings.asked_notes(actor.id),
            user_settings.asked(actor.id),
            guild_settings.asked(actor.id),
        )
        settings = {each.type: each.settings for each in kept}
        return Own(
            await self._dms.list_of(actor, closed),
            states,
            user_settings.notes_of(notes),
            settings.get(user_settings.PRELOADED, ""),
            client_settings.settings_of(settings.get(client_settings.KIND)),
            of_guilds,
            await self._unread.role_mentions(actor.id, role_ids),
        )
