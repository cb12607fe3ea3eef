"""Shift: what one state event does to who sees which channel, and the dispatches that tell each session exactly that.

Order on the wire: CHANNEL_DELETE to losers, then the index, then CHANNEL_CREATE to gainers. A session whose user
changes cohort is told the difference between what it saw and what it sees, never a state in between.
"""

from __future__ import annotations

from collections.abc import Iterable

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
        self._moved: dict[int, tuple[Seat, Cohort]] = {}  # user -> seat, former cohort
        self._bodies: dict[int, bytes] = {}

    def use_body(self, channel_id: int, body: bytes) -> None:
        """Show the channel with the event's own body."""
        self._bodies[channel_id] = body

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
        """Compute anew who sees one channel."""
        self._guild.cohorts.recompute_channel(channel_id)

    def emit(self, batch: Batch) -> None:
        """Tell losers, the index, and gainers."""
        guild = self._guild
        lost: dict[int, _Audience] = {}
        gained: dict[int, _Audience] = {}
        mixed = {each.id for seat, former in self._moved.values() for each in (seat.cohort, former)}
        for cohort in guild.cohorts.by_id.values():
            before = self._before.get(cohort.id, cohort.view)
            if before == cohort.view or not cohort.users:
                continue
            stayed = guild.sessions_of(cohort.users - self._moved.keys()) if cohort.id in mixed else None
            self._note(lost, before - cohort.view, cohort.id, stayed)
            self._note(gained, cohort.view - before, cohort.id, stayed)
        for seat, former in self._moved.values():
            before = self._before.get(former.id, former.view)
            self._note(lost, before - seat.cohort.view, 0, seat.session_keys())
            self._note(gained, seat.cohort.view - before, 0, seat.session_keys())
        for channel_id in sorted(lost):
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
