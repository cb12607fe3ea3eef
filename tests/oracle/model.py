"""Model: what each session of a guild may be told, worked out from the operations and the order of the committed log.

It shares no code with the server. An operation says what it does to the model; the log only says when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

ADMINISTRATOR, VIEW = 1 << 3, 1 << 10
SEES_BANS = 1 << 2 | 1 << 7 | ADMINISTRATOR
GUILDS, MEMBERS, MODERATION, MESSAGES = 1 << 0, 1 << 1, 1 << 2, 1 << 9


class Write(NamedTuple):
    """An overwrite: `kind` 0 for a role, 1 for a member."""

    kind: int
    allow: int
    deny: int


@dataclass
class Guild:
    """A guild as the tests' own operations make it."""

    id: int
    owner: int
    everyone: int
    roles: dict[int, int] = field(default_factory=dict)
    members: dict[int, set[int]] = field(default_factory=dict)
    channels: dict[int, dict[int, Write]] = field(default_factory=dict)

    def base(self, user: int) -> int:
        """Guild-wide permissions by roles alone."""
        held = self.everyone
        for role in self.members[user]:
            held |= self.roles.get(role, 0)
        return held

    def sees(self, user: int, channel: int) -> bool:
        """Whether the user may view the channel."""
        if user not in self.members:
            return False
        held = self.base(user)
        if user == self.owner or held & ADMINISTRATOR:
            return True
        writes = self.channels[channel]
        view = bool(held & VIEW)
        everyone = writes.get(self.id)
        if everyone is not None:
            view = (view and not everyone.deny & VIEW) or bool(everyone.allow & VIEW)
        own = [writes[role] for role in self.members[user] if role in writes]
        if any(each.deny & VIEW for each in own):
            view = False
        if any(each.allow & VIEW for each in own):
            view = True
        mine = writes.get(user)
        if mine is not None:
            view = (view and not mine.deny & VIEW) or bool(mine.allow & VIEW)
        return view

    def sight(self, user: int) -> frozenset[int]:
        """The channels that the user may view."""
        return frozenset(channel for channel in self.channels if self.sees(user, channel))


@dataclass
class Operation:
    """One call that changes who may see what: its effects by the (event, subject) that the log records each with.

    Times are perf_counter seconds: `sent` before the request left, `done` when the 2xx had come.
    """

    what: str
    effects: dict[tuple[str, int], Callable[[Guild], None]]
    sent: float = 0.0
    done: float = 0.0


class Logged(NamedTuple):
    """One event of a guild's log, in the order of `seq`."""

    seq: int
    name: str
    id: int
    channel: int
    state: bool
    author: int = 0
    roles: tuple[int, ...] = ()
    """Those that a message mentions."""


class Due(NamedTuple):
    """One event that is due to a session; those of one `stage` come in any order. `operation` -1: not by one."""

    stage: int
    name: str
    id: int
    channel: int
    operation: int


Expected = tuple[list[Due], list[frozenset[int]]]
"""What was due, and the user's sight before each of it and at the end."""


class Listener(NamedTuple):
    """A session as far as the model needs it."""

    user: int
    intents: int
    passive: bool = False
    """It does not look at its guilds, which are large."""


class ModelError(Exception):
    """The log holds a change that no operation accounts for, or lacks one."""


def replay(
    guild: Guild, operations: list[Operation], log: list[Logged], listeners: list[Listener]
) -> tuple[list[Expected], list[int]]:
    """Walk the log; return what was due to each listener, and the operation behind each entry of the log (-1: none).

    `guild` is as it was before the log, and is changed.

    Raises:
        ModelError: the log holds a change that no operation made.
    """
    due: list[list[Due]] = [[] for _ in listeners]
    sights: list[list[frozenset[int]]] = [[] for _ in listeners]
    users = sorted({each.user for each in listeners})
    sight = {user: guild.sight(user) for user in users}
    current = -1
    stage = 0
    made: list[int] = []
    pending: dict[tuple[str, int], Callable[[Guild], None]] = {}
    for entry in log:
        before, members = sight, set(guild.members)
        operation = -1
        if entry.state:
            key = (entry.name, entry.id)
            while key not in pending:
                current += 1
                if current == len(operations):
                    raise ModelError(f"no operation made {entry}")
                pending = dict(operations[current].effects)
            pending.pop(key)(guild)
            operation = current
            sight = {user: guild.sight(user) for user in users}
        made.append(operation)
        stage += 10
        for number, (user, intents, passive) in enumerate(listeners):
            saw, sees = before[user], sight[user]
            told: list[Due] = []
            if intents & GUILDS:
                if user in guild.members and user not in members:
                    told.append(Due(stage, "GUILD_CREATE", guild.id, 0, operation))
                elif user in members and user not in guild.members:
                    told.append(Due(stage, "GUILD_DELETE", guild.id, 0, operation))
                else:
                    told += [Due(stage, "CHANNEL_DELETE", each, 0, operation) for each in sorted(saw - sees)]
                    told += [Due(stage + 1, "CHANNEL_CREATE", each, 0, operation) for each in sorted(sees - saw)]
            spared = passive and _is_spared(entry, user, guild.members.get(user, set()))
            if not spared and _is_due(guild, entry, user, intents, saw, sees, members):
                told.append(Due(stage + 2, entry.name, entry.id, entry.channel, operation))
            if told:
                due[number] += told
                sights[number] += [saw] * len(told)
    for number, (user, _, _) in enumerate(listeners):
        sights[number].append(sight[user])
    return list(zip(due, sights, strict=True)), made


def _is_due(
    guild: Guild,
    entry: Logged,
    user: int,
    intents: int,
    saw: frozenset[int],
    sees: frozenset[int],
    members: set[int],
) -> bool:
    """Whether the event itself goes to the session."""
    name = entry.name
    if not entry.state:
        return entry.channel in sees and bool(intents & MESSAGES)
    if name in ("CHANNEL_CREATE", "CHANNEL_DELETE"):
        return False  # told by the change of sight
    if name == "CHANNEL_UPDATE":
        return bool(intents & GUILDS) and entry.id in saw and entry.id in sees
    if user not in guild.members:
        return False
    if name in ("GUILD_BAN_ADD", "GUILD_BAN_REMOVE"):
        return bool(intents & MODERATION) and (user == guild.owner or bool(guild.base(user) & SEES_BANS))
    if name == "GUILD_MEMBER_UPDATE":
        return entry.id == user or bool(intents & MEMBERS)
    if name in ("GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"):
        return entry.id != user and bool(intents & MEMBERS)
    return bool(intents & GUILDS)


def _is_spared(entry: Logged, user: int, roles: set[int]) -> bool:
    """Whether who does not look is not told: but what they said, what was said to their roles, and what they became.

    `roles` are those of the user then.
    """
    if entry.name == "MESSAGE_CREATE":
        return entry.author != user and roles.isdisjoint(entry.roles)
    if entry.name == "GUILD_MEMBER_UPDATE":
        return entry.id != user
    return entry.name in ("GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE", "MESSAGE_UPDATE", "MESSAGE_DELETE")


EXACT = frozenset(
    {
        "GUILD_CREATE", "GUILD_DELETE", "CHANNEL_CREATE", "CHANNEL_DELETE", "CHANNEL_UPDATE", "GUILD_BAN_ADD",
        "GUILD_BAN_REMOVE", "GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE", "GUILD_ROLE_CREATE",
        "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE", "MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE",
    }
)  # fmt: skip
"""The events that are compared one by one. All others only must be of a guild and a channel then in sight."""
