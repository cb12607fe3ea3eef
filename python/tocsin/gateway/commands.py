"""Commands: what a session asks after READY, apart from what Rust answers itself (protocol.md §1.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from tocsin.errors import ApiError
from tocsin.gateway.batch import Batch
from tocsin.gateway.forms import read_channel_info, read_guild_ids, snowflake
from tocsin.gateway.guilds import GuildRegistry
from tocsin.gateway.member_list_commands import Subscriptions
from tocsin.gateway.members import MemberRequests
from tocsin.gateway.presence import PresenceBook
from tocsin.gateway.session import Session, Sessions
from tocsin.gateway.voice import VOICE, Voice
from tocsin.service.services import Services

CLOSE_INVALID_PAYLOAD = 4001
CLOSE_DECODE = 4002
TYPING_AT_ONCE = 4096
"""Typing under way on the node; beyond it typing is dropped."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
log = structlog.get_logger("tocsin.gateway")


class Commands:
    """Answers one command at a time; a payload of the wrong shape closes the connection, resumably."""

    def __init__(
        self,
        services: Services,
        orders: Callable[[], Batch],
        sessions: Sessions,
        guilds: GuildRegistry,
        presences: PresenceBook,
        members: MemberRequests,
        subscriptions: Subscriptions,
        voice: Voice,
    ) -> None:
        self._services = services
        self._orders = orders
        self._sessions = sessions
        self._guilds = guilds
        self._presences = presences
        self._members = members
        self._typing: set[asyncio.Task[None]] = set()
        self._handlers: dict[int, Callable[[Session, Any], None]] = {
            0: self._dispatch,
            3: presences.change,
            4: voice.command,
            8: members.request,
            14: subscriptions.one,
            31: self._soundboard,
            37: subscriptions.many,
            43: self._channel_info,
        }

    async def stop(self) -> None:
        """Give up on typing under way."""
        for task in list(self._typing):
            task.cancel()
        await asyncio.gather(*self._typing, return_exceptions=True)

    def handle(self, key: int, op: int, d: bytes) -> None:
        """Take one command. Never raises."""
        session = self._sessions.get(key)
        if session is None:
            return
        handler = self._handlers.get(op)
        if handler is None:
            self._orders().drop_connection(key, CLOSE_INVALID_PAYLOAD)
            return
        self._presences.active(session.user_id, bot=session.bot)
        try:
            handler(session, _decode(d))
        except msgspec.DecodeError:
            self._orders().drop_connection(key, CLOSE_DECODE)
        except ValueError:
            self._orders().drop_connection(key, CLOSE_INVALID_PAYLOAD)
        except Exception:
            log.exception("command failed", op=op, session=session.id)

    def _dispatch(self, session: Session, d: Any) -> None:
        """Op 0: a client says TYPING_START (§10.3)."""
        if not isinstance(d, dict) or d.get("t") != "TYPING_START" or not isinstance(d.get("d"), dict):
            raise ValueError("only TYPING_START comes from clients")
        channel_id = snowflake(d["d"].get("channel_id"))
        if len(self._typing) >= TYPING_AT_ONCE:
            return
        task = asyncio.create_task(self._type(session, channel_id))
        self._typing.add(task)
        task.add_done_callback(self._typing.discard)

    async def _type(self, session: Session, channel_id: int) -> None:
        try:
            await self._services.typing.start(session.principal, channel_id)
        except ApiError:
            return  # Nobody waits for an answer.
        except Exception:
            log.exception("typing failed", session=session.id)

    def _soundboard(self, session: Session, d: Any) -> None:
        for guild_id in dict.fromkeys(read_guild_ids(d)):
            if guild_id in session.guilds:
                body = _encode({"guild_id": str(guild_id), "soundboard_sounds": []})
                self._orders().dispatch("SOUNDBOARD_SOUNDS", body, sessions=[session.key], guild=guild_id, ungated=True)

    def _channel_info(self, session: Session, d: Any) -> None:
        guild_id, fields = read_channel_info(d)
        guild = self._guilds.get(guild_id)
        seat = None if guild is None else guild.seats.get(session.user_id)
        if guild is None or seat is None or guild_id not in session.guilds:
            return
        channels = [
            {"id": str(channel.id), **dict.fromkeys(fields)}
            for channel in guild.state.channels.values()
            if channel.type in VOICE and channel.id in seat.cohort.view
        ]
        body = _encode({"guild_id": str(guild_id), "channels": channels})
        self._orders().dispatch("CHANNEL_INFO", body, sessions=[session.key], guild=guild_id, ungated=True)
