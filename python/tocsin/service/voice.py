"""VoiceService: who is in voice, as the API shows and changes it (protocol.md §8.7). The states are the gateway's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tocsin.errors import BadRequest, MissingPermissions, unknown
from tocsin.model.permissions import Permission
from tocsin.model.voice import VoiceState
from tocsin.model.wire.voice import voice_state
from tocsin.service.auth import Principal
from tocsin.service.world import VOICE_TYPES

if TYPE_CHECKING:
    from tocsin.service.context import Context

_VIEW = int(Permission.VIEW_CHANNEL)
_CONNECT = int(Permission.CONNECT)


class VoiceRooms(Protocol):
    """Where the states are kept."""

    def state(self, guild_id: int, user_id: int) -> VoiceState | None:
        """Return where a member is in voice, or None."""
        ...

    def move(self, guild_id: int, user_id: int, channel_id: int | None) -> bool:
        """Move a member, or take them out; False when they are in no channel or may not view the other."""
        ...


class VoiceService:
    """Reads and moves. `rooms` is None while no gateway runs: nobody is in voice then."""

    def __init__(self, context: Context) -> None:
        self._world = context.world
        self.rooms: VoiceRooms | None = None

    async def get(self, actor: Principal, guild_id: int, user_id: int) -> dict[str, Any]:
        """Return a member's voice state. Raises 10065 also when the actor may not view the channel."""
        await self._world.guild_access(guild_id, actor.id)
        state = self._state(guild_id, user_id)
        channel = None if state is None else await self._world.channel(state.channel_id)
        if state is None or channel is None or not await self._world.permissions_in(channel, actor.id) & _VIEW:
            raise unknown("voice state")
        return voice_state(state)

    async def check_move(self, actor: Principal, guild_id: int, user_id: int, channel_id: int | None) -> None:
        """Check a move before anything is changed; MOVE_MEMBERS in the guild is the caller's to check.

        Raises:
            errors.BadRequest: 40032, the member is in no voice channel; 50024, the other is none.
            errors.NotFound: 10003.
            errors.MissingPermissions: the actor may not connect to the other channel, or the member not view it.
        """
        if self._state(guild_id, user_id) is None:
            raise BadRequest(40032, "Target user is not connected to voice.")
        if channel_id is None:
            return
        channel = await self._world.channel(channel_id)
        if channel is None or channel.guild_id != guild_id:
            raise unknown("channel")
        held = await self._world.permissions_in(channel, actor.id)
        if channel.type not in VOICE_TYPES:
            raise BadRequest(50024, "Cannot execute action on this channel type")
        if not held & _CONNECT or not await self._world.permissions_in(channel, user_id) & _VIEW:
            raise MissingPermissions

    def move(self, guild_id: int, user_id: int, channel_id: int | None) -> None:
        """Move a member whose move was checked. Raises 40032 if they left voice meanwhile."""
        if self.rooms is None or not self.rooms.move(guild_id, user_id, channel_id):
            raise BadRequest(40032, "Target user is not connected to voice.")

    def _state(self, guild_id: int, user_id: int) -> VoiceState | None:
        return None if self.rooms is None else self.rooms.state(guild_id, user_id)
