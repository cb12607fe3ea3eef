"""Voice: op 4, moves and the ends of voice states, and VOICE_SERVER_UPDATE. No media (protocol.md §1.10)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from tocsin.config import Settings
from tocsin.gateway.batch import Batch
from tocsin.gateway.forms import snowflake
from tocsin.gateway.guilds import GuildRegistry, LiveGuild
from tocsin.gateway.session import Session
from tocsin.model.entities import Channel, ChannelType
from tocsin.model.permissions import Permission
from tocsin.model.voice import VoiceState

VOICE = frozenset({ChannelType.GUILD_VOICE, ChannelType.GUILD_STAGE_VOICE})
_CONNECT = int(Permission.CONNECT)
_MOVE = int(Permission.MOVE_MEMBERS)
_MUTE = int(Permission.MUTE_MEMBERS)
_FLAGS = ("self_mute", "self_deaf", "self_video", "self_stream")

_encode = msgspec.json.Encoder().encode


class Voice:
    """Decides over op 4 by the replicas, and moves members for the API.

    Args:
        shared: there are other nodes, whose sessions are in voice in guilds that this one has not read.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], int],
        orders: Callable[[], Batch],
        guilds: GuildRegistry,
        *,
        shared: bool = False,
    ) -> None:
        self._shared = shared
        self._endpoint = settings.voice_endpoint
        self._clock = clock
        self._orders = orders
        self._guilds = guilds

    def command(self, session: Session, d: Any) -> None:
        """Take an op 4. A join that is refused is met with silence; so is one of a DM, which has no calls here.

        Raises:
            ValueError: a field is of a wrong type.
        """
        if not isinstance(d, dict):
            raise ValueError("an object is expected")
        guild_id = None if d.get("guild_id") is None else snowflake(d["guild_id"])
        channel_id = None if d.get("channel_id") is None else snowflake(d["channel_id"])
        flags = {name: d.get(name) is True for name in _FLAGS}
        if any(not isinstance(d.get(name, False), bool | None) for name in _FLAGS):
            raise ValueError("flags are true or false")
        guild = None if guild_id is None else self._guilds.get(guild_id)
        if guild is None or guild.id not in session.guilds:
            return
        if channel_id is None:
            guild.voice.remove(session.user_id, self._orders())
        else:
            self._join(guild, session, channel_id, flags)

    def ended(self, session: Session, guild: LiveGuild) -> None:
        """Take the user out of voice if it was this session that was in it."""
        state = guild.voice.get(session.user_id)
        if state is not None and state.session_id == session.id:
            guild.voice.remove(session.user_id, self._orders())

    # -- for the API (`service.voice.VoiceRooms`)

    async def enter(self, guild_id: int) -> None:
        """Read a guild, so that what follows is of the sessions of all nodes."""
        if self._shared:
            await self._guilds.load(guild_id)

    def state(self, guild_id: int, user_id: int) -> VoiceState | None:
        """Return where a member is in voice, or None."""
        guild = self._guilds.get(guild_id)
        return None if guild is None else guild.voice.get(user_id)

    def move(self, guild_id: int, user_id: int, channel_id: int | None) -> bool:
        """Move a member to another channel, or out; False when they are in none or may not view the other."""
        guild = self._guilds.get(guild_id)
        state = None if guild is None else guild.voice.get(user_id)
        if guild is None or state is None:
            return False
        if channel_id is None:
            guild.voice.remove(user_id, self._orders())
            return True
        channel, seat = guild.state.channels.get(channel_id), guild.seats.get(user_id)
        member = guild.state.members.get(user_id)
        if channel is None or channel.type not in VOICE or member is None or not guild.state.can_view(member, channel):
            return False
        if channel_id != state.channel_id:
            suppress = self._suppressed(guild, user_id, channel)
            guild.voice.put(
                msgspec.structs.replace(state, channel_id=channel_id, suppress=suppress, requested_at=None),
                self._orders(),
            )
            for session in [] if seat is None else seat.sessions:
                if session.id == state.session_id:
                    self.send_server(guild, session)
        return True

    def speak(self, guild_id: int, user_id: int, channel_id: int, *, suppress: bool, requested_at: int | None) -> bool:
        """Change whether a member speaks on a stage, and since when they ask to; False when they are not in it."""
        guild = self._guilds.get(guild_id)
        state = None if guild is None else guild.voice.get(user_id)
        if guild is None or state is None or state.channel_id != channel_id:
            return False
        changed = msgspec.structs.replace(state, suppress=suppress, requested_at=requested_at)
        guild.voice.put(changed, self._orders())
        return True

    # -- rules

    def _join(self, guild: LiveGuild, session: Session, channel_id: int, flags: dict[str, bool]) -> None:
        channel, member = guild.state.channels.get(channel_id), guild.state.members.get(session.user_id)
        former = guild.voice.get(session.user_id)
        if channel is None or member is None or channel.type not in VOICE:
            return
        stays = former is not None and former.channel_id == channel_id
        if not stays:
            held = guild.state.permissions(member, channel, self._clock())
            if not held & _CONNECT:
                return
            full = 0 < channel.user_limit <= len(guild.voice.of_channel(channel_id))
            if full and not held & _MOVE:
                return
        suppress = former.suppress if stays and former else self._suppressed(guild, session.user_id, channel)
        state = VoiceState(
            guild_id=guild.id,
            user_id=session.user_id,
            channel_id=channel_id,
            session_id=session.id,
            deaf=member.deaf,
            mute=member.mute,
            suppress=suppress,
            requested_at=former.requested_at if stays and former else None,
            **flags,
        )
        guild.voice.put(state, self._orders())
        if not stays or former is None or former.session_id != session.id:
            self.send_server(guild, session)

    def _suppressed(self, guild: LiveGuild, user_id: int, channel: Channel) -> bool:
        """Return whether one joins among a stage's audience."""
        if channel.type != ChannelType.GUILD_STAGE_VOICE:
            return False
        return not guild.state.permissions(guild.state.members[user_id], channel, self._clock()) & _MUTE

    def send_server(self, guild: LiveGuild, session: Session) -> None:
        """Name the voice server to a session that came into a channel, where there is one."""
        if not self._endpoint:
            return
        body = {"token": secrets.token_hex(16), "guild_id": str(guild.id), "endpoint": self._endpoint}
        self._orders().dispatch(
            "VOICE_SERVER_UPDATE", _encode(body), sessions=[session.key], guild=guild.id, ungated=True
        )
