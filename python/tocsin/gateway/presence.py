"""PresenceBook: what others see of the users connected here, told once per user and loop turn (protocol.md §9).

In memory only. Invisible is offline on every surface: a hidden user has no entry in any guild's `shown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from tocsin.config import Settings
from tocsin.gateway.batch import Batch
from tocsin.gateway.guilds import GuildRegistry, LiveGuild
from tocsin.gateway.session import Session, Sessions
from tocsin.model.presence import OFFLINE, Presence, SessionPresence, aggregate, parse

CHANGES_PER_WINDOW = 5
CHANGE_WINDOW_MS = 20_000
"""Op 3 limit (§1.8); what is beyond it is ignored."""

_encode = msgspec.json.Encoder().encode


class PresenceBook:
    """Keeps every session's presence and tells the guilds what changed.

    Args:
        call_soon: the loop's; changes of one turn are told together.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], int],
        orders: Callable[[], Batch],
        sessions: Sessions,
        guilds: GuildRegistry,
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._limit = settings.presence_guild_limit
        self._clock = clock
        self._orders = orders
        self._sessions = sessions
        self._guilds = guilds
        self._call_soon = call_soon
        self._order = 0
        self._dirty: dict[int, set[int]] = {}
        self.told = 0

    def next_order(self) -> int:
        """Return a number greater than all before: presences are compared by when they were set."""
        self._order += 1
        return self._order

    def change(self, session: Session, d: object) -> None:
        """Take an op 3; the sixth within 20 s is ignored.

        Raises:
            ValueError: it is no presence.
        """
        now = self._clock()
        platform = session.presence.platform
        presence = parse(d, bot=session.bot, platform=platform, order=self.next_order(), now_ms=now)
        changes = [each for each in session.presence_changes if 0 <= now - each < CHANGE_WINDOW_MS]
        if len(changes) >= CHANGES_PER_WINDOW:
            return
        session.presence_changes = [*changes, now]
        session.presence = presence
        self.touch(session.user_id, session.guilds)

    def touch(self, user_id: int, guild_ids: Iterable[int]) -> None:
        """Note that a user's presence may have changed in these guilds; told at the end of the turn."""
        if not self._dirty:
            self._call_soon(self._flush)
        self._dirty.setdefault(user_id, set()).update(guild_ids)

    def of(self, user_id: int) -> Presence:
        """Return what others see of a user."""
        sessions = self._sessions.of_user(user_id)
        if not sessions:
            return OFFLINE
        return aggregate((each.presence for each in sessions), bot=sessions[0].bot)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, {}
        batch = self._orders()
        for user_id, guild_ids in dirty.items():
            presence = self.of(user_id)
            visible = None if presence.status == "offline" else encode(user_id, presence)
            for guild_id in guild_ids:
                guild = self._guilds.get(guild_id)
                if guild is not None:
                    # A shard's session speaks only for the guilds of its shard.
                    self._tell(batch, guild, user_id, visible if user_id in guild.seats else None)

    def _tell(self, batch: Batch, guild: LiveGuild, user_id: int, visible: bytes | None) -> None:
        shown = guild.bodies.shown.get(user_id)
        if visible == shown:
            return
        guild.bodies.show(user_id, visible)
        guild.lists.member_changed(user_id)
        if user_id not in guild.state.members:
            return
        self.told += 1
        body = encode(user_id, OFFLINE) if visible is None else visible
        batch.dispatch(
            "PRESENCE_UPDATE",
            b'{"guild_id":"%d",' % guild.id + body[1:],
            guild=guild.id,
            exclude_user=user_id,
            bots_only=guild.state.member_count > self._limit,
        )


def encode(user_id: int, presence: Presence) -> bytes:
    """Return the presence object as GUILD_CREATE and chunks show it, without its guild."""
    return _encode(
        {
            "user": {"id": str(user_id)},
            "status": presence.status,
            "activities": presence.activities,
            "client_status": presence.client_status,
        }
    )


def initial(d: object, *, bot: bool, platform: str, order: int, now_ms: int) -> SessionPresence:
    """Return the presence a session begins with: identify's, or plain online.

    Raises:
        ValueError: it is no presence.
    """
    if d is None:
        return SessionPresence(platform=platform, order=order)
    return parse(d, bot=bot, platform=platform, order=order, now_ms=now_ms)
