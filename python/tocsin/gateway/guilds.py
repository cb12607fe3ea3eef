"""GuildRegistry: the guilds that sessions of this node are in, each with its replica, cohorts and seats.

A guild is read from the store once, when its first session needs it, and then follows its log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import count

from tocsin.bus.base import Interest
from tocsin.gateway.batch import Batch, Fragment
from tocsin.gateway.cohorts import Cohort, CohortTable, View
from tocsin.gateway.guild_body import GuildBodies
from tocsin.gateway.lookers import Lookers
from tocsin.gateway.member_list import GuildLists
from tocsin.gateway.member_list_rows import Rows
from tocsin.gateway.parts import GuildParts
from tocsin.gateway.session import Session
from tocsin.gateway.voice_states import GuildVoice
from tocsin.model.entities import Member
from tocsin.model.event import Scope, ScopeKind
from tocsin.model.guild_state import GuildState
from tocsin.store.base import Store

LOADS_AT_ONCE = 16
UNLOAD_AFTER_MS = 60_000
"""How long a guild without sessions is kept."""


class Seat:
    """A user's place in a guild: their cohort and their sessions there, the oldest first. Most have one."""

    __slots__ = ("cohort", "sessions")

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self.sessions: list[Session] = []

    def session_keys(self) -> list[int]:
        """Return the sessions' keys."""
        return [session.key for session in self.sessions]


class LiveGuild:
    """A guild with sessions on this node."""

    def __init__(
        self,
        state: GuildState,
        allocate: Callable[[], int],
        fragment: Callable[[bytes], Fragment],
        make_rows: Callable[[list[int]], Rows],
        now_ms: int,
        passive_from: int = 0,
    ) -> None:
        self.id = state.guild.id
        self.state = state
        self.cohorts = CohortTable(state, allocate, lambda: 0 < passive_from <= state.member_count)
        self.voice = GuildVoice(state, self.cohorts)
        self.bodies = GuildBodies(state, fragment, self.voice)
        self.seats: dict[int, Seat] = {}
        self.parts = GuildParts()
        self.lookers = Lookers(self.id, passive_from)
        self.voice.on_change = self.lookers.note_voice
        self.lists = GuildLists(state, self.cohorts, self.bodies, self.view_of, make_rows)
        self.idle_since_ms = now_ms

    def view_of(self, user_id: int) -> View | None:
        """Return what a user with sessions here may view; None without."""
        seat = self.seats.get(user_id)
        return None if seat is None else seat.cohort.view

    def seat(self, session: Session, member: Member, batch: Batch) -> Cohort:
        """Seat a session anew, telling the index what its cohort may view. Its assignment is the caller's."""
        seat = self.seats.get(session.user_id)
        if seat is None:
            seat = self.seats[session.user_id] = Seat(self.cohorts.cohort_for(self.cohorts.key_of(member)))
            seat.cohort.users.add(session.user_id)
            self.cohorts.flush(batch)
        seat.sessions.append(session)
        session.guilds.append(self.id)
        return seat.cohort

    def unseat(self, session: Session, now_ms: int) -> None:
        """Take a session out. The index is the caller's."""
        seat = self.seats.get(session.user_id)
        if seat is None or session not in seat.sessions:
            return
        session.guilds.remove(self.id)
        seat.sessions.remove(session)
        self.lists.forget(session.key)
        self.lookers.forget(session.key)
        if seat.sessions:
            return
        del self.seats[session.user_id]
        seat.cohort.users.discard(session.user_id)
        if not self.seats:
            self.idle_since_ms = now_ms

    def move(self, seat: Seat, cohort: Cohort, user_id: int) -> None:
        """Give a user another cohort. The index is the caller's."""
        seat.cohort.users.discard(user_id)
        cohort.users.add(user_id)
        seat.cohort = cohort

    def sessions_of(self, user_ids: Iterable[int]) -> list[int]:
        """Return the keys of these users' sessions here."""
        return [key for user_id in user_ids if user_id in self.seats for key in self.seats[user_id].session_keys()]


class GuildRegistry:
    """Loads guilds, finds them, and lets go of those nobody is in.

    Args:
        fragment: makes what guilds' bodies share.
        make_rows: makes an empty member list.
        interest: a guild is followed before it is read, so that its log has no hole after the snapshot.
        passive_from: members from which on people who do not look at a guild are passive in it; 0 for never.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        fragment: Callable[[bytes], Fragment],
        make_rows: Callable[[list[int]], Rows],
        interest: Interest,
        passive_from: int = 0,
    ) -> None:
        self._store = store
        self._interest = interest
        self._fragment = fragment
        self._make_rows = make_rows
        self._clock = clock
        self._guilds: dict[int, LiveGuild] = {}
        self._loads = asyncio.Semaphore(LOADS_AT_ONCE)
        self._flights: dict[int, asyncio.Task[LiveGuild | None]] = {}
        self._allocate = count(1).__next__
        self._passive_from = passive_from
        self.on_lists_changed: Callable[[LiveGuild], None] = _ignore
        self.on_unread: Callable[[int], None] = _ignore_unread
        self.on_loaded: Callable[[LiveGuild], Awaitable[None]] = _nothing_more
        self.on_drop: Callable[[LiveGuild], None] = _ignore

    def __len__(self) -> int:
        return len(self._guilds)

    def __iter__(self) -> Iterator[LiveGuild]:
        return iter(list(self._guilds.values()))

    def get(self, guild_id: int) -> LiveGuild | None:
        """Return the guild if it is loaded."""
        return self._guilds.get(guild_id)

    def is_loading(self, guild_id: int) -> bool:
        """Return whether the guild is being read."""
        return guild_id in self._flights

    async def load(self, guild_id: int) -> LiveGuild | None:
        """Return the guild, reading it if it is not loaded; None when there is no such guild. One flight per guild."""
        found = self._guilds.get(guild_id)
        if found is not None:
            found.idle_since_ms = self._clock()
            return found
        flight = self._flights.get(guild_id)
        if flight is None:
            flight = self._flights[guild_id] = asyncio.create_task(self._load(guild_id))
            flight.add_done_callback(_retrieve)
        return await asyncio.shield(flight)

    async def load_all(self, guild_ids: Iterable[int]) -> None:
        """Load guilds, a bounded number at once; those that there are not stay unknown."""

        async def load(guild_id: int) -> None:
            async with self._loads:
                await self.load(guild_id)

        await asyncio.gather(*(load(each) for each in guild_ids))

    def seat_lookers(self, session: Session, batch: Batch) -> None:
        """Note whether a session that begins looks at its guilds. It is in the index by then."""
        for guild_id in session.guilds:
            guild = self._guilds.get(guild_id)
            if guild is not None:
                guild.lookers.seat(session, guild.state.member_count, batch)
                guild.cohorts.flush(batch)

    async def _load(self, guild_id: int) -> LiveGuild | None:
        try:
            await self._interest.follow(Scope(ScopeKind.GUILD, guild_id))
            snapshot = await self._store.guild(guild_id, with_members=True)
            if snapshot is None:
                return None
            guild = LiveGuild(
                GuildState.from_snapshot(snapshot),
                self._allocate,
                self._fragment,
                self._make_rows,
                self._clock(),
                self._passive_from,
            )
            guild.lookers.on_unread = lambda: self.on_unread(guild_id)
            guild.lists.on_change = lambda: self.on_lists_changed(guild)
            await self.on_loaded(guild)
            self._guilds[guild_id] = guild
            return guild
        finally:
            del self._flights[guild_id]

    def drop(self, guild_id: int, batch: Batch) -> None:
        """Forget the guild and take it out of the index, with all its sessions' assignments."""
        guild = self._guilds.pop(guild_id, None)
        if guild is None:
            return
        self.on_drop(guild)
        for seat in guild.seats.values():
            for session in seat.sessions:
                session.guilds.remove(guild_id)
                batch.unassign(session.key, guild_id)
        guild.seats.clear()
        batch.remove_guild(guild_id)

    def sweep(self, orders: Callable[[], Batch]) -> None:
        """Let go of guilds and cohorts that nobody has needed for a while."""
        now = self._clock()
        for guild in self:
            if not guild.seats and now - guild.idle_since_ms >= UNLOAD_AFTER_MS:
                self.drop(guild.id, orders())
            else:
                guild.cohorts.sweep()
                guild.parts.sweep()
                guild.lists.sweep()
                guild.cohorts.flush(orders())


def _ignore(guild: LiveGuild) -> None:
    """Nobody looks at member lists, or there are no other nodes."""


async def _nothing_more(guild: LiveGuild) -> None:
    """The store has all there is of a guild."""


def _ignore_unread(guild_id: int) -> None:
    """Nobody tells passive sessions."""


def _retrieve(flight: asyncio.Task[LiveGuild | None]) -> None:
    """Mark the outcome as seen, so that a flight whose waiters left does not warn."""
    if not flight.cancelled():
        flight.exception()
