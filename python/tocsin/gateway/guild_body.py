"""GuildBodies: the JSON of one guild's GUILD_CREATE in fragments, each made once and kept until it changes.

Only what is a session's own (its membership, and itself where others are not shown) is made per session
(protocol.md §2, §3.2). A member who comes online costs the presences' fragment and none of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from tocsin.gateway.batch import Body, Fragment
from tocsin.gateway.cohorts import Cohort, View
from tocsin.gateway.session import Session
from tocsin.gateway.voice_states import GuildVoice
from tocsin.model import wire
from tocsin.model.entities import Channel, Member, Thread, ThreadMember
from tocsin.model.guild_state import GuildState
from tocsin.model.intents import Intents

MAX_LISTED_MEMBERS = 75_000
"""Beyond this many members a guild shows nobody but oneself (§2)."""

_encode = msgspec.json.Encoder().encode
# Arithmetic on an `IntFlag` costs ten times that on its number, ten guilds an identify.
_SEES_PRESENCES = int(Intents.GUILD_PRESENCES)
_SEES_VOICE = int(Intents.GUILD_VOICE_STATES)
_EXTRAS = _encode(
    {
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

    def __init__(self, state: GuildState, fragment: Callable[[bytes], Fragment], voice: GuildVoice) -> None:
        self._state = state
        self._voice = voice
        self._notable_voice = 0
        self._fragment = fragment
        self._guild: Fragment | None = None
        self._channels: dict[int, bytes] = {}
        self._channel_lists: dict[View, Fragment] = {}
        self._threads: dict[int, bytes] = {}
        self._thread_lists: dict[View, Fragment] = {}
        self._members: Fragment | None = None
        self._notable: Fragment | None = None
        self._presences: Fragment | None = None
        self._last_messages: dict[int, int] = {}
        self._spoken_in: set[int] = set()  # channels and threads with a message or pin since the guild was read
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
            for thread_id in [each for each in self._threads if each not in self._state.threads]:
                self.thread_changed(thread_id)
        if channel_id in self._threads:
            self.thread_changed(channel_id)

    def thread_changed(self, thread_id: int) -> None:
        """A thread was made, changed, archived or deleted, or its members changed."""
        self._threads.pop(thread_id, None)
        self._thread_lists.clear()

    def sight_changed(self) -> None:
        """Some cohort sees other channels than before: lists that nobody sees any more are let go of."""
        self._channel_lists.clear()
        self._thread_lists.clear()

    def members_changed(self) -> None:
        """A member came, left or changed."""
        self._members = None
        self._notable = None

    def show(self, user_id: int, presence: bytes | None) -> None:
        """Keep what others see of a member; None when that is nothing."""
        if presence is None:
            self.shown.pop(user_id, None)
        else:
            self.shown[user_id] = presence
        self._presences = None
        self._notable = None

    def note_message(self, channel_id: int, message_id: int) -> None:
        """A message was sent: `last_message_id` moves on."""
        thread = self._state.threads.get(channel_id)
        if thread is not None:
            self._spoken_in.add(channel_id)
        if thread is not None and message_id > (thread.last_message_id or 0):
            self._state.threads[channel_id] = thread.with_message(message_id)
            self.thread_changed(channel_id)
        if channel_id in self._state.channels:
            self._last_messages[channel_id] = message_id
            self._spoken_in.add(channel_id)
            self._channels.pop(channel_id, None)
            self._channel_lists.clear()

    def note_pin(self, channel_id: int) -> None:
        """A message was pinned or unpinned."""
        self._spoken_in.add(channel_id)
        self.channel_changed(channel_id)

    def spoken_in(self) -> set[int]:
        """Return the channels and threads with a message or pin since the guild was read, also some that are gone."""
        return self._spoken_in

    def unread(self, channel_id: int) -> dict[str, str | None] | None:
        """Return what PASSIVE_UPDATE_V1 shows of a channel or thread; None if there is none."""
        found: Channel | Thread | None = self._state.channels.get(channel_id) or self._state.threads.get(channel_id)
        if found is None:
            self._spoken_in.discard(channel_id)
            return None
        last = max(self._last_messages.get(channel_id, 0), found.last_message_id or 0)
        return {
            "id": str(channel_id),
            "last_message_id": str(last) if last else None,
            "last_pin_timestamp": wire.optional_timestamp(found.last_pin_timestamp),
        }

    def members_of(self, user_ids: Iterable[int]) -> bytes:
        """Return some members as a JSON array."""
        return b"[%b]" % self._render(user_ids)

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

    def create(self, session: Session, member: Member, cohort: Cohort) -> Body:
        """Return GUILD_CREATE's `d` for one session."""
        state = self._state
        large = state.member_count > session.large_threshold
        first = b'"joined_at":"%b","owner":%b,"large":%b,"member_count":%d' % (
            wire.timestamp(member.joined_at).encode(),
            b"true" if state.guild.owner_id == session.user_id else b"false",
            b"true" if large else b"false",
            state.member_count,
        )
        voiced = bool(session.intents & _SEES_VOICE) and len(self._voice) > 0
        first += b',"voice_states":%b' % (self._voice.listed(cohort.view) if voiced else b"[]")
        own, threads = self._thread_list(cohort.view, session.user_id)
        first += own
        common = (*threads, self._channel_list(cohort.view), self._guild_fields())
        if self._lists_others(session, large):
            members = self._notable_members() if large else self._all_members()
            return first, (members, self._all_presences(), *common)
        user_id = session.user_id
        listed = dict.fromkeys([user_id, *(self._voice.users(cohort.view) if voiced else ())])
        alone = (self._render(listed), self.shown.get(user_id, b""))
        return first + b',"members":[%b],"presences":[%b]' % alone, common

    def _lists_others(self, session: Session, large: bool) -> bool:
        if not session.intents & _SEES_PRESENCES or self._state.member_count > MAX_LISTED_MEMBERS:
            return False
        return session.bot or not large

    def _guild_fields(self) -> Fragment:
        if self._guild is None:
            state = self._state
            fields = _encode(wire.guild(state.guild, state.roles.values(), state.emojis.values()))[1:-1]
            self._guild = self._fragment(b"%b,%b" % (_EXTRAS, fields))
        return self._guild

    def _thread(self, thread: Thread, place: ThreadMember | None) -> bytes:
        if place is not None:
            return _encode(wire.thread(thread, place))
        found = self._threads.get(thread.id)
        if found is None:
            found = self._threads[thread.id] = _encode(wire.thread(thread))
        return found

    def _thread_list(self, view: View, user_id: int) -> tuple[bytes, tuple[Fragment, ...]]:
        """Return `threads` as members of the session's own, or as what it shares with others who are in none."""
        state = self._state
        if not state.threads:
            return b',"threads":[]', ()
        shown = [each for each in state.threads.values() if each.id in view]
        places = {each.id: state.thread_members[each.id].get(user_id) for each in shown}
        is_in_one = any(place is not None for place in places.values())
        found = None if is_in_one else self._thread_lists.get(view)
        if found is not None:
            return b"", (found,)
        text = b'"threads":[%b]' % b",".join([self._thread(each, places[each.id]) for each in shown])
        if is_in_one:
            return b"," + text, ()
        found = self._thread_lists[view] = self._fragment(text)
        return b"", (found,)

    def _channel_list(self, view: View) -> Fragment:
        found = self._channel_lists.get(view)
        if found is None:
            channels = b",".join([self.channel(each) for each in self._state.channels if each in view])
            found = self._channel_lists[view] = self._fragment(b'"channels":[%b]' % channels)
        return found

    def _render(self, user_ids: Iterable[int]) -> bytes:
        members, users = self._state.members, self._state.users
        return _encode([wire.member(members[each], users[each]) for each in user_ids])[1:-1]

    def _all_members(self) -> Fragment:
        if self._members is None:
            self._members = self._fragment(b'"members":[%b]' % self._render(self._state.members))
        return self._members

    def _notable_members(self) -> Fragment:
        if self._notable is None or self._notable_voice != self._voice.version:
            shown, voice = self.shown, self._voice
            self._notable_voice = voice.version
            notable = (
                user_id
                for user_id, member in self._state.members.items()
                if user_id in shown or member.roles or member.nick is not None or voice.get(user_id) is not None
            )
            self._notable = self._fragment(b'"members":[%b]' % self._render(notable))
        return self._notable

    def _all_presences(self) -> Fragment:
        if self._presences is None:
            self._presences = self._fragment(b'"presences":[%b]' % b",".join(self.shown.values()))
        return self._presences


def json_of(body: Body) -> bytes:
    """Return the object as it is sent."""
    own, fragments = body
    return b"{%b}" % b",".join([own, *filter(None, map(bytes, fragments))])
