"""Subscriptions: op 14 and 37, what a person's client looks at in a guild (protocol.md §1.11). Bots see all anyway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tocsin.gateway.batch import Batch
from tocsin.gateway.forms import snowflake
from tocsin.gateway.guilds import GuildRegistry, LiveGuild
from tocsin.gateway.lookers import activate
from tocsin.gateway.member_list_rows import Ranges, merged
from tocsin.gateway.session import Session

MAX_CHANNELS = 5
MAX_RANGES = 5
"""Clients keep five channels of a guild, and in each the first window and those in sight."""

WINDOW = 100
MAX_ROWS_IN_SMALL_GUILD = 1000
"""In guilds with at most so many members a window may be wider than `WINDOW`; wider ones go unanswered elsewhere."""

MAX_WATCHED = 100
FLUSH_S = 0.05
"""What happens to a list within this time is told together."""

COUNTS_S = 0.5
"""So long that may wait of which only counts are seen: it happened below all windows."""

LAST_ROW = 1 << 31


class Subscriptions:
    """Gives sessions the windows they ask for, and keeps all lists told.

    Args:
        call_later: the loop's.
    """

    def __init__(
        self,
        orders: Callable[[], Batch],
        guilds: GuildRegistry,
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
    ) -> None:
        self._orders = orders
        self._guilds = guilds
        self._call_later = call_later
        self._changed: set[int] = set()
        self._counted: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._counts_timer: asyncio.TimerHandle | None = None
        guilds.on_lists_changed = self.note

    async def stop(self) -> None:
        """Tell nobody any more."""
        for timer in (self._timer, self._counts_timer):
            if timer is not None:
                timer.cancel()

    def one(self, session: Session, d: Any) -> None:
        """Take an op 14.

        Raises:
            ValueError: a field is missing or of a wrong type.
        """
        if not isinstance(d, dict):
            raise ValueError("an object is expected")
        self._subscribe(session, snowflake(d.get("guild_id")), d)

    def many(self, session: Session, d: Any) -> None:
        """Take an op 37. Raises ValueError as `one`."""
        subscriptions = d.get("subscriptions") if isinstance(d, dict) else None
        if not isinstance(subscriptions, dict):
            raise ValueError("an object with subscriptions is expected")
        for guild_id, wanted in subscriptions.items():
            if not isinstance(wanted, dict):
                raise ValueError("an object is expected")
            self._subscribe(session, snowflake(guild_id), wanted)

    def note(self, guild: LiveGuild) -> None:
        """Tell the guild's lists soon, if they have something to tell."""
        if guild.lists.moved:
            self._changed.add(guild.id)
            if self._timer is None:
                self._timer = self._call_later(FLUSH_S, self._tell_moved)
        elif guild.lists.changed:
            self._counted.add(guild.id)
            if self._counts_timer is None:
                self._counts_timer = self._call_later(COUNTS_S, self._tell_counts)

    def _tell_moved(self) -> None:
        self._timer = None
        self._tell(self._changed)

    def _tell_counts(self) -> None:
        self._counts_timer = None
        self._tell(self._counted)

    def _tell(self, guild_ids: set[int]) -> None:
        told = sorted(guild_ids)
        guild_ids.clear()
        for guild_id in told:
            guild = self._guilds.get(guild_id)
            if guild is not None:
                guild.lists.flush(self._orders())

    def _subscribe(self, session: Session, guild_id: int, wanted: dict[str, Any]) -> None:
        channels, members = _channels(wanted.get("channels")), _members(wanted.get("members"))
        guild = self._guilds.get(guild_id)
        if guild is None or guild_id not in session.guilds or session.bot:
            return
        if guild.lookers.subscribe(session, wanted, self._orders()):
            activate(guild, session, self._orders())
        if members is not None:
            guild.lists.watch(session.key, members)
            self._show(session, guild, members)
        if channels is not None:
            small = guild.state.member_count <= MAX_ROWS_IN_SMALL_GUILD
            answered = {channel_id: _answered(ranges, small=small) for channel_id, ranges in channels.items()}
            guild.lists.subscribe(session.key, session.user_id, answered, self._orders())

    def _show(self, session: Session, guild: LiveGuild, members: list[int]) -> None:
        for user_id in members:
            shown = guild.bodies.shown.get(user_id)
            if shown is not None and user_id != session.user_id:
                body = b'{"guild_id":"%d",%b' % (guild.id, shown[1:])
                self._orders().dispatch("PRESENCE_UPDATE", body, sessions=[session.key], guild=guild.id)


def _channels(raw: object) -> dict[int, list[tuple[int, int]]] | None:
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise ValueError("channels are an object")
    return {snowflake(channel_id): _ranges(ranges) for channel_id, ranges in list(raw.items())[:MAX_CHANNELS]}


def _ranges(raw: object) -> list[tuple[int, int]]:
    if not isinstance(raw, list):
        raise ValueError("windows are an array")
    found = []
    for each in raw[:MAX_RANGES]:
        if not isinstance(each, list) or len(each) != 2 or not all(type(row) is int for row in each):
            raise ValueError("a window is two rows")
        first, last = each
        if not 0 <= first <= last < LAST_ROW:
            raise ValueError("no such rows")
        found.append((first, last))
    return found


def _members(raw: object) -> list[int] | None:
    if raw is None:
        return None
    if not isinstance(raw, list):
        raise ValueError("members are an array")
    return list(dict.fromkeys(snowflake(each) for each in raw[:MAX_WATCHED]))


def _answered(ranges: list[tuple[int, int]], *, small: bool) -> Ranges:
    if small:
        # Row 2 * MAX_ROWS_IN_SMALL_GUILD is beyond the end: every member may be a group of their own.
        end = 2 * MAX_ROWS_IN_SMALL_GUILD
        return merged([(first, min(last, end)) for first, last in ranges if first <= end])
    return merged([(first, last) for first, last in ranges if last - first < WINDOW])
