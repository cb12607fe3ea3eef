"""GuildVoice: who is in which voice channel of one guild, and who is told (protocol.md §1.10).

A state is shown to those who may view its channel and to nobody else; who sees the former channel and not the new one
is told that the member is in none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from tocsin.gateway.batch import Batch
from tocsin.gateway.cohorts import CohortTable, View
from tocsin.model import permissions, wire
from tocsin.model.guild_state import GuildState
from tocsin.model.voice import VoiceState
from tocsin.model.wire.voice import voice_state

_encode = msgspec.json.Encoder().encode
NAME = "VOICE_STATE_UPDATE"


class Mark(NamedTuple):
    """When a state was decided, as presences are ordered, and the node of its session. The greater one holds."""

    at: int
    node: str


class GuildVoice:
    """Over one replica. `marks` are those of states, also of states that ended, where there are other nodes."""

    def __init__(self, state: GuildState, cohorts: CohortTable) -> None:
        self._state = state
        self._cohorts = cohorts
        self._states: dict[int, VoiceState] = {}
        self.node = ""  # this one's name, where there are others
        self.marks: dict[int, Mark] = {}
        self.on_decided: Callable[[int], None] = _nobody_asks  # with the member whose state was decided here
        self.version = 0
        self.on_change: Callable[[set[int]], None] = _ignore  # with the channels that it shows in

    def __len__(self) -> int:
        return len(self._states)

    def get(self, user_id: int) -> VoiceState | None:
        """Return where a member is, or None."""
        return self._states.get(user_id)

    def of_channel(self, channel_id: int) -> list[VoiceState]:
        """Return who is in a channel."""
        return [each for each in self._states.values() if each.channel_id == channel_id]

    def users(self, view: View) -> list[int]:
        """Return who is in a channel of this view."""
        return [each.user_id for each in self._states.values() if each.channel_id in view]

    def listed(self, view: View) -> bytes:
        """Return the states in channels of this view as GUILD_CREATE has them."""
        return _encode([voice_state(each, guild=False) for each in self._states.values() if each.channel_id in view])

    def put(self, state: VoiceState, batch: Batch, *, heard: bool = False) -> None:
        """Change where a member is, or how; tell who may know. What changes nothing is told to nobody.

        Args:
            heard: it was decided at another node, or is at each by itself.
        """
        former = self._states.get(state.user_id)
        if state == former:
            return
        self._states[state.user_id] = state
        self._changed(former, state)
        self._tell(former, state, batch)
        if not heard:
            self.on_decided(state.user_id)

    def remove(self, user_id: int, batch: Batch, *, heard: bool = False) -> None:
        """Take a member out of voice, if they are there. `heard` as of `put`."""
        former = self._states.pop(user_id, None)
        if former is None:
            return
        self._changed(former)
        self._tell(former, None, batch)
        if not heard:
            self.on_decided(user_id)

    def _changed(self, *states: VoiceState | None) -> None:
        self.version += 1
        self.on_change({each.channel_id for each in states if each is not None})

    def settle(self, batch: Batch, now_ms: int) -> None:
        """Follow the replica: members gone, silenced or out of sight of their channel leave; mutes are taken over."""
        for state in list(self._states.values()):
            member = self._state.members.get(state.user_id)
            channel = self._state.channels.get(state.channel_id)
            if (
                member is None
                or channel is None
                or permissions.silenced(member, now_ms)
                or not self._state.can_view(member, channel)
            ):
                self.remove(state.user_id, batch, heard=self._is_elsewhere(state.user_id))
            elif (member.deaf, member.mute) != (state.deaf, state.mute):
                settled = msgspec.structs.replace(state, deaf=member.deaf, mute=member.mute)
                self.put(settled, batch, heard=self._is_elsewhere(state.user_id))

    def _is_elsewhere(self, user_id: int) -> bool:
        """Return whether a state is of a session at another node, which settles it by the same log."""
        mark = self.marks.get(user_id)
        return mark is not None and mark.node != self.node

    def bodies(self, channel_id: int, *, gone: bool) -> Iterable[bytes]:
        """Return what to tell of a channel's states to those who come to see it, or see it no more."""
        return [self._body(each, gone=gone) for each in self.of_channel(channel_id)]

    def _tell(self, former: VoiceState | None, state: VoiceState | None, batch: Batch) -> None:
        told: set[int] = set()
        if state is not None:
            told = {each.id for each in self._cohorts.viewers(state.channel_id)}
            self._dispatch(self._body(state), told, batch)
        if former is not None:
            left = {each.id for each in self._cohorts.viewers(former.channel_id)} - told
            self._dispatch(self._body(former, gone=True), left, batch)

    def _dispatch(self, body: bytes, cohorts: set[int], batch: Batch) -> None:
        if cohorts:
            batch.dispatch(NAME, body, cohorts=sorted(cohorts), guild=self._state.guild.id)

    def _body(self, state: VoiceState, *, gone: bool = False) -> bytes:
        body = voice_state(state, gone=gone)
        member, user = self._state.members.get(state.user_id), self._state.users.get(state.user_id)
        if member is not None and user is not None:
            body["member"] = wire.member(member, user)
        return _encode(body)


def _nobody_asks(user_id: int) -> None:
    """There are no other nodes."""


def _ignore(channel_ids: set[int]) -> None:
    """Nobody asks."""
