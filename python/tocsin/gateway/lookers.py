"""Lookers: who of a large guild's people looks at it, and what those are told who do not (protocol.md §1.11, ADR 0016).

A passive session gets the guild's state and the messages that mention its user; of all else, now and then, one
PASSIVE_UPDATE_V1. Rust keeps it in a list apart, so that a message's fan-out costs nothing for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.gateway.batch import Batch
from tocsin.gateway.guild_body import json_of
from tocsin.gateway.session import Session
from tocsin.model.intents import Intents

if TYPE_CHECKING:
    from tocsin.gateway.guilds import GuildRegistry, LiveGuild

SESSIONS_AT_ONCE = 1000
"""Passive sessions told in one turn of the loop; the others follow in the next."""

NAME = "PASSIVE_UPDATE_V1"
_KEYS = ("typing", "activities", "threads")
_SEES_VOICE = int(Intents.GUILD_VOICE_STATES)
_encode = msgspec.json.Encoder().encode


class Lookers:
    """The people's sessions of one guild, from `passive_from` members on; 0 means that all look always.

    `passive` holds those that do not look, by key. `on_unread` is called when they first have something to be told.
    """

    def __init__(self, guild_id: int, passive_from: int) -> None:
        self._guild_id = guild_id
        self._from = passive_from
        self._wants: dict[int, set[str]] = {}  # session -> what it subscribed to
        self._fresh: set[int] = set()  # sessions that never looked
        self.passive: dict[int, Session] = {}
        self.channels: set[int] = set()
        self.voice: set[int] = set()
        self.on_unread: Callable[[], None] = _ignore

    def seat(self, session: Session, member_count: int, batch: Batch) -> None:
        """Take in a session that was put into the guild: in a large one a person's is passive at first."""
        if session.bot or not self._from or member_count < self._from:
            return
        self._wants[session.key] = set()
        self._fresh.add(session.key)
        self.passive[session.key] = session
        batch.set_passive(session.key, self._guild_id, True)

    def forget(self, key: int) -> None:
        """Forget a session. The index is the caller's."""
        self._wants.pop(key, None)
        self._fresh.discard(key)
        self.passive.pop(key, None)

    def subscribe(self, session: Session, wanted: dict[str, Any], batch: Batch) -> bool:
        """Take an op 14 or 37 of the guild; return whether the session looks since, and did not before.

        Only keys that are given change. `members` are watched without looking.
        """
        wants = self._wants.get(session.key)
        if wants is None:
            return False
        for key in (*_KEYS, "channels"):
            if key in wanted and wanted[key] is not None:
                (wants.add if wanted[key] is True or (key == "channels" and wanted[key]) else wants.discard)(key)
        was = session.key in self.passive
        if bool(wants) != was:
            return False
        if wants:
            del self.passive[session.key]
        else:
            self.passive[session.key] = session
        batch.set_passive(session.key, self._guild_id, not wants)
        return was

    def is_first_look(self, session: Session) -> bool:
        """Return whether the session looks for the first time, once."""
        first = session.key in self._fresh
        self._fresh.discard(session.key)
        return first

    def note(self, channel_id: int) -> None:
        """Note that a channel has a new message or pin."""
        if self.passive:
            self.channels.add(channel_id)
            self.on_unread()

    def note_voice(self, channel_ids: set[int]) -> None:
        """Note that somebody came, went or changed in these voice channels."""
        if self.passive:
            self.voice |= channel_ids
            self.on_unread()

    def take(self) -> tuple[set[int], set[int], list[int]]:
        """Return in which channels something was said or changed in voice since the last time, and whom to tell."""
        channels, self.channels = self.channels, set()
        voice, self.voice = self.voice, set()
        return channels, voice, list(self.passive)


class PassiveUpdates:
    """Tells passive sessions, each guild's at most once per `every_ms`.

    Args:
        call_later: the loop's.
    """

    def __init__(
        self,
        every_ms: int,
        orders: Callable[[], Batch],
        guilds: GuildRegistry,
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
    ) -> None:
        self._every_s = every_ms / 1000
        self._orders = orders
        self._guilds = guilds
        self._call_later = call_later
        self._waiting: dict[int, asyncio.TimerHandle] = {}
        self._rests: dict[int, asyncio.TimerHandle] = {}  # guilds in the middle of being told
        guilds.on_unread = self.note

    async def stop(self) -> None:
        """Tell nobody any more."""
        for timer in (*self._waiting.values(), *self._rests.values()):
            timer.cancel()

    def note(self, guild_id: int) -> None:
        """Tell the guild's passive sessions when it is time."""
        if guild_id not in self._waiting:
            self._waiting[guild_id] = self._call_later(self._every_s, lambda: self._flush(guild_id))

    def _flush(self, guild_id: int) -> None:
        del self._waiting[guild_id]
        guild = self._guilds.get(guild_id)
        if guild is not None:
            self._tell(guild_id, *guild.lookers.take())

    def _tell(self, guild_id: int, channels: set[int], voice: set[int], keys: list[int]) -> None:
        """Tell some, by what their cohorts may view at this moment, and the others in a later turn."""
        guild = self._guilds.get(guild_id)
        if guild is None:
            return
        now, later = keys[:SESSIONS_AT_ONCE], keys[SESSIONS_AT_ONCE:]
        groups: dict[tuple[int, bool], list[Session]] = {}
        for session in filter(None, map(guild.lookers.passive.get, now)):
            cohort = guild.seats[session.user_id].cohort
            voiced = bool(session.intents & _SEES_VOICE) and not voice.isdisjoint(cohort.view)
            groups.setdefault((cohort.id, voiced), []).append(session)
        for (_, voiced), sessions in groups.items():
            send(guild, sessions, channels, voice=voiced, always=False, batch=self._orders())
        if later:
            self._rests[guild_id] = self._call_later(0, lambda: self._tell(guild_id, channels, voice, later))
        else:
            self._rests.pop(guild_id, None)


def activate(guild: LiveGuild, session: Session, batch: Batch) -> None:
    """Tell a session that begins to look what it missed, as far as this node knows; at first the whole guild."""
    if guild.lookers.is_first_look(session) and session.intents & Intents.GUILDS:
        body = guild.bodies.create(session, guild.state.members[session.user_id], guild.seats[session.user_id].cohort)
        batch.dispatch("GUILD_CREATE", json_of(body), sessions=[session.key], guild=guild.id)
    voice = bool(session.intents & _SEES_VOICE)
    send(guild, [session], guild.bodies.spoken_in(), voice=voice, always=True, batch=batch)


def send(
    guild: LiveGuild, sessions: list[Session], channels: Iterable[int], *, voice: bool, always: bool, batch: Batch
) -> None:
    """Send PASSIVE_UPDATE_V1 to sessions of one cohort: of these channels those it may view; if nothing, maybe not."""
    view = guild.seats[sessions[0].user_id].cohort.view
    shown = [each for each in map(guild.bodies.unread, sorted(view.intersection(channels))) if each is not None]
    if not (shown or voice or always):
        return
    body: dict[str, Any] = {"guild_id": str(guild.id), "channels": shown}
    if voice:
        body["voice_states"] = msgspec.Raw(guild.voice.listed(view))
        body["members"] = msgspec.Raw(guild.bodies.members_of(guild.voice.users(view)))
    batch.dispatch(NAME, _encode(body), sessions=[each.key for each in sessions], guild=guild.id, ungated=True)


def _ignore() -> None:
    """Nobody tells passive sessions."""
