"""GuildBodies: the JSON of one guild's GUILD_CREATE, its shared parts encoded once and kept until they change.

Only the head (own membership, members and presences to show) is made per session (protocol.md §2, §3.2).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tocsin.gateway.cohorts import Cohort
from tocsin.gateway.session import Session
from tocsin.model import wire
from tocsin.model.entities import Member
from tocsin.model.guild_state import GuildState
from tocsin.model.intents import Intents

MAX_LISTED_MEMBERS = 75_000
"""Beyond this many members a guild shows nobody but oneself (§2)."""

_encode = msgspec.json.Encoder().encode
_EXTRAS = _encode(
    {
        "voice_states": [],
        "threads": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "embedded_activities": [],
        "unavailable": False,
        "version": 1,
        "lazy": True,
    }
)[1:-1]


class GuildBodies:
    """Renders one replica. `shown` holds the encoded presence of every member who is not offline, by user."""

    def __init__(self, state: GuildState) -> None:
        self._state = state
        self._guild: bytes | None = None
        self._channels: dict[int, bytes] = {}
        self._channel_lists: dict[int, bytes] = {}
        self._members: bytes | None = None
        self._presences: bytes | None = None
        self._last_messages: dict[int, int] = {}
        self.shown: dict[int, bytes] = {}

    # -- what changed

    def guild_changed(self) -> None:
        """The guild or a role changed."""
        self._guild = None

    def channel_changed(self, channel_id: int) -> None:
        """A channel was made, changed or deleted."""
        self._channels.pop(channel_id, None)
        self._channel_lists.clear()
        if channel_id not in self._state.channels:
            self._last_messages.pop(channel_id, None)

    def sight_changed(self) -> None:
        """Some cohort sees other channels than before."""
        self._channel_lists.clear()

    def members_changed(self) -> None:
        """A member came, left or changed."""
        self._members = None

    def show(self, user_id: int, presence: bytes | None) -> None:
        """Keep what others see of a member; None when that is nothing."""
        if presence is None:
            self.shown.pop(user_id, None)
        else:
            self.shown[user_id] = presence
        self._presences = None

    def note_message(self, channel_id: int, message_id: int) -> None:
        """A message was sent: `last_message_id` moves on."""
        if channel_id in self._state.channels:
            self._last_messages[channel_id] = message_id
            self._channels.pop(channel_id, None)
            self._channel_lists.clear()

    # -- bodies

    def channel(self, channel_id: int) -> bytes:
        """Return the channel as CHANNEL_CREATE shows it."""
        found = self._channels.get(channel_id)
        if found is None:
            channel = self._state.channels[channel_id]
            last = self._last_messages.get(channel_id, 0)
            if last > (channel.last_message_id or 0):
                channel = msgspec.structs.replace(channel, last_message_id=last)
            found = self._channels[channel_id] = _encode(wire.channel(channel))
        return found

    def create(self, session: Session, member: Member, cohort: Cohort) -> bytes:
        """Return GUILD_CREATE's `d` for one session."""
        state = self._state
        large = state.member_count > session.large_threshold
        if self._lists_others(session, large):
            members = self._notable_members() if large else self._all_members()
            presences = self._all_presences()
        else:
            user_id = session.user_id
            members = self._render([user_id])
            presences = self.shown.get(user_id, b"")
        owner = b"true" if state.guild.owner_id == session.user_id else b"false"
        return b"".join(
            (
                b'{"joined_at":"',
                wire.timestamp(member.joined_at).encode(),
                b'","owner":',
                owner,
                b',"large":true,' if large else b',"large":false,',
                b'"member_count":%d,"members":[' % state.member_count,
                members,
                b'],"presences":[',
                presences,
                b'],"channels":[',
                self._channel_list(cohort),
                b"],",
                _EXTRAS,
                b",",
                self._guild_fields(),
                b"}",
            )
        )

    def _lists_others(self, session: Session, large: bool) -> bool:
        if not session.intents & Intents.GUILD_PRESENCES or self._state.member_count > MAX_LISTED_MEMBERS:
            return False
        return session.bot or not large

    def _guild_fields(self) -> bytes:
        if self._guild is None:
            state = self._state
            self._guild = _encode(wire.guild(state.guild, state.roles.values()))[1:-1]
        return self._guild

    def _channel_list(self, cohort: Cohort) -> bytes:
        found = self._channel_lists.get(cohort.id)
        if found is None:
            found = b",".join([self.channel(each) for each in self._state.channels if each in cohort.view])
            self._channel_lists[cohort.id] = found
        return found

    def _render(self, user_ids: Iterable[int]) -> bytes:
        members, users = self._state.members, self._state.users
        return _encode([wire.member(members[each], users[each]) for each in user_ids])[1:-1]

    def _all_members(self) -> bytes:
        if self._members is None:
            self._members = self._render(self._state.members)
        return self._members

    def _notable_members(self) -> bytes:
        shown = self.shown
        return self._render(
            user_id
            for user_id, member in self._state.members.items()
            if user_id in shown or member.roles or member.nick is not None
        )

    def _all_presences(self) -> bytes:
        if self._presences is None:
            self._presences = b",".join(self.shown.values())
        return self._presences
