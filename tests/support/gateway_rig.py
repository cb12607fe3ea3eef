"""Rig: the control side over a real store, with a small model of the Rust dispatcher at its one seam.

`Dispatcher` carries out every command at once as `_core.pyi` says, and keeps what each session was told. Whatever the
policy vouches for of an event (`Effect`) is held against what the event did (`Promise`).
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.support.api_world import Clock
from tocsin import _core
from tocsin.bus.local import Everything, LocalBus
from tocsin.config import Settings
from tocsin.gateway.batch import Body, Orders
from tocsin.gateway.commands import Commands
from tocsin.gateway.guild_body import json_of
from tocsin.gateway.guilds import GuildRegistry
from tocsin.gateway.identify import Identifier
from tocsin.gateway.member_list_commands import Subscriptions
from tocsin.gateway.members import MemberRequests
from tocsin.gateway.metrics import ControlMetrics
from tocsin.gateway.own_sessions import OwnSessions
from tocsin.gateway.policy import Policy
from tocsin.gateway.presence import PresenceBook
from tocsin.gateway.session import Sessions
from tocsin.gateway.voice import Voice
from tocsin.model.intents import ALL, Intents
from tocsin.model.snowflake import SnowflakeFactory
from tocsin.service.auth import Principal
from tocsin.service.context import Context
from tocsin.service.services import build_services
from tocsin.service.world import World
from tocsin.store.base import Store

NEEDS = {
    "GUILD_MEMBER_ADD": Intents.GUILD_MEMBERS,
    "GUILD_MEMBER_UPDATE": Intents.GUILD_MEMBERS,
    "GUILD_MEMBER_REMOVE": Intents.GUILD_MEMBERS,
    "GUILD_BAN_ADD": Intents.GUILD_MODERATION,
    "GUILD_BAN_REMOVE": Intents.GUILD_MODERATION,
    "PRESENCE_UPDATE": Intents.GUILD_PRESENCES,
    "MESSAGE_CREATE": Intents.GUILD_MESSAGES,
}
FOR_LOOKERS = {"MESSAGE_CREATE", "TYPING_START", "PRESENCE_UPDATE", "VOICE_STATE_UPDATE", "GUILD_MEMBER_UPDATE"}
"""Some of what passive sessions are spared (tocsin-proto's `is_for_lookers` has all)."""

Told = tuple[str, Any]


class Modelled:
    """A session as the dispatcher knows it."""

    def __init__(self, user_id: int, bot: bool, intents: int) -> None:
        self.user_id = user_id
        self.bot = bot
        self.intents = intents
        self.cohorts: dict[int, int] = {}
        self.passive: set[int] = set()
        self.told: list[Told] = []


BY_NAME = {"GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE", "GUILD_EMOJIS_UPDATE"}
"""What `decided.rs` tells to a guild by itself, but for one user."""

CHANGE_NO_SIGHT = {
    *("GUILD_BAN_ADD", "GUILD_BAN_REMOVE", "GUILD_AUDIT_LOG_ENTRY_CREATE"),
    *("INVITE_CREATE", "INVITE_DELETE", "WEBHOOKS_UPDATE", "AUTO_MODERATION_ACTION_EXECUTION"),
    *("AUTO_MODERATION_RULE_CREATE", "AUTO_MODERATION_RULE_UPDATE", "AUTO_MODERATION_RULE_DELETE"),
}
"""What it takes to change nobody's sight."""


class Promise:
    """What a guild is like before an event, to be compared with what the policy vouches for."""

    def __init__(self, core: Dispatcher, name: str, guild_id: int, exclude_user: int) -> None:
        self._core, self._name, self._guild_id, self._excluded = core, name, guild_id, exclude_user
        self._sessions = {key: (core.cohort(key, guild_id), core.sees(key, guild_id)) for key in core.sessions}
        self._people = self._sight()
        self.apart: set[int] = set()
        """Sessions that were told by their keys."""

    def _sight(self) -> dict[int, tuple[Any, frozenset[int]]]:
        """Return what decides over each member's sight, and that, whether they are here or not."""
        guild = None if self._core.guilds is None else self._core.guilds.get(self._guild_id)
        if guild is None:
            return {}
        keys = {member.user_id: guild.cohorts.key_of(member) for member in guild.state.members.values()}
        return {user_id: (key, guild.cohorts.compute(key)) for user_id, key in keys.items()}

    def check(self, certain: bool, users: Sequence[int], by_cohort: bool, cohorts: Sequence[int]) -> None:
        guild = None if self._core.guilds is None else self._core.guilds.get(self._guild_id)
        if self._name in BY_NAME and guild is not None and not len(guild.voice):
            assert (certain, by_cohort, [*cohorts]) == (True, False, []), self._name
            assert set(users) <= {self._excluded}, self._name
        if self._name in CHANGE_NO_SIGHT:
            users, cohorts, certain = (), (), True
            self.apart.clear()
        if not certain:
            return
        for key, (cohort, seen) in self._sessions.items():
            session = self._core.sessions.get(key)
            if session is None or cohort is None or session.user_id in users or cohort in cohorts:
                continue
            assert self._core.cohort(key, self._guild_id) == cohort, self._name
            assert self._core.sees(key, self._guild_id) == seen, self._name
            assert key not in self.apart, self._name
        after = self._sight()
        for user_id, (key, view) in self._people.items():
            if user_id in users or user_id not in after:
                assert user_id in after or user_id in users, f"{self._name}: a member went unnamed"
                continue
            assert after[user_id][0] == key, f"{self._name}: another key for {user_id}"
            assert guild is not None
            found = guild.cohorts.find(key)
            if after[user_id][1] != view:
                assert by_cohort or cohorts, f"{self._name}: {user_id} sees something else"
                assert found is None or found.id in cohorts, f"{self._name}: {user_id} sees something else"


class Dispatcher:
    """A `Batch` that does at once what it is told."""

    def __init__(self) -> None:
        self.sessions: dict[int, Modelled] = {}
        self.views: dict[tuple[int, int], set[int]] = {}
        self.refused: dict[int, int | str] = {}
        self.ended: dict[int, str] = {}
        self.tickets: deque[tuple[int, int, int, int, str, bytes]] = deque()
        self.resolved: list[int] = []
        self.certain: Counter[str] = Counter()
        """Events that the policy vouched for."""
        self.answered = asyncio.Event()
        self.log: list[str] = []
        self.guilds: GuildRegistry | None = None
        self._excluded: dict[int, tuple[str, int, int]] = {}
        self._promise: Promise | None = None
        self._ticket = 0

    def cohort(self, key: int, guild_id: int) -> int | None:
        """Return a session's cohort in a guild."""
        return self.sessions[key].cohorts.get(guild_id)

    def sees(self, key: int, guild_id: int) -> frozenset[int]:
        """Return the channels of a guild whose events reach a session, by the index."""
        cohort = self.cohort(key, guild_id)
        return frozenset(
            channel for (guild, channel), viewers in self.views.items() if guild == guild_id and cohort in viewers
        )

    def __len__(self) -> int:
        return 0

    def publish(self, name: str, body: bytes, *, scope_kind: int, scope_id: int, seq: int = 0, **audience: Any) -> None:
        audience.pop("traced", False)
        if audience.pop("state", False):
            self._ticket += 1
            self._excluded[self._ticket] = name, audience.get("guild", 0), audience.get("exclude_user", 0)
            self.tickets.append((self._ticket, scope_kind, scope_id, seq, name, body))
            return
        self.dispatch(name, body, **audience)

    def accept(
        self,
        session: int,
        *,
        user_id: int,
        bot: bool,
        intents: int,
        shard: tuple[int, int] | None,
        token_digest: bytes,
        compress: bool,
        ready: bytes,
        guilds: Sequence[tuple[int, int, Body | None]],
    ) -> None:
        found = self.sessions[session] = Modelled(user_id, bot, intents)
        found.told.append(("READY", msgspec.json.decode(ready)))
        for guild_id, cohort, body in guilds:
            found.cohorts[guild_id] = cohort
            if body is not None:
                found.told.append(("GUILD_CREATE", msgspec.json.decode(json_of(body))))

    def adopt(self, session: int, **given: Any) -> None:
        raise NotImplementedError("no session of another node comes here")

    def disown(self, session: int) -> None:
        self.refused[session] = "disowned"

    def memo(self, session: int, memo: bytes) -> None:
        self.log.append(f"memo {session}")

    def reject(self, session: int, close_code: int) -> None:
        self.refused[session] = close_code

    def invalid_session(self, session: int) -> None:
        self.refused[session] = "op 9"

    def set_channel(self, guild: int, channel: int, cohorts: Sequence[int]) -> None:
        self.log.append(f"set_channel {channel}")
        self.views[guild, channel] = set(cohorts)

    def remove_channel(self, guild: int, channel: int) -> None:
        self.log.append(f"remove_channel {channel}")
        self.views.pop((guild, channel), None)

    def remove_guild(self, guild: int) -> None:
        self.views = {key: value for key, value in self.views.items() if key[0] != guild}
        for session in self.sessions.values():
            session.cohorts.pop(guild, None)

    def assign(self, session: int, guild: int, cohort: int) -> None:
        self.log.append("assign")
        self.sessions[session].cohorts[guild] = cohort

    def unassign(self, session: int, guild: int) -> None:
        self.log.append("unassign")
        self.sessions[session].cohorts.pop(guild, None)

    def set_passive(self, session: int, guild: int, passive: bool) -> None:
        self.log.append("passive" if passive else "active")
        (self.sessions[session].passive.add if passive else self.sessions[session].passive.discard)(guild)

    def dispatch(
        self,
        name: str,
        body: bytes,
        *,
        sessions: Sequence[int] = (),
        users: Sequence[int] = (),
        cohorts: Sequence[int] = (),
        guild: int = 0,
        channel: int = 0,
        exclude_user: int = 0,
        author: int = 0,
        mentions: Sequence[int] = (),
        gated: bool = False,
        ungated: bool = False,
        bots_only: bool = False,
    ) -> None:
        self.log.append(name)
        if self._promise is not None:
            self._promise.apart.update(sessions)
        needs = 0 if ungated else NEEDS.get(name, Intents.GUILDS if guild else 0)
        for key, session in self.sessions.items():
            cohort = session.cohorts.get(guild)
            if sessions:
                reached = key in sessions
            elif users:
                reached = session.user_id in users
            elif cohorts:
                reached = cohort in cohorts
            elif channel:
                reached = cohort in self.views.get((guild, channel), ())
            else:
                reached = cohort is not None
            if guild in session.passive and name in FOR_LOOKERS and not sessions and not users:
                reached = session.user_id in mentions and cohort in self.views.get((guild, channel), ())
            if not reached or session.user_id == exclude_user or (bots_only and not session.bot):
                continue
            if needs and not session.intents & needs:
                continue
            session.told.append((name, msgspec.json.decode(body)))

    def decide(self, ticket: int) -> None:
        if ticket in self._excluded:
            self._promise = Promise(self, *self._excluded[ticket])

    def resolve(
        self,
        ticket: int,
        *,
        certain: bool = False,
        users: Sequence[int] = (),
        by_cohort: bool = False,
        cohorts: Sequence[int] = (),
    ) -> None:
        if self._promise is not None:
            self._promise.check(certain, users, by_cohort, cohorts)
            self._promise = None
            self.certain[self._excluded[ticket][0]] += certain
        self.resolved.append(ticket)
        self.answered.set()

    def end_session(self, session: int, close_code: int) -> None:
        self.ended[session] = f"close {close_code}"

    def reconnect(self, session: int) -> None:
        self.ended[session] = "op 7"

    def invalidate(self, session: int, resumable: bool) -> None:
        self.ended[session] = f"op 9 {resumable}"

    def drop_connection(self, session: int, close_code: int) -> None:
        self.ended[session] = f"drop {close_code}"

    def break_frame(self, session: int, event: str | None = None) -> None:
        self.ended[session] = "half a frame"

    def stall(self, session: int, for_ms: int) -> None:
        self.ended[session] = f"stall {for_ms}"


class Rig:
    """The parts of a gateway's control side, wired as `GatewayNode` wires them."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self.core = Dispatcher()
        self.clock = clock
        loop = asyncio.get_running_loop()
        orders = Orders(self.core, loop.call_soon)
        world = World(store, clock)
        bus = LocalBus(orders)
        snowflakes = SnowflakeFactory(0, clock, floor=1 << 40)
        self.services = build_services(Context(settings, store, bus, world, snowflakes, clock))
        store.on_commit[:] = [world.on_commit, bus.publish]
        self.sessions = Sessions()
        self.guilds = GuildRegistry(store, clock, bytes, lambda groups: _core.MemberList(groups), Everything())
        self.presences = PresenceBook(
            settings, clock, orders, self.sessions, self.guilds, loop.call_soon, loop.call_later
        )
        self.core.guilds = self.guilds
        metrics = ControlMetrics()
        self.identifier = Identifier(
            self.services,
            orders,
            self.sessions,
            self.guilds,
            self.presences,
            OwnSessions(orders, self.sessions),
            metrics,
            lambda: "ws://127.0.0.1:1",
        )
        self.policy = Policy(orders, self.sessions, self.guilds, self.presences, metrics, clock)
        self._members = members = MemberRequests(orders, self.sessions, self.guilds, clock)
        self.subscriptions = subscriptions = Subscriptions(orders, self.guilds, loop.call_later)
        self.voice = self.services.voice.rooms = Voice(settings, clock, orders, self.guilds)
        self.commands = Commands(
            self.services, orders, self.sessions, self.guilds, self.presences, members, subscriptions, self.voice
        )
        self._keys = 0
        self._taken: defaultdict[int, int] = defaultdict(int)
        self._parts: list[Policy | MemberRequests | Commands | Subscriptions] = [
            self.policy,
            members,
            self.commands,
            subscriptions,
        ]

    async def stop(self) -> None:
        for part in self._parts:
            await part.stop()

    async def identify(self, name: str, **d: Any) -> int:
        """Identify as a user of the small world and return the session's key; all intents unless given."""
        self._keys += 1
        key = self._keys
        payload = {"token": f"{name}-token", "properties": {"os": "linux", "browser": "t", "device": "t"}, **d}
        payload.setdefault("intents", int(ALL) if name not in ("bell", "eddy") else 0x331FFFF)
        payload = {field: value for field, value in payload.items() if value is not ...}
        await self.identifier.identify(key, f"session-{key}", msgspec.json.encode(payload), 10)
        await self.settle()
        return key

    async def who(self, name: str) -> Principal:
        return await self.services.auth.authenticate(f"{name}-token")

    async def settle(self) -> None:
        """Apply the state events that wait, as the dispatcher would hand them over, and run what they started."""
        for _ in range(3):
            await asyncio.sleep(0)
        while tasks := [*self.commands._typing, *self._members._tasks]:
            await asyncio.wait(tasks)
        while self.core.tickets:
            ticket = self.core.tickets.popleft()
            self.policy.apply(*ticket)
            async with asyncio.timeout(5):
                while ticket[0] not in self.core.resolved:
                    self.core.answered.clear()
                    await self.core.answered.wait()
            for _ in range(3):
                await asyncio.sleep(0)
        assert len(self.core.resolved) == len(set(self.core.resolved)), "a ticket was resolved twice"

    def close(self, key: int) -> None:
        """End a session, as `Host` does when the core says that it closed."""
        session = self.sessions.remove(key)
        del self.core.sessions[key]
        if session is None:
            return
        left = list(session.guilds)
        for guild_id in left:
            guild = self.guilds.get(guild_id)
            if guild is not None:
                guild.unseat(session, self.clock())
                self.voice.ended(session, guild)
        self.presences.touch(session.user_id, left)

    def told(self, key: int) -> list[Told]:
        """Return what the session was told since the last call."""
        told = self.core.sessions[key].told
        start, self._taken[key] = self._taken[key], len(told)
        return told[start:]

    def names(self, key: int) -> list[str]:
        """Return the names of what the session was told since the last call, presences apart."""
        return [name for name, _ in self.told(key) if name != "PRESENCE_UPDATE"]

    def sees(self, key: int) -> set[int]:
        """Return the channels whose events reach the session, by the index."""
        cohorts = self.core.sessions[key].cohorts
        return {channel for (guild, channel), viewers in self.core.views.items() if cohorts.get(guild) in viewers}
