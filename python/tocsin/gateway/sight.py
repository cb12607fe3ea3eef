"""Shift: what one state event does to who sees which channel, and the dispatches that tell each session exactly that.

Order on the wire: CHANNEL_DELETE to losers, then the index, then CHANNEL_CREATE to gainers. A session whose user
changes cohort is told the difference between what it saw and what it sees, never a state in between. Threads go with
their parent: who gains it gets THREAD_LIST_SYNC, who loses it needs no word; who loses a thread alone, THREAD_DELETE.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

import msgspec

from tocsin.gateway.batch import Batch
from tocsin.gateway.cohorts import Cohort, View
from tocsin.gateway.guilds import LiveGuild, Seat
from tocsin.model import wire

_encode = msgspec.json.Encoder().encode


class _Audience:
    """Whom a dispatch goes to: whole cohorts, and single sessions."""

    __slots__ = ("cohorts", "sessions")

    def __init__(self) -> None:
        self.cohorts: list[int] = []
        self.sessions: list[int] = []


class Shift:
    """Made before the event is applied to the replica; used after."""

    def __init__(self, guild: LiveGuild) -> None:
        self._guild = guild
        self._before = guild.cohorts.views()
        self._channels = dict(guild.state.channels)
        self._threads = dict(guild.state.threads)
        self._told: Set[int] = frozenset()
        self._moved: dict[int, tuple[Seat, Cohort]] = {}  # user -> seat, former cohort
        self._bodies: dict[int, bytes] = {}

    def use_body(self, channel_id: int, body: bytes) -> None:
        """Show the channel with the event's own body."""
        self._bodies[channel_id] = body

    def tell_apart(self, thread_ids: Iterable[int]) -> None:
        """Leave it to the caller to tell of these threads."""
        self._told = frozenset(thread_ids)

    # -- after the event is applied

    def rekey(self, user_ids: Iterable[int]) -> None:
        """Move those of the users whose inputs changed to the cohort they belong to now."""
        guild = self._guild
        for user_id in user_ids:
            seat, member = guild.seats.get(user_id), guild.state.members.get(user_id)
            if seat is None or member is None:
                continue
            cohort = guild.cohorts.cohort_for(guild.cohorts.key_of(member))
            if cohort is not seat.cohort:
                self._moved.setdefault(user_id, (seat, seat.cohort))
                guild.move(seat, cohort, user_id)

    def recompute(self, cohorts: Iterable[Cohort]) -> None:
        """Compute anew what these cohorts see."""
        self._guild.cohorts.recompute(cohorts)

    def recompute_channel(self, channel_id: int) -> None:
        """Compute anew who sees one channel, and the threads that it has or had."""
        table = self._guild.cohorts
        under = [each.id for each in self._threads.values() if each.parent_id == channel_id]
        named: set[int] = set()
        for thread_id in under:
            named |= table.note_channel(thread_id)
        table.recompute_channels((channel_id, *under))
        self.rekey(named)

    def touched(self) -> list[int]:
        """Return the cohorts that see more or less than before, also those that have nobody here. Nobody moved."""
        before = self._before
        return [each.id for each in self._guild.cohorts.by_id.values() if before.get(each.id, each.view) != each.view]

    def emit(self, batch: Batch) -> None:
        """Tell losers, the index, and gainers."""
        guild = self._guild
        lost: dict[int, _Audience] = {}
        gained: dict[int, _Audience] = {}
        syncs: list[tuple[list[int], View, View]] = []  # users, threads gained, view
        mixed = {each.id for seat, former in self._moved.values() for each in (seat.cohort, former)}
        for cohort in guild.cohorts.by_id.values():
            before = self._before.get(cohort.id, cohort.view)
            if before == cohort.view or not cohort.users:
                continue
            stayed = guild.sessions_of(cohort.users - self._moved.keys()) if cohort.id in mixed else None
            self._note(lost, self._lost(before, cohort.view), cohort.id, stayed)
            self._note(gained, (cohort.view - before) & guild.state.channels.keys(), cohort.id, stayed)
            syncs.append((sorted(cohort.users - self._moved.keys()), cohort.view - before, cohort.view))
        for user_id, (seat, former) in self._moved.items():
            before, view = self._before.get(former.id, former.view), seat.cohort.view
            self._note(lost, self._lost(before, view), 0, seat.session_keys())
            self._note(gained, (view - before) & guild.state.channels.keys(), 0, seat.session_keys())
            syncs.append(([user_id], view - before, view))
        for channel_id in sorted(lost):
            if channel_id in self._threads:
                self._tell(
                    batch, "THREAD_DELETE", _encode(wire.thread_ref(self._threads[channel_id])), lost[channel_id]
                )
                continue
            for body in guild.voice.bodies(channel_id, gone=True):
                self._tell(batch, "VOICE_STATE_UPDATE", body, lost[channel_id])
            self._tell(batch, "CHANNEL_DELETE", self._old_body(channel_id), lost[channel_id])
        guild.cohorts.flush(batch)
        for seat, _ in self._moved.values():
            for key in seat.session_keys():
                batch.assign(key, guild.id, seat.cohort.id)
        if lost or gained or self._moved:
            guild.bodies.sight_changed()
        for channel_id in sorted(gained, key=self._position):
            self._tell(batch, "CHANNEL_CREATE", self._new_body(channel_id), gained[channel_id])
            for body in guild.voice.bodies(channel_id, gone=False):
                self._tell(batch, "VOICE_STATE_UPDATE", body, gained[channel_id])
        for users, came, view in syncs:
            self._sync_threads(batch, users, came, view)

    def _lost(self, before: View, after: View) -> View:
        """Return what is to be told as lost: of threads those whose parent is not lost with them."""
        gone = before - after
        threads = gone & self._threads.keys()
        if not threads:
            return gone
        alone = {each for each in threads if each not in self._told and self._threads[each].parent_id in after}
        return (gone - threads) | alone

    def _sync_threads(self, batch: Batch, user_ids: Sequence[int], came: View, view: View) -> None:
        """Send THREAD_LIST_SYNC of all parents whose threads these users see more of now."""
        state = self._guild.state
        new = (came & state.threads.keys()) - self._told
        if not new or not user_ids:
            return
        parents = {state.threads[each].parent_id for each in new}
        shown = [each for each in state.threads.values() if each.parent_id in parents and each.id in view]
        sessions: dict[tuple[int, ...], list[int]] = {}
        for user_id in user_ids:
            own = tuple(each.id for each in shown if user_id in state.thread_members[each.id])
            # Who is in none of them gets the same as the others who are not.
            sessions.setdefault((user_id, *own) if own else (), []).extend(self._guild.sessions_of((user_id,)))
        for (user_id, *_), keys in ((key or (0,), keys) for key, keys in sessions.items()):
            places = {each.id: state.thread_members[each.id].get(user_id) for each in shown}
            body = {
                "guild_id": str(state.guild.id),
                "channel_ids": [str(each) for each in sorted(each or 0 for each in parents)],
                "threads": [wire.thread(each, places[each.id]) for each in shown],
                "members": [wire.thread_member(place) for place in places.values() if place is not None],
            }
            batch.dispatch("THREAD_LIST_SYNC", _encode(body), sessions=keys, guild=state.guild.id)

    def tell_stayers(self, batch: Batch, channel_id: int, name: str, body: bytes) -> None:
        """Send the event to those who saw the channel before and see it still. Call after `emit`."""
        guild = self._guild
        viewers = guild.cohorts.viewers(channel_id)
        kept = [each for each in viewers if channel_id in self._before.get(each.id, frozenset())]
        if len(kept) == len(viewers) and not self._moved:
            batch.dispatch(name, body, guild=guild.id, channel=channel_id)
            return
        audience = _Audience()
        mixed = {seat.cohort.id for seat, _ in self._moved.values()}
        for cohort in kept:
            if cohort.id in mixed:
                audience.sessions.extend(guild.sessions_of(cohort.users - self._moved.keys()))
            else:
                audience.cohorts.append(cohort.id)
        for seat, former in self._moved.values():
            if channel_id in self._before.get(former.id, frozenset()) and channel_id in seat.cohort.view:
                audience.sessions.extend(seat.session_keys())
        self._tell(batch, name, body, audience)

    def _note(self, found: dict[int, _Audience], channels: View, cohort_id: int, sessions: list[int] | None) -> None:
        for channel_id in channels:
            audience = found.get(channel_id)
            if audience is None:
                audience = found[channel_id] = _Audience()
            if sessions is None:
                audience.cohorts.append(cohort_id)
            else:
                audience.sessions.extend(sessions)

    def _tell(self, batch: Batch, name: str, body: bytes, audience: _Audience) -> None:
        if audience.cohorts:
            batch.dispatch(name, body, cohorts=audience.cohorts, guild=self._guild.id)
        if audience.sessions:
            batch.dispatch(name, body, sessions=audience.sessions, guild=self._guild.id)

    def _old_body(self, channel_id: int) -> bytes:
        # The channel as it was: its changed form is no longer theirs to see.
        if channel_id not in self._guild.state.channels and channel_id in self._bodies:
            return self._bodies[channel_id]
        return _encode(wire.channel(self._channels[channel_id]))

    def _new_body(self, channel_id: int) -> bytes:
        return self._bodies.get(channel_id) or self._guild.bodies.channel(channel_id)

    def _position(self, channel_id: int) -> tuple[bool, int, int]:
        # Categories first: clients look up a channel's parent when it arrives.
        channel = self._guild.state.channels[channel_id]
        return (channel.parent_id is not None, channel.position, channel_id)
