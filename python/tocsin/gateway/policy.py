"""Policy: applies state events to the replicas and decides who is told, before anything later of the scope fans out.

Every ticket is resolved exactly once. Order per event: what is lost, the index, what is gained, the event itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import msgspec
import structlog

from tocsin.gateway import automod, threads
from tocsin.gateway.across import NAMES, Across
from tocsin.gateway.batch import Batch, Effect
from tocsin.gateway.cohorts import POWERS, Cohort, CohortKey
from tocsin.gateway.guild_body import json_of
from tocsin.gateway.guilds import GuildRegistry, LiveGuild
from tocsin.gateway.metrics import ControlMetrics
from tocsin.gateway.presence import PresenceBook
from tocsin.gateway.session import Sessions
from tocsin.gateway.sight import Shift
from tocsin.model import wire
from tocsin.model.entities import Role
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.model.intents import Intents
from tocsin.model.permissions import Permission

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_HOLDERS = {
    "INVITE_CREATE": (int(Permission.MANAGE_CHANNELS), True),
    "INVITE_DELETE": (int(Permission.MANAGE_CHANNELS), True),
    "WEBHOOKS_UPDATE": (int(Permission.MANAGE_WEBHOOKS), False),
}
"""Events of a channel for those who hold a permission there, and whether for bots only (§2)."""

_SEES_BANS = int(Permission.BAN_MEMBERS | Permission.VIEW_AUDIT_LOG)
_GUILD_HOLDERS = {
    "GUILD_BAN_ADD": _SEES_BANS,
    "GUILD_BAN_REMOVE": _SEES_BANS,
    "GUILD_AUDIT_LOG_ENTRY_CREATE": int(Permission.VIEW_AUDIT_LOG),
}
"""Events of a guild for those who hold any of these permissions there (§2)."""

_SIGHT = int(Permission.VIEW_CHANNEL | Permission.MANAGE_THREADS | Permission.ADMINISTRATOR)
"""What of a role's permissions decides who sees what."""

log = structlog.get_logger("tocsin.gateway")


class Policy:
    """One call of `apply` per POLICY request."""

    def __init__(
        self,
        orders: Callable[[], Batch],
        sessions: Sessions,
        guilds: GuildRegistry,
        presences: PresenceBook,
        metrics: ControlMetrics,
        clock: Callable[[], int],
        heard: Callable[[Sequence[Event]], None] | None = None,
    ) -> None:
        self._orders = orders
        self._heard = heard
        self._sessions = sessions
        self._guilds = guilds
        self._presences = presences
        self._metrics = metrics
        self._clock = clock
        self._loading: set[asyncio.Task[None]] = set()
        self.across: Across | None = None
        self._handlers: dict[str, Callable[[LiveGuild, Event, Batch], Effect | None]] = {
            **automod.HANDLERS,
            **threads.HANDLERS,
            "GUILD_CREATE": self._guild_create,
            "GUILD_UPDATE": self._guild_update,
            "GUILD_DELETE": self._guild_delete,
            "GUILD_EMOJIS_UPDATE": self._emojis_update,
            "GUILD_ROLE_CREATE": self._role_change,
            "GUILD_ROLE_UPDATE": self._role_change,
            "GUILD_ROLE_DELETE": self._role_delete,
            "CHANNEL_CREATE": self._channel_change,
            "CHANNEL_UPDATE": self._channel_change,
            "CHANNEL_DELETE": self._channel_change,
            "CHANNEL_PINS_UPDATE": self._channel_pins,
            "GUILD_MEMBER_ADD": self._member_add,
            "GUILD_MEMBER_UPDATE": self._member_update,
            "GUILD_MEMBER_REMOVE": self._member_remove,
            **dict.fromkeys(_GUILD_HOLDERS, self._to_guild_holders),
            **dict.fromkeys(_HOLDERS, self._to_holders),
        }

    async def stop(self) -> None:
        """Give up on guilds that are still being read for an event."""
        for task in list(self._loading):
            task.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)

    def apply(self, ticket: int, scope_kind: int, scope_id: int, seq: int, name: str, body: bytes) -> None:
        """Take one state event and resolve its ticket, at once or after reading the guild. Never raises."""
        started = perf_counter()
        guild_id = scope_id if scope_kind == ScopeKind.GUILD else 0
        scope = Scope(ScopeKind(scope_kind), scope_id)
        event = Event(name=name, scope=scope, body=body, guild_id=guild_id, state=True, seq=seq)
        if self._heard is not None and name not in NAMES:
            self._hear(event)
        effect = None
        if scope_kind == ScopeKind.USER:
            self._orders().decide(ticket)
            self._user_event(scope_id, name, body)
        elif scope_kind == ScopeKind.GUILD:
            if self._guilds.get(scope_id) is None and (self._guilds.is_loading(scope_id) or self._is_wanted(event)):
                # The scope stays held meanwhile, so at most one event per guild waits here.
                task = asyncio.create_task(self._load_and_apply(ticket, event))
                self._loading.add(task)
                task.add_done_callback(self._loading.discard)
                return
            effect = self._guild_event(event, ticket)
        _resolve(self._orders(), ticket, effect)
        self._metrics.applied(perf_counter() - started)

    def _hear(self, event: Event) -> None:
        """Tell what the services keep, which other nodes change too."""
        assert self._heard is not None
        try:
            self._heard([event])
        except Exception:
            log.exception("not taken", event_name=event.name, scope=tuple(event.scope))

    # -- guilds that are not loaded

    def _is_wanted(self, event: Event) -> bool:
        """Return whether the event brings somebody connected here into a guild nobody here was in."""
        try:
            users = _entrants(event)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            log.exception("unreadable event", event_name=event.name, guild=event.guild_id)
            return False
        wanted = False
        for user_id in users:
            for pending in self._sessions.pending_of(user_id):
                pending.joined.add(event.guild_id)
            wanted = wanted or self._sessions.concerns(user_id)
        return wanted

    async def _load_and_apply(self, ticket: int, event: Event) -> None:
        effect = None
        try:
            await self._guilds.load(event.guild_id)
            effect = self._guild_event(event, ticket)
        except Exception:
            log.exception("guild not loaded", guild=event.guild_id)
        finally:
            _resolve(self._orders(), ticket, effect)

    # -- guild events

    def _guild_event(self, event: Event, ticket: int = 0) -> Effect | None:
        """Apply an event; return what is certain of it. What its ticket's decision says of it is in one batch."""
        guild = self._guilds.get(event.guild_id)
        if guild is None:
            return None
        if event.name in NAMES:
            if self.across is not None:
                self.across.hear(guild, event.name, event.body)
            return None
        batch = self._orders()
        try:
            if event.seq and event.seq <= guild.state.seq:
                # The snapshot held it already: all that is left is to seat those it brought in.
                for user_id in _entrants(event):
                    self._enter(guild, user_id, batch)
                return None
            if ticket:
                batch.decide(ticket)
            handler = self._handlers.get(event.name)
            if handler is None:
                guild.state.apply(event)
                batch.dispatch(event.name, event.body, guild=guild.id)
                return Effect()
            effect = handler(guild, event, batch)
            if len(guild.voice):
                said = len(batch)
                guild.voice.settle(batch, self._clock())
                if len(batch) != said:
                    return None
            return effect
        except Exception:
            log.exception("policy failed; the guild is read anew", guild=guild.id, event_name=event.name, seq=event.seq)
            self._metrics.failed()
            self._start_over(guild, batch)
            return None

    def _start_over(self, guild: LiveGuild, batch: Batch) -> None:
        """Trust nothing of the guild any more: its sessions identify again and it is read from the store."""
        for seat in list(guild.seats.values()):
            for key in seat.session_keys():
                batch.invalidate(key, False)
        self._guilds.drop(guild.id, batch)

    def _guild_create(self, guild: LiveGuild, event: Event, batch: Batch) -> None:
        guild.state.apply(event)
        guild.lists.reshape()
        for user_id in _entrants(event):
            self._enter(guild, user_id, batch)

    def _guild_update(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect | None:
        owner = guild.state.guild.owner_id
        shift = Shift(guild)
        guild.state.apply(event)
        guild.bodies.guild_changed()
        same = guild.state.guild.owner_id == owner
        if not same:
            shift.rekey((owner, guild.state.guild.owner_id))
            shift.emit(batch)
            guild.lists.reshape()
        batch.dispatch(event.name, event.body, guild=guild.id)
        return Effect() if same else None

    def _guild_delete(self, guild: LiveGuild, event: Event, batch: Batch) -> None:
        batch.dispatch(event.name, event.body, guild=guild.id)
        self._guilds.drop(guild.id, batch)

    def _emojis_update(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect:
        guild.state.apply(event)
        guild.bodies.guild_changed()
        batch.dispatch(event.name, event.body, guild=guild.id)
        return Effect()

    def _role_change(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect | None:
        role_id = int(_decode(event.body)["role"]["id"])
        former = guild.state.roles.get(role_id)
        shift = Shift(guild)
        guild.state.apply(event)
        guild.bodies.guild_changed()
        role = guild.state.roles[role_id]
        holders: list[Cohort] = []
        if former is None or former.permissions != role.permissions:
            everyone = role_id == guild.id
            holders = [
                each
                for each in guild.cohorts.by_id.values()
                if not each.key.owner and (everyone or role_id in each.key.roles)
            ]
            shift.recompute(holders)
            shift.emit(batch)
        if role.hoist if former is None else _shape(former) != _shape(role):
            guild.lists.reshape()
        batch.dispatch(event.name, event.body, guild=guild.id)
        if former is None:
            # Nobody holds a new one.
            return Effect() if event.name == "GUILD_ROLE_CREATE" else None
        changed = former.permissions ^ role.permissions
        if changed & POWERS:
            return Effect(by_cohort=True, cohorts=[each.id for each in holders])
        return Effect(by_cohort=True, cohorts=shift.touched()) if changed & _SIGHT else Effect()

    def _role_delete(self, guild: LiveGuild, event: Event, batch: Batch) -> None:
        role_id = int(_decode(event.body)["role_id"])
        shift = Shift(guild)
        named = [each.id for each in guild.state.channels.values() if any(o.id == role_id for o in each.overwrites)]
        guild.state.apply(event)
        guild.bodies.guild_changed()
        guild.bodies.members_changed()
        for channel_id in named:
            guild.bodies.channel_changed(channel_id)
        holders = [each for each in guild.cohorts.by_id.values() if role_id in each.key.roles]
        merged: list[int] = []
        for cohort in holders:
            key = cohort.key
            wanted = CohortKey(key.owner, tuple(each for each in key.roles if each != role_id), key.user_id)
            if guild.cohorts.find(wanted) is None:
                guild.cohorts.rekey(cohort, wanted)
            else:
                merged.extend(cohort.users)
        shift.recompute(holders)
        shift.rekey(merged)
        shift.emit(batch)
        guild.lists.reshape()
        batch.dispatch(event.name, event.body, guild=guild.id)

    def _channel_change(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect | None:
        channel_id = int(_decode(event.body)["id"])
        former = guild.state.channels.get(channel_id)
        shift = Shift(guild)
        guild.state.apply(event)
        guild.bodies.channel_changed(channel_id)
        channel = guild.state.channels.get(channel_id)
        same = former is not None and channel is not None and former.overwrites == channel.overwrites
        if not same:
            if event.name != "CHANNEL_UPDATE":
                shift.use_body(channel_id, event.body)
            renamed = guild.cohorts.note_channel(channel_id)
            shift.recompute_channel(channel_id)
            shift.rekey(renamed)
            shift.emit(batch)
            guild.lists.reshape()
        if event.name == "CHANNEL_UPDATE":
            shift.tell_stayers(batch, channel_id, event.name, event.body)
        return Effect() if same else None

    def _channel_pins(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect:
        channel_id = int(_decode(event.body)["channel_id"])
        guild.state.apply(event)
        guild.bodies.note_pin(channel_id)
        guild.lookers.note(channel_id)
        batch.dispatch(event.name, event.body, guild=guild.id, channel=channel_id)
        return Effect()

    # -- members

    def _member_add(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect:
        user_id = _user_of(event)
        known = user_id in guild.state.members
        guild.state.apply(event)
        guild.bodies.members_changed()
        if known:
            shift = Shift(guild)
            shift.rekey((user_id,))
            shift.emit(batch)
        guild.lists.member_changed(user_id)
        for pending in self._sessions.pending_of(user_id):
            pending.joined.add(guild.id)
        self._enter(guild, user_id, batch)
        batch.dispatch(event.name, event.body, guild=guild.id, exclude_user=user_id)
        return Effect(users=(user_id,))

    def _enter(self, guild: LiveGuild, user_id: int, batch: Batch) -> None:
        """Seat all the user's sessions that are not seated yet, each told by GUILD_CREATE."""
        member = guild.state.members.get(user_id)
        if member is None:
            return
        entered = False
        for session in self._sessions.of_user(user_id):
            if guild.id in session.guilds or not session.covers(guild.id):
                continue
            cohort = guild.seat(session, member, batch)
            self._sessions.changed(session)
            batch.assign(session.key, guild.id, cohort.id)
            guild.lookers.seat(session, guild.state.member_count, batch)
            if session.intents & Intents.GUILDS:
                body = json_of(guild.bodies.create(session, member, cohort))
                batch.dispatch("GUILD_CREATE", body, sessions=[session.key], guild=guild.id)
            entered = True
        if entered:
            self._presences.touch(user_id, (guild.id,))

    def _member_update(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect:
        user_id = _user_of(event)
        shift = Shift(guild)
        guild.state.apply(event)
        guild.bodies.members_changed()
        shift.rekey((user_id,))
        shift.emit(batch)
        guild.lists.member_changed(user_id)
        guild.lists.viewer_changed(user_id)
        own = guild.sessions_of((user_id,))
        if own:
            # One's own update needs no intent (§2).
            batch.dispatch(event.name, event.body, sessions=own, guild=guild.id, ungated=True)
        batch.dispatch(event.name, event.body, guild=guild.id, exclude_user=user_id)
        return Effect(users=(user_id,))

    def _member_remove(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect:
        user_id = _user_of(event)
        left = [each for each, members in guild.state.thread_members.items() if user_id in members]
        guild.state.apply(event)
        for thread_id in left:
            guild.cohorts.note_channel(thread_id)
            guild.bodies.thread_changed(thread_id)
        if left:
            # The cohort of one is kept for who comes back, and must not be kept with this sight.
            guild.cohorts.recompute_channels(left)
        guild.bodies.members_changed()
        guild.bodies.show(user_id, None)
        guild.parts.forget(user_id)
        guild.lists.member_changed(user_id)
        for pending in self._sessions.pending_of(user_id):
            pending.joined.discard(guild.id)
        self._leave(guild, user_id, batch)
        guild.cohorts.flush(batch)
        batch.dispatch(event.name, event.body, guild=guild.id, exclude_user=user_id)
        return Effect(users=(user_id,))

    def _leave(self, guild: LiveGuild, user_id: int, batch: Batch) -> None:
        seat = guild.seats.get(user_id)
        if seat is None:
            return
        sessions, keys = list(seat.sessions), seat.session_keys()
        batch.dispatch("GUILD_DELETE", _encode({"id": str(guild.id)}), sessions=keys, guild=guild.id)
        for session in sessions:
            batch.unassign(session.key, guild.id)
            guild.unseat(session, self._clock())
            self._sessions.changed(session)

    def _to_guild_holders(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect:
        guild.state.apply(event)
        cohorts = [each.id for each in guild.cohorts.with_any(_GUILD_HOLDERS[event.name])]
        if cohorts:
            batch.dispatch(event.name, event.body, cohorts=cohorts, guild=guild.id)
        return Effect(by_cohort=True)

    def _to_holders(self, guild: LiveGuild, event: Event, batch: Batch) -> Effect:
        guild.state.apply(event)
        wanted, bots_only = _HOLDERS[event.name]
        channel_id = int(_decode(event.body)["channel_id"])
        cohorts = [each.id for each in guild.cohorts.viewers_with(channel_id, wanted)]
        if cohorts:
            batch.dispatch(event.name, event.body, cohorts=cohorts, guild=guild.id, bots_only=bots_only)
        return Effect(by_cohort=True)

    # -- users

    def _user_event(self, user_id: int, name: str, body: bytes) -> None:
        """USER_UPDATE: to the user's own sessions. Their guilds learn by GUILD_MEMBER_UPDATE, events of their own."""
        try:
            user = wire.parse_user(_decode(body))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            log.exception("unreadable event", event_name=name, user=user_id)
            return
        for session in self._sessions.of_user(user_id):
            session.principal = msgspec.structs.replace(session.principal, user=user)
        for pending in self._sessions.pending_of(user_id):
            pending.user = user
        if self._sessions.concerns(user_id):
            self._orders().dispatch(name, body, users=[user_id], ungated=True)


def _resolve(batch: Batch, ticket: int, effect: Effect | None) -> None:
    if effect is None:
        batch.resolve(ticket)
    else:
        users, by_cohort, cohorts = effect
        batch.resolve(ticket, certain=True, users=users, by_cohort=by_cohort, cohorts=cohorts)


def _shape(role: Role) -> tuple[int, bool, int]:
    """Return what of a role member lists depend on."""
    return role.permissions, role.hoist, role.position


def _user_of(event: Event) -> int:
    return int(_decode(event.body)["user"]["id"])


def _entrants(event: Event) -> list[int]:
    """Return the users that the event brings into its guild."""
    if event.name == "GUILD_MEMBER_ADD":
        return [_user_of(event)]
    if event.name == "GUILD_CREATE":
        members: list[dict[str, Any]] = _decode(event.body).get("members", [])
        return [int(each["user"]["id"]) for each in members]
    return []
