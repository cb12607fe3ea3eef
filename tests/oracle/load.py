"""Load: guilds with many channels, people who write in them, and a mover each who keeps changing who may see what."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp

from tests.oracle.ear import TRANSPORTS
from tests.oracle.model import ADMINISTRATOR, VIEW, Guild, Operation, Write
from tocsin.model.intents import ALL, Intents

EVERYONE = VIEW | 1 << 11 | 1 << 16
"""View, send, read history."""
BOT_ALL = 0x331FFFF
MIN_CHANNELS, MAX_CHANNELS, MAX_ROLES = 5, 14, 7
Effects = dict[tuple[str, int], Callable[[Guild], None]]


@dataclass(frozen=True)
class Scale:
    """How large a run is. It ends at `deliveries`; a mover changes something every `ratio` messages of its guild."""

    guilds: int
    people: int
    bots: int
    deliveries: int
    ratio: int
    writers: int
    late: int
    cuts: int


SHORT = Scale(guilds=2, people=14, bots=7, deliveries=12_000, ratio=4, writers=6, late=8, cuts=12)
LONG = Scale(guilds=4, people=90, bots=30, deliveries=1_000_000, ratio=5, writers=12, late=60, cuts=120)


@dataclass(frozen=True)
class Seat:
    """A session to open: whose, how, and the guilds that it covers."""

    user: int
    token: str
    transport: str
    identify: dict[str, Any]
    shard: tuple[int, int] | None

    def covers(self, guild: int) -> bool:
        """Whether the session's shard has the guild."""
        return self.shard is None or (guild >> 22) % self.shard[1] == self.shard[0]


def guild_id(number: int) -> int:
    """The id of the number-th guild; shards take turns."""
    return (number + 1 << 22) + 7


class Town:
    """The world file of a run, its guilds as the model has them, and who listens."""

    def __init__(self, scale: Scale, seed: int, *, passive: bool = False) -> None:
        self.scale, self.passive = scale, passive
        self.dice = random.Random(seed)
        self.people = [10_001 + n for n in range(scale.people)]
        self.bots = [20_001 + n for n in range(scale.bots)]
        self.homes = [guild_id(100), guild_id(101)]
        self.guilds = [self._guild(n) for n in range(scale.guilds)]
        self.parents = {guild.id: dict.fromkeys((guild.id + 3, guild.id + 4), guild.id + 2) for guild in self.guilds}

    def _guild(self, number: int) -> Guild:
        base, dice = guild_id(number), self.dice
        guild = Guild(base, self.people[number], EVERYONE)
        guild.roles = {base + 20 + n: (0, VIEW, 1 << 2, 0)[n] for n in range(4)}
        for user in (*self.people, *self.bots):
            if user == guild.owner or dice.random() < 0.9:
                given = set(dice.sample(sorted(guild.roles), k=dice.choice((0, 1, 1, 2))))
                # A world names owners apart from members, without roles.
                guild.members[user] = set() if user == guild.owner else given
        hidden = {base: Write(0, 0, VIEW)}
        guild.channels = {base + 2: {}, base + 3: {}, base + 4: {}}  # a category and two children in step
        for n in range(5, 11):
            writes = dict(hidden) if n % 2 else {}
            if n % 3 == 0:
                writes[base + 20 + n % 4] = Write(0, VIEW * (n % 2), VIEW * (1 - n % 2))
            guild.channels[base + n] = writes
        return guild

    def is_passive(self, user: int) -> bool:
        """Whether the user's sessions look at no guild, where guilds are large."""
        return self.passive and user not in self.bots

    def token(self, user: int) -> str:
        """The user's token as a header has it."""
        return f"Bot t-{user}" if user in self.bots else f"t-{user}"

    def world(self) -> dict[str, Any]:
        """The world file."""
        people = [{"id": str(each), "username": f"p{each}", "token": f"t-{each}"} for each in self.people]
        bots = [
            {"id": str(each), "username": f"b{each}", "token": f"t-{each}", "bot": True, "intents": "all"}
            for each in self.bots
        ]
        homes = [
            {
                "id": str(home),
                "name": f"home {home}",
                "owner": f"p{self.people[0]}",
                "members": [{"user": f"p{each}"} for each in self.people[1:]]
                + [{"user": f"b{each}"} for each in self.bots],
            }
            for home in self.homes
        ]
        return {"users": people + bots, "guilds": [self._entry(guild) for guild in self.guilds] + homes}

    def _entry(self, guild: Guild) -> dict[str, Any]:
        names = {guild.id: "@everyone"} | {role: f"role {role}" for role in guild.roles}
        roles = [{"id": str(guild.id), "name": "@everyone", "permissions": str(guild.everyone)}]
        roles += [
            {"id": str(role), "name": names[role], "permissions": str(bits)} for role, bits in guild.roles.items()
        ]
        parents = dict.fromkeys((guild.id + 3, guild.id + 4), "attic")
        channels = [
            {
                "id": str(channel),
                "name": "attic" if channel == guild.id + 2 else f"c-{channel}",
                "type": 4 if channel == guild.id + 2 else 0,
                "parent": parents.get(channel),
                "overwrites": [
                    {"role": names[target], "allow": str(each.allow), "deny": str(each.deny)}
                    for target, each in writes.items()
                ],
            }
            for channel, writes in guild.channels.items()
        ]
        members = [
            {"user": f"{'b' if user in self.bots else 'p'}{user}", "roles": [names[each] for each in sorted(roles_of)]}
            for user, roles_of in guild.members.items()
            if user != guild.owner
        ]
        owner = f"p{guild.owner}"
        return {
            "id": str(guild.id),
            "name": f"guild {guild.id}",
            "owner": owner,
            "roles": roles,
            "channels": channels,
            "members": members,
        }

    def seats(self) -> list[Seat]:
        """Every session of the start: people with one or two, bots with fewer intents or two shards."""
        found = []
        for n, user in enumerate(self.people):
            for at in range(1 + (n % 3 == 0)):
                found.append(self.seat(user, n + at))
        for n, user in enumerate(self.bots):
            if n % 3 == 1:
                found += [self.seat(user, n + at, (at, 2)) for at in range(2)]
            else:
                found.append(self.seat(user, n))
        return found

    def seat(self, user: int, turn: int, shard: tuple[int, int] | None = None) -> Seat:
        """One session; `turn` picks its transport and what a bot asks for."""
        intents = int(ALL)
        if user in self.bots:
            kinds = (
                BOT_ALL,
                int(Intents.GUILDS | Intents.GUILD_MESSAGES | Intents.GUILD_MESSAGE_TYPING),
                int(Intents.GUILD_MESSAGES),
                int(Intents.GUILDS | Intents.GUILD_MEMBERS | Intents.GUILD_MODERATION | Intents.GUILD_MESSAGES),
            )
            intents = kinds[turn % len(kinds)]
        extra: dict[str, Any] = {"intents": intents}
        if shard is not None:
            extra["shard"] = list(shard)
        return Seat(user, f"t-{user}", TRANSPORTS[turn % len(TRANSPORTS)], extra, shard)


@dataclass
class Record:
    """What was called: operations in order by guild, and when each message was sent and answered."""

    operations: dict[int, list[Operation]] = field(default_factory=dict)
    posts: dict[int, tuple[float, float]] = field(default_factory=dict)


class Caller:
    """Calls of the HTTP API."""

    def __init__(self, town: Town, api: str, http: aiohttp.ClientSession) -> None:
        self._town, self._api, self._http = town, api, http

    async def call(self, user: int, method: str, path: str, body: Any = None) -> tuple[int, Any, float, float]:
        """Return the status, the body, and the times before it left and when its head was here."""
        sent = time.perf_counter()
        headers = {"Authorization": self._town.token(user)}
        async with self._http.request(method, self._api + path, json=body, headers=headers) as reply:
            done = time.perf_counter()
            content = await reply.json() if reply.content_type == "application/json" else None
            return reply.status, content, sent, done


class Mover:
    """Changes one guild, call after call, and keeps it as the calls make it in `now`."""

    def __init__(self, town: Town, caller: Caller, now: Guild, seed: int) -> None:
        self.now = now
        self.turns = asyncio.Semaphore(0)
        self.done: list[Operation] = []
        self._caller, self._dice = caller, random.Random(seed)
        self._parents = town.parents[now.id]
        self._everybody = [*town.people, *town.bots]
        self._banned: set[int] = set()
        self._stopping = False
        self._timeouts = 0
        self._kinds: list[tuple[Callable[[], Any], int]] = [
            (self._overwrite, 26), (self._unwrite, 8), (self._rewrite, 5), (self._category, 4), (self._channel, 5),
            (self._drop_channel, 5), (self._role_bits, 8), (self._new_role, 2), (self._drop_role, 2),
            (self._everyone, 3), (self._give_or_take, 14), (self._set_roles, 6), (self._kick, 6), (self._ban, 3),
            (self._unban, 3), (self._add, 9), (self._timeout, 3),
        ]  # fmt: skip

    async def run(self) -> None:
        """Make one change a turn, until `finish`."""
        kinds, weights = zip(*self._kinds, strict=True)
        while True:
            await self.turns.acquire()
            if self._stopping:
                return
            (kind,) = self._dice.choices(kinds, weights)
            await kind()

    def finish(self) -> None:
        """End `run` after the change that is under way."""
        self._stopping = True
        self.turns.release()

    async def _do(
        self, method: str, path: str, body: Any, effects: Effects | Callable[[Any], Effects], told: bool = False
    ) -> None:
        """Make the call. What changes nothing must not be in the log, unless it is `told` all the same."""
        status, content, sent, done = await self._caller.call(self.now.owner, method, path, body)
        if status // 100 != 2:
            raise AssertionError(f"{method} {path} {body}: {status} {content}")
        found: Effects = {}
        for key, effect in (effects(content) if callable(effects) else effects).items():
            before = _facts(self.now, key[1])
            effect(self.now)
            if told or before != _facts(self.now, key[1]):
                found[key] = effect
        self.done.append(Operation(f"{method} {path} {body}", found, sent, done))

    # -- what it does

    def _some_channel(self) -> int:
        return self._dice.choice(sorted(self.now.channels.keys() - {self.now.id + 2} - self._parents.keys()))

    def _some_member(self) -> int | None:
        others = sorted(self.now.members.keys() - {self.now.owner})
        return self._dice.choice(others) if others else None

    def _some_write(self) -> tuple[int, Write]:
        dice = self._dice
        allow, deny = dice.choice(((VIEW, 0), (0, VIEW), (0, VIEW), (0, 0), (VIEW, 0)))
        kind = dice.random()
        member = self._some_member()
        if kind < 0.25 or member is None:
            return self.now.id, Write(0, allow, deny)
        if kind < 0.65 and self.now.roles:
            return dice.choice(sorted(self.now.roles)), Write(0, allow, deny)
        return member, Write(1, allow, deny)

    async def _overwrite(self) -> None:
        channel, (target, write) = self._some_channel(), self._some_write()
        body = {"type": write.kind, "allow": str(write.allow), "deny": str(write.deny)}
        effects: Effects = {("CHANNEL_UPDATE", channel): lambda g: g.channels[channel].__setitem__(target, write)}
        await self._do("PUT", f"/channels/{channel}/permissions/{target}", body, effects)

    async def _unwrite(self) -> None:
        channel = self._some_channel()
        if not self.now.channels[channel]:
            return
        target = self._dice.choice(sorted(self.now.channels[channel]))
        effects: Effects = {("CHANNEL_UPDATE", channel): lambda g: g.channels[channel].__delitem__(target)}
        await self._do("DELETE", f"/channels/{channel}/permissions/{target}", None, effects)

    def _body_of(self, writes: dict[int, Write]) -> list[dict[str, Any]]:
        return [
            {"id": str(target), "type": each.kind, "allow": str(each.allow), "deny": str(each.deny)}
            for target, each in writes.items()
        ]

    async def _rewrite(self) -> None:
        channel, writes = self._some_channel(), dict(self._some_write() for _ in range(self._dice.randrange(4)))
        effects: Effects = {("CHANNEL_UPDATE", channel): lambda g: g.channels.__setitem__(channel, dict(writes))}
        await self._do("PATCH", f"/channels/{channel}", {"permission_overwrites": self._body_of(writes)}, effects)

    async def _category(self) -> None:
        category, (target, write) = self.now.id + 2, self._some_write()
        body = {"type": write.kind, "allow": str(write.allow), "deny": str(write.deny)}
        effects: Effects = {}
        for channel in (category, *self._parents):
            effects["CHANNEL_UPDATE", channel] = partial(_put, channel, target, write)
        await self._do("PUT", f"/channels/{category}/permissions/{target}", body, effects)

    async def _channel(self) -> None:
        if len(self.now.channels) >= MAX_CHANNELS:
            return
        writes = dict(self._some_write() for _ in range(self._dice.randrange(3)))
        body = {"name": "more", "type": 0, "permission_overwrites": self._body_of(writes)}
        await self._do(
            "POST",
            f"/guilds/{self.now.id}/channels",
            body,
            lambda d: {("CHANNEL_CREATE", int(d["id"])): lambda g: g.channels.__setitem__(int(d["id"]), dict(writes))},
        )

    async def _drop_channel(self) -> None:
        if len(self.now.channels) <= MIN_CHANNELS:
            return
        channel = self._some_channel()
        effects: Effects = {("CHANNEL_DELETE", channel): lambda g: g.channels.__delitem__(channel)}
        await self._do("DELETE", f"/channels/{channel}", None, effects)

    async def _role_bits(self) -> None:
        if not self.now.roles:
            return
        role = self._dice.choice(sorted(self.now.roles))
        bits = self._dice.choice((0, 0, VIEW, VIEW, 1 << 2, 1 << 7 | VIEW, ADMINISTRATOR))
        effects: Effects = {("GUILD_ROLE_UPDATE", role): lambda g: g.roles.__setitem__(role, bits)}
        await self._do("PATCH", f"/guilds/{self.now.id}/roles/{role}", {"permissions": str(bits)}, effects)

    async def _new_role(self) -> None:
        if len(self.now.roles) >= MAX_ROLES:
            return
        bits = self._dice.choice((0, VIEW))
        await self._do(
            "POST",
            f"/guilds/{self.now.id}/roles",
            {"name": "more", "permissions": str(bits)},
            lambda d: {("GUILD_ROLE_CREATE", int(d["id"])): lambda g: g.roles.__setitem__(int(d["id"]), bits)},
        )

    async def _drop_role(self) -> None:
        if len(self.now.roles) < 3:
            return
        role = self._dice.choice(sorted(self.now.roles))

        def effect(guild: Guild) -> None:
            del guild.roles[role]
            for roles in guild.members.values():
                roles.discard(role)
            for writes in guild.channels.values():
                writes.pop(role, None)

        await self._do("DELETE", f"/guilds/{self.now.id}/roles/{role}", None, {("GUILD_ROLE_DELETE", role): effect})

    async def _everyone(self) -> None:
        bits = EVERYONE if not self.now.everyone & VIEW or self._dice.random() < 0.3 else EVERYONE & ~VIEW
        effects: Effects = {("GUILD_ROLE_UPDATE", self.now.id): lambda g: setattr(g, "everyone", bits)}
        await self._do("PATCH", f"/guilds/{self.now.id}/roles/{self.now.id}", {"permissions": str(bits)}, effects)

    async def _give_or_take(self) -> None:
        member = self._some_member()
        if member is None or not self.now.roles:
            return
        role = self._dice.choice(sorted(self.now.roles))
        held = role in self.now.members[member]
        path = f"/guilds/{self.now.id}/members/{member}/roles/{role}"
        change = set.discard if held else set.add
        effects: Effects = {("GUILD_MEMBER_UPDATE", member): lambda g: change(g.members[member], role)}
        await self._do("DELETE" if held else "PUT", path, None, effects)

    async def _set_roles(self) -> None:
        member = self._some_member()
        if member is None:
            return
        roles = self._dice.sample(sorted(self.now.roles), k=min(len(self.now.roles), self._dice.randrange(3)))
        effects: Effects = {("GUILD_MEMBER_UPDATE", member): lambda g: g.members.__setitem__(member, set(roles))}
        body = {"roles": [str(each) for each in roles]}
        await self._do("PATCH", f"/guilds/{self.now.id}/members/{member}", body, effects)

    async def _kick(self) -> None:
        member = self._some_member()
        if member is None:
            return
        effects: Effects = {("GUILD_MEMBER_REMOVE", member): lambda g: g.members.__delitem__(member)}
        await self._do("DELETE", f"/guilds/{self.now.id}/members/{member}", None, effects)

    async def _ban(self) -> None:
        member = self._some_member()
        if member is None:
            return
        self._banned.add(member)
        effects: Effects = {
            ("GUILD_BAN_ADD", member): lambda g: None,
            ("GUILD_MEMBER_REMOVE", member): lambda g: g.members.__delitem__(member),
        }
        await self._do("PUT", f"/guilds/{self.now.id}/bans/{member}", {}, effects, told=True)

    async def _unban(self) -> None:
        if not self._banned:
            return
        user = self._dice.choice(sorted(self._banned))
        self._banned.discard(user)
        effects: Effects = {("GUILD_BAN_REMOVE", user): lambda g: None}
        await self._do("DELETE", f"/guilds/{self.now.id}/bans/{user}", None, effects, told=True)

    async def _add(self) -> None:
        absent = [user for user in self._everybody if user not in self.now.members and user not in self._banned]
        if not absent:
            return
        user = self._dice.choice(absent)
        effects: Effects = {("GUILD_MEMBER_ADD", user): lambda g: g.members.__setitem__(user, set())}
        await self._do("PUT", f"/guilds/{self.now.id}/members/{user}", {}, effects)

    async def _timeout(self) -> None:
        member = self._some_member()
        if member is None or self.now.base(member) & ADMINISTRATOR:
            return
        self._timeouts += 1  # no two alike: the same again would change nothing
        until = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 60 + self._timeouts))
        effects: Effects = {("GUILD_MEMBER_UPDATE", member): lambda g: None}
        body = {"communication_disabled_until": until}
        await self._do("PATCH", f"/guilds/{self.now.id}/members/{member}", body, effects, told=True)


def _facts(guild: Guild, subject: int) -> tuple[Any, ...]:
    """What an event about `subject` tells of the guild."""
    channel, member = guild.channels.get(subject), guild.members.get(subject)
    return (
        guild.everyone if subject == guild.id else guild.roles.get(subject),
        None if channel is None else dict(channel),
        None if member is None else set(member),
    )


def _put(channel: int, target: int, write: Write, guild: Guild) -> None:
    guild.channels[channel][target] = write


async def write(
    town: Town, caller: Caller, movers: list[Mover], record: Record, seed: int, stop: asyncio.Event
) -> None:
    """Write, edit, delete and type in channels that are there, mostly as owners, until told to stop."""
    dice = random.Random(seed)
    latest: list[tuple[int, int, int]] = []
    count = 0
    while not stop.is_set():
        mover = dice.choice(movers)
        channels = sorted(mover.now.channels.keys() - {mover.now.id + 2})
        members = sorted(mover.now.members)
        if not channels:
            continue
        channel = dice.choice(channels)
        user = mover.now.owner if dice.random() < 0.75 else dice.choice(members)
        kind = dice.random()
        if kind < 0.82 or not latest:
            called = f"<@&{dice.choice(sorted(mover.now.roles))}> " if mover.now.roles and dice.random() < 0.3 else ""
            body = {"content": f"{seed}-{count} {called}" + "words " * dice.randrange(1, 30)}
            status, d, sent, done = await caller.call(user, "POST", f"/channels/{channel}/messages", body)
            if status == 200:
                record.posts[int(d["id"])] = (sent, done)
                latest = [*latest[-20:], (user, channel, int(d["id"]))]
                count += 1
                if count % town.scale.ratio == 0:
                    mover.turns.release()
        elif kind < 0.9:
            user, channel, message = dice.choice(latest)
            body = {"content": f"edited {seed}-{count}"}
            status, d, _, _ = await caller.call(user, "PATCH", f"/channels/{channel}/messages/{message}", body)
        elif kind < 0.95:
            user, channel, message = latest.pop()
            status, d, _, _ = await caller.call(user, "DELETE", f"/channels/{channel}/messages/{message}")
        else:
            status, d, _, _ = await caller.call(user, "POST", f"/channels/{channel}/typing")
        if status // 100 != 2 and status not in (403, 404):
            raise AssertionError(f"{status} {d}")
