"""VoiceService: who is in voice, as the API shows and changes it (protocol.md §8.7). The states are the gateway's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tocsin.errors import BadRequest, MissingPermissions, unknown
from tocsin.model.entities import ChannelType
from tocsin.model.permissions import Permission
from tocsin.model.voice import VoiceState
from tocsin.model.wire.voice import voice_state
from tocsin.service.auth import Principal
from tocsin.service.world import VOICE_TYPES

if TYPE_CHECKING:
    from tocsin.service.context import Context

_VIEW = int(Permission.VIEW_CHANNEL)
_CONNECT = int(Permission.CONNECT)
_MUTE = int(Permission.MUTE_MEMBERS)
_REQUEST_TO_SPEAK = int(Permission.REQUEST_TO_SPEAK)


class VoiceRooms(Protocol):
    """Where the states are kept."""

    async def enter(self, guild_id: int) -> None:
        """Make the guild's states of all nodes known here."""
        ...

    def state(self, guild_id: int, user_id: int) -> VoiceState | None:
        """Return where a member is in voice, or None."""
        ...

    def move(self, guild_id: int, user_id: int, channel_id: int | None) -> bool:
        """Move a member, or take them out; False when they are in no channel or may not view the other."""
        ...

    def speak(self, guild_id: int, user_id: int, channel_id: int, *, suppress: bool, requested_at: int | None) -> bool:
        """Change whether a member speaks on a stage, and since when they ask to; False when they are not in it."""
        ...


class VoiceService:
    """Reads and moves. `rooms` is None while no gateway runs: nobody is in voice then."""

    def __init__(self, context: Context) -> None:
        self._clock = context.clock
        self._world = context.world
        self.rooms: VoiceRooms | None = None

    async def get(self, actor: Principal, guild_id: int, user_id: int) -> dict[str, Any]:
        """Return a member's voice state. Raises 10065 also when the actor may not view the channel."""
        await self._world.guild_access(guild_id, actor.id)
        state = await self._state(guild_id, user_id)
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
        if await self._state(guild_id, user_id) is None:
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

    async def speak(self, actor: Principal, guild_id: int, user_id: int, changes: dict[str, Any]) -> None:
        """Let a member on a stage speak or not (`suppress`), or ask to (`requested_at`, only for oneself).

        Others need MUTE_MEMBERS; oneself needs it to be heard, and REQUEST_TO_SPEAK to ask.

        Raises:
            errors.NotFound: 10065, the member is in no channel that the actor may view.
            errors.BadRequest: 50024, in no stage, or not in `channel_id`.
            errors.MissingPermissions: 50013.
        """
        await self._world.guild_access(guild_id, actor.id)
        state = await self._state(guild_id, user_id)
        channel = None if state is None else await self._world.channel(state.channel_id)
        held = 0 if channel is None else await self._world.permissions_in(channel, actor.id)
        if state is None or channel is None or not held & _VIEW:
            raise unknown("voice state")
        if channel.type != ChannelType.GUILD_STAGE_VOICE or changes.get("channel_id", channel.id) != channel.id:
            raise BadRequest(50024, "Cannot execute action on this channel type")
        own = user_id == actor.id
        suppress, requested_at = (
            changes.get("suppress", state.suppress),
            changes.get("requested_at", state.requested_at),
        )
        needed = 0
        if not own or (state.suppress and not suppress):
            needed |= _MUTE
        if requested_at is not None and requested_at != state.requested_at:
            needed |= _REQUEST_TO_SPEAK
        if needed & ~held:
            raise MissingPermissions
        if suppress and not state.suppress:
            requested_at = None
        elif state.suppress and not suppress and not own:
            # An invitation to speak, which a person's client shows.
            user = await self._world.user(user_id)
            requested_at = None if user is None or user.bot else self._clock()
        if self.rooms is None or not self.rooms.speak(
            guild_id, user_id, channel.id, suppress=suppress, requested_at=requested_at
        ):
            raise unknown("voice state")

    async def _state(self, guild_id: int, user_id: int) -> VoiceState | None:
        if self.rooms is None:
            return None
        await self.rooms.enter(guild_id)
        return self.rooms.state(guild_id, user_id)
