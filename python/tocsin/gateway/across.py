"""Across: what sessions of this node make true in guilds, told to the other nodes of the guild, and theirs taken over.

Presences go as parts, since what others see of a user is made of all their sessions (`presence.py`, ADR 0018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec
import structlog

from tocsin.gateway.batch import Batch
from tocsin.gateway.guilds import GuildRegistry, LiveGuild
from tocsin.gateway.parts import Part
from tocsin.gateway.peers import Peers
from tocsin.gateway.session import Session
from tocsin.gateway.voice_states import Mark
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.model.voice import VoiceState

PRESENCE = "TOCSIN_PRESENCE"
VOICE = "TOCSIN_VOICE"
STATE = "TOCSIN_STATE"
NAMES = frozenset({PRESENCE, VOICE, STATE})
"""Events of a guild between nodes; no client is sent one."""

FILL_S = 0.5
"""How long a guild that is read waits for what other nodes have of it."""

log = structlog.get_logger("tocsin.across")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One part, as its node tells it."""

    node: str
    part: Part


class VoiceSaid(msgspec.Struct, frozen=True, kw_only=True):
    """A member's voice state as it was decided; None for out of voice. `owner` is the node of its session."""

    node: str
    owner: str
    at: int
    user: int
    state: VoiceState | None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node has of a guild."""

    node: str
    guild: int
    version: int
    parts: list[Part]
    at: int
    voice: list[VoiceSaid]


class Presences(Protocol):
    """What is told of other nodes' parts (`presence.PresenceBook`)."""

    def touch(self, user_id: int, guild_ids: Iterable[int]) -> None: ...  # noqa: D102
    def settle(self, guild: LiveGuild) -> None: ...  # noqa: D102
    def observe(self, part: Part) -> None: ...  # noqa: D102
    def next_order(self) -> int: ...  # noqa: D102
    def part_of(self, guild: LiveGuild, user_id: int) -> Part: ...  # noqa: D102


class Link(Protocol):
    """The bus."""

    def publish_ephemeral(self, event: Event) -> None: ...  # noqa: D102


_encode = msgspec.json.Encoder().encode
_said = msgspec.json.Decoder(Said).decode
_voice = msgspec.json.Decoder(VoiceSaid).decode
_state = msgspec.json.Decoder(State).decode
_states = msgspec.json.Decoder(list[State]).decode


class Across:
    """Implements `peers.Listener`, and is where a presence book tells its changes."""

    def __init__(
        self, peers: Peers, link: Link, guilds: GuildRegistry, presences: Presences, orders: Callable[[], Batch]
    ) -> None:
        self.on_moved: Callable[[LiveGuild, Session], None] = _nobody
        """Told when another node has moved a session of this one to another voice channel."""
        self._orders = orders
        self._peers = peers
        self._link = link
        self._guilds = guilds
        self._presences = presences
        self._version = 0
        self._filling: dict[int, LiveGuild] = {}
        peers.listener = self
        guilds.on_loaded = self.fill
        guilds.on_drop = self._dropped

    # -- telling

    def tell(self, guild: LiveGuild, user_id: int) -> None:
        """Tell the other nodes what this one's sessions say of a user, if it is not what they were told."""
        if not len(self._peers):
            return  # who comes asks for all there is
        part = self._presences.part_of(guild, user_id)
        if part == guild.parts.said.get(user_id, Part(user=user_id)):
            return
        self._note(guild, part)
        self._version += 1
        said = Said(node=self._peers.name, part=msgspec.structs.replace(part, version=self._version))
        self._publish(PRESENCE, guild.id, _encode(said))

    def _note(self, guild: LiveGuild, part: Part) -> None:
        if part.sessions:
            guild.parts.said[part.user] = part
        else:
            guild.parts.said.pop(part.user, None)

    def _publish(self, name: str, guild_id: int, body: bytes) -> None:
        scope = Scope(ScopeKind.GUILD, guild_id)
        self._link.publish_ephemeral(Event(name=name, scope=scope, body=body, guild_id=guild_id, state=True))

    def _all_of(self, guild: LiveGuild) -> State:
        """Return what this node has of a guild, and note it as told."""
        guild.parts.said.clear()
        self._version += 1
        parts = []
        voice = [
            VoiceSaid(node=self._peers.name, owner=mark.node, at=mark.at, user=user_id, state=guild.voice.get(user_id))
            for user_id, mark in guild.voice.marks.items()
            if mark.node == self._peers.name
        ]
        for user_id in guild.seats:
            part = self._presences.part_of(guild, user_id)
            self._note(guild, part)
            parts.append(msgspec.structs.replace(part, version=self._version))
        return self._state(guild, parts, voice)

    def _state(self, guild: LiveGuild, parts: list[Part], voice: list[VoiceSaid]) -> State:
        return State(
            node=self._peers.name,
            guild=guild.id,
            version=self._version,
            parts=parts,
            at=self._presences.next_order(),
            voice=voice,
        )

    def _dropped(self, guild: LiveGuild) -> None:
        """Take back what was told of a guild that this node lets go of."""
        if guild.parts.said or any(mark.node == self._peers.name for mark in guild.voice.marks.values()):
            self._version += 1
            self._publish(STATE, guild.id, _encode(self._state(guild, [], [])))

    def voice_decided(self, guild: LiveGuild, user_id: int) -> None:
        """Tell the other nodes of a member's voice state that was decided at this one."""
        state, former = guild.voice.get(user_id), guild.voice.marks.get(user_id)
        owner = self._peers.name
        if former is not None and state is not None and self._session_of(guild, state) is None:
            owner = former.node
        at = max(self._presences.next_order(), 0 if former is None else former.at + 1)
        guild.voice.marks[user_id] = Mark(at, owner)
        if len(self._peers):
            said = VoiceSaid(node=self._peers.name, owner=owner, at=at, user=user_id, state=state)
            self._publish(VOICE, guild.id, _encode(said))

    def _session_of(self, guild: LiveGuild, state: VoiceState) -> Session | None:
        seat = guild.seats.get(state.user_id)
        sessions = [] if seat is None else seat.sessions
        return next((each for each in sessions if each.id == state.session_id), None)

    # -- hearing

    def hear(self, guild: LiveGuild, name: str, body: bytes) -> None:
        """Take what a node tells of a guild. Never raises."""
        try:
            if name == STATE:
                self._replace(guild, _state(body))
                return
            if name == VOICE:
                voice = _voice(body)
                if self._lives(voice.node):
                    self._take_voice(guild, voice)
                return
            said = _said(body)
        except msgspec.MsgspecError:
            log.warning("unreadable event between nodes", event_name=name)
            return
        if self._lives(said.node) and guild.parts.take(said.node, said.part):
            self._presences.observe(said.part)
            self._presences.touch(said.part.user, (guild.id,))

    def _lives(self, node: str) -> bool:
        return node != self._peers.name and self._peers.heard_of(node)

    def _replace(self, guild: LiveGuild, state: State) -> None:
        if not self._lives(state.node):
            return
        for part in state.parts:
            self._presences.observe(part)
        for user_id in guild.parts.replace(state.node, state.version, state.parts):
            self._presences.touch(user_id, (guild.id,))
        for said in state.voice:
            self._take_voice(guild, said)
        named = {said.user for said in state.voice}
        for user_id, mark in list(guild.voice.marks.items()):
            if mark.node == state.node and user_id not in named and mark.at < state.at:
                guild.voice.marks[user_id] = Mark(state.at, state.node)
                guild.voice.remove(user_id, self._orders(), heard=True)

    def _take_voice(self, guild: LiveGuild, said: VoiceSaid) -> None:
        mark, held = Mark(said.at, said.owner), guild.voice.marks.get(said.user)
        if held is not None and held >= mark:
            return
        former = guild.voice.get(said.user)
        guild.voice.marks[said.user] = mark
        if said.state is None:
            guild.voice.remove(said.user, self._orders(), heard=True)
            return
        if said.user not in guild.state.members or said.state.channel_id not in guild.state.channels:
            return
        guild.voice.put(said.state, self._orders(), heard=True)
        session = self._session_of(guild, said.state)
        if session is not None and (former is None or former.channel_id != said.state.channel_id):
            self.on_moved(guild, session)

    # -- guilds that are read

    async def fill(self, guild: LiveGuild) -> None:
        """Take in what other nodes have of a guild before anybody is shown it."""
        guild.voice.node = self._peers.name
        guild.voice.on_decided = lambda user_id: self.voice_decided(guild, user_id)
        if not len(self._peers):
            return
        self._filling[guild.id] = guild
        try:
            await self._peers.ask([guild.id], FILL_S)
        finally:
            del self._filling[guild.id]
        self._presences.settle(guild)

    # -- peers (`peers.Listener`)

    def on_gone(self, node: str) -> None:
        """Forget what a node had."""
        for guild in [*self._guilds, *self._filling.values()]:
            for user_id in guild.parts.drop(node):
                self._presences.touch(user_id, (guild.id,))
            for user_id in [each for each, mark in guild.voice.marks.items() if mark.node == node]:
                # Without a mark: should it live and say the same again, it is news.
                del guild.voice.marks[user_id]
                guild.voice.remove(user_id, self._orders(), heard=True)

    def on_joined(self, node: str) -> None:
        """Ask a new node for what it has."""
        guild_ids = [guild.id for guild in self._guilds]
        if guild_ids:
            self._peers.ask_one(node, guild_ids)

    def on_lost(self) -> None:
        """Say all there is again, and ask for all there is."""
        guild_ids = [guild.id for guild in self._guilds]
        for guild in self._guilds:
            self._publish(STATE, guild.id, _encode(self._all_of(guild)))
        if guild_ids:
            self._peers.ask_all(guild_ids)

    def on_wanted(self, node: str, guild_ids: Sequence[int]) -> bytes:
        """Return what this node has of guilds; nothing of those it has not."""
        wanted = [guild for guild in map(self._guilds.get, guild_ids) if guild is not None]
        return _encode([self._all_of(guild) for guild in wanted])

    def on_counted(self, guild_ids: Sequence[int]) -> dict[int, int]:
        """Return how many are online in those of the guilds that are held here."""
        held = [guild for guild in map(self._guilds.get, guild_ids) if guild is not None]
        return {guild.id: len(guild.bodies.shown) for guild in held}

    def on_answer(self, node: str, answer: bytes) -> None:
        """Take what a node has of the guilds that were asked for."""
        for state in _states(answer):
            guild = self._guilds.get(state.guild) or self._filling.get(state.guild)
            if guild is not None:
                self._replace(guild, state)


def _nobody(guild: LiveGuild, session: Session) -> None:
    """There is no voice here."""
