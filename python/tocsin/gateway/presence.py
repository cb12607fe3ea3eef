"""PresenceBook: what others see of the users here, told at most once per user and second (protocol.md §9, ADR 0013).

In memory only. Invisible is offline on every surface: a hidden user has no entry in any guild's `shown`. What changes
again before it is told is told once, as it is by then; the last change is always told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from tocsin.config import Settings
from tocsin.gateway.batch import Batch
from tocsin.gateway.guilds import GuildRegistry, LiveGuild
from tocsin.gateway.parts import Part
from tocsin.gateway.session import Session, Sessions
from tocsin.model.presence import OFFLINE, VISIBLE, Presence, SessionPresence, aggregate, parse

CHANGES_PER_WINDOW = 5
CHANGE_WINDOW_MS = 20_000
"""Op 3 limit (§1.8); what is beyond it is ignored."""

USERS_AT_LEAST, SHARE, USERS_AT_MOST = 16, 16, 500
"""Told in one turn is one in `SHARE` of those who wait, within these; the others have their turn a tick later. So
whoever posts a message does not wait for a storm, and a storm is over in some tenths of a second."""

TICK_S = 0.01
"""From one lot to the next."""

_ORDER_BITS = 12
"""Numbers of one ms."""

_encode = msgspec.json.Encoder().encode


class PresenceBook:
    """Keeps every session's presence and tells the guilds what changed.

    Args:
        call_soon: the loop's; changes of one turn are told together.
        call_later: the loop's, for those who were told of within `presence_coalesce_ms`, and for the rest of a storm.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], int],
        orders: Callable[[], Batch],
        sessions: Sessions,
        guilds: GuildRegistry,
        call_soon: Callable[[Callable[[], None]], object],
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._window_ms = settings.presence_coalesce_ms
        self._idle_after_ms = settings.idle_after_ms
        self._call_later = call_later
        self._soon = self._later = False  # whether `_flush` and `_on_expired` are called soon
        self._told_at: dict[int, int] = {}  # user -> when they were told of last, Unix ms, the oldest first
        self._active: dict[int, int] = {}  # person -> when they did something, Unix ms, the longest ago first
        self._idle: set[int] = set()
        self._limit = settings.presence_guild_limit
        self._clock = clock
        self._orders = orders
        self._sessions = sessions
        self._guilds = guilds
        self._call_soon = call_soon
        self.on_change: Callable[[LiveGuild, int], None] = _alone  # what other nodes are told
        self.on_said: Callable[[Session], None] = _unheard  # what a person's other sessions are told
        self._order = 0
        self._dirty: dict[int, set[int]] = {}
        self._ready: deque[int] = deque()  # of those the users who were not told of lately
        self._put_off = 0  # how many of these, from the first on, had to wait for a tick
        self.told = 0
        self.merged = 0
        self.delayed = 0

    def next_order(self) -> int:
        """Return a number greater than all before, here and as far as is known elsewhere, for when one was set.

        It counts time, so that what is set at another node later is greater too, as far as clocks agree.
        """
        self._order = max(self._order + 1, self._clock() << _ORDER_BITS)
        return self._order

    def observe(self, part: Part) -> None:
        """Note what another node has set: what is set here from now on is later."""
        self._order = max(self._order, *(each.order for each in part.sessions), 0)

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
        self._sessions.changed(session)
        self.on_said(session)
        self.touch(session.user_id, session.guilds)

    def touch(self, user_id: int, guild_ids: Iterable[int]) -> None:
        """Note that a user's presence may have changed in these guilds; told at the end of the turn."""
        if user_id in self._dirty:
            self.merged += 1
            self._dirty[user_id].update(guild_ids)
            return
        self._dirty[user_id] = set(guild_ids)
        if user_id not in self._told_at:
            self._ready.append(user_id)
        if not self._soon:
            self._soon = True
            self._call_soon(self._flush)

    def active(self, user_id: int, *, bot: bool = False) -> None:
        """Note that a person did something: they are idle no more. Bots are never idle by themselves."""
        if bot or not self._idle_after_ms:
            return
        self._active.pop(user_id, None)
        self._active[user_id] = self._clock()
        if user_id in self._idle:
            self._idle.discard(user_id)
            self._touch_all(user_id)

    def sweep(self) -> None:
        """Make people idle who did nothing for `idle_after_ms`, and forget those who left."""
        now = self._clock()
        for user_id, at in list(self._active.items()):
            if now - at < self._idle_after_ms:
                break
            del self._active[user_id]
            if self._sessions.concerns(user_id):
                self._idle.add(user_id)
                self._touch_all(user_id)
        self._idle = {each for each in self._idle if self._sessions.concerns(each)}

    def _touch_all(self, user_id: int) -> None:
        for session in self._sessions.of_user(user_id):
            self.touch(user_id, session.guilds)

    def part_of(self, guild: LiveGuild, user_id: int) -> Part:
        """Return what the user's sessions on this node say in a guild: nothing, unless one of them is seated there.

        Who hides says nothing more than that.
        """
        sessions = self._sessions.of_user(user_id) if user_id in guild.seats else []
        if not sessions:
            return Part(user=user_id)
        said = tuple(
            msgspec.structs.replace(each.presence, activities=())
            if each.presence.status not in VISIBLE
            else each.presence
            for each in sessions
        )
        return Part(user=user_id, bot=sessions[0].bot, idle=user_id in self._idle, sessions=said)

    def of(self, guild: LiveGuild, user_id: int) -> Presence:
        """Return what others see of a user in a guild, by the sessions of all nodes."""
        parts = guild.parts.of(user_id)
        if not parts:
            return self._here(guild, user_id)
        own = self.part_of(guild, user_id)
        if own.sessions:
            parts.append(own)
        if user_id not in guild.state.members:
            return OFFLINE
        return aggregate(
            (each for part in parts for each in part.sessions),
            bot=parts[0].bot,
            idle=all(part.idle for part in parts),
        )

    def _here(self, guild: LiveGuild, user_id: int) -> Presence:
        """As `of`, of a user who has sessions on this node only."""
        sessions = self._sessions.of_user(user_id) if user_id in guild.seats else []
        if not sessions or user_id not in guild.state.members:
            return OFFLINE
        said = [each.presence for each in sessions]
        return aggregate(said, bot=sessions[0].bot, idle=user_id in self._idle)

    def settle(self, guild: LiveGuild) -> None:
        """Show what other nodes said of a guild that nobody here has been shown yet."""
        for user_id in guild.parts:
            presence = self.of(guild, user_id)
            if presence.status != "offline":
                guild.bodies.show(user_id, encode(user_id, presence))

    def _flush(self) -> None:
        self._soon = False
        self._tell_ready()

    def _on_expired(self) -> None:
        self._later = False
        self._tell_ready()

    def _tell_ready(self) -> None:
        now = self._clock()
        self._expire(now)
        many = min(max(len(self._ready) // SHARE, USERS_AT_LEAST), USERS_AT_MOST, len(self._ready))
        self._tell_first(many, now)
        self.delayed += len(self._ready) - max(self._put_off - many, 0)
        self._put_off = len(self._ready)
        if (self._ready or (many and self._window_ms)) and not self._soon:
            # Also where nobody waits: who comes until then goes together.
            self._soon = True
            self._call_later(TICK_S, self._flush)
        if len(self._dirty) > len(self._ready) and not self._soon and not self._later:
            oldest = next(iter(self._told_at.values()))
            self._later = True
            self._call_later(max((oldest + self._window_ms - now) / 1000, TICK_S), self._on_expired)

    def _expire(self, now: int) -> None:
        """Who was told of long enough ago may be told of again."""
        while self._told_at:
            user_id, at = next(iter(self._told_at.items()))
            if 0 <= now - at < self._window_ms:
                break
            del self._told_at[user_id]
            if user_id in self._dirty:
                self._ready.append(user_id)

    def _tell_first(self, many: int, now: int) -> None:
        batch = self._orders()
        for _ in range(many):
            user_id = self._ready.popleft()
            guild_ids = self._dirty.pop(user_id)
            before = self.told
            alone: bytes | None = None  # as the sessions here make it, alike in all guilds
            for guild_id in guild_ids:
                guild = self._guilds.get(guild_id)
                if guild is None:
                    continue
                # A shard's session speaks only for the guilds of its shard.
                visible = None
                if guild.parts.of(user_id):
                    visible = self._visible(guild, user_id)
                elif user_id in guild.seats:
                    alone = visible = alone or self._visible(guild, user_id)
                self._tell(batch, guild, user_id, visible)
                self.on_change(guild, user_id)
            if self._window_ms and self.told != before:
                self._told_at[user_id] = now

    def _visible(self, guild: LiveGuild, user_id: int) -> bytes | None:
        presence = self.of(guild, user_id)
        return None if presence.status == "offline" else encode(user_id, presence)

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
        body = b'{"guild_id":"%d",' % guild.id + body[1:]
        large = guild.state.member_count > self._limit
        batch.dispatch("PRESENCE_UPDATE", body, guild=guild.id, exclude_user=user_id, bots_only=large)
        watchers = guild.lists.watchers(user_id) if large else []
        if watchers:
            # People who asked for this member; who looks at the member list sees it there.
            batch.dispatch("PRESENCE_UPDATE", body, sessions=watchers, guild=guild.id, exclude_user=user_id)


def _unheard(session: Session) -> None:
    """Nobody tells a person of their own sessions."""


def _alone(guild: LiveGuild, user_id: int) -> None:
    """There are no other nodes."""


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
