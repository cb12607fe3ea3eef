"""ProfileRules: rules of trigger type 6, which look at members' names and quarantine those who have a wrong one.

A member's names are their username, their global name and their nick. They are looked at when a member joins, when any
of them changes, and when what exempts the member does. Quarantined, they see what they saw and may change their nick.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tocsin.model.audit import AuditEntry
from tocsin.model.automod import Action
from tocsin.model.entities import Member, User
from tocsin.model.event import Event
from tocsin.model.permissions import QUARANTINED, Permission
from tocsin.service import guild_events
from tocsin.service.audit import AuditService
from tocsin.service.automod import AUDITED, AutoModService, Hit, execution
from tocsin.service.automod_match import Match
from tocsin.service.guild_events import state_event
from tocsin.store import rows
from tocsin.store.base import Op, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

_MANAGE_GUILD = int(Permission.MANAGE_GUILD)


class Found(NamedTuple):
    """A rule that a name set off."""

    hit: Hit
    name: str


class Judged(NamedTuple):
    """A member as the rules would have them, and which of them their names set off."""

    member: Member
    found: Sequence[Found]


class _Flags(msgspec.Struct, frozen=True):
    user_id: int
    flags: int


class ProfileRules:
    """Judges names, and tells of what rules did."""

    def __init__(self, context: Context, audit: AuditService, automod: AutoModService) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world
        self._audit = audit
        self._automod = automod
        automod.on_profile_rule_change = self._release

    async def judge(self, member: Member, user: User) -> Judged:
        """Return the member quarantined or not, as the guild's rules have it."""
        free = msgspec.structs.replace(member, flags=member.flags & ~QUARANTINED)
        rules = await self._automod.profile_rules(member.guild_id)
        guild = await self._world.guild(member.guild_id) if rules else None
        if guild is None or user.bot:
            return Judged(free, ())
        lasting = msgspec.structs.replace(free, timeout_until=None)
        if guild.permissions(lasting, None, self._context.clock()) & _MANAGE_GUILD:
            return Judged(free, ())
        names = [name for name in (user.username, user.global_name, member.nick) if name]
        found: list[Found] = []
        for rule, matcher in rules:
            if not set(rule.exempt_roles).isdisjoint(member.roles):
                continue
            for name in names:
                match: Match | None
                if matcher.slow:
                    async with self._context.locks.hold(("patterns", member.guild_id)):
                        match = await asyncio.to_thread(matcher.match, name)
                else:
                    match = matcher.match(name)
                if match is not None:
                    found.append(Found(Hit(rule, match), name))
                    break
        blocked = any(action["type"] == Action.BLOCK_INTERACTION for each in found for action in each.hit.rule.actions)
        return Judged(msgspec.structs.replace(free, flags=free.flags | QUARANTINED) if blocked else free, found)

    async def act(self, user: User, judged: Judged, known: Sequence[str | None] = ()) -> None:
        """Alert, and tell of each action, for those names that are not among the `known`."""
        for hit, name in judged.found:
            if name in known:
                continue
            told: list[Event] = []
            ops: list[Op] = []
            entries: list[AuditEntry] = []
            alert = await self._automod.alert(user, judged.member, 0, name, hit, 0, ops, told)
            for action in hit.rule.actions:
                body = execution(hit, action, user.id, 0, name, 0, alert)
                told.append(state_event("AUTO_MODERATION_ACTION_EXECUTION", hit.rule.guild_id, body))
                entries.append(self._audit.of_rule(user.id, AUDITED[Action(action["type"])], hit.rule, 0))
            await self._store.commit(*self._audit.with_entries(ops, told, entries))

    async def _release(self, guild_id: int) -> None:
        """Let those go whom no rule holds any more. Call with the guild's lock held."""
        select = Select(entity=_Flags, table="members", where={"guild_id": guild_id}, above={"flags": QUARANTINED - 1})
        for each in await self._store.find(select):
            member = await self._world.member(guild_id, each.user_id)
            user = await self._world.user(each.user_id)
            if member is None or user is None or not member.flags & QUARANTINED:
                continue
            changed = (await self.judge(member, user)).member
            if changed != member:
                told = guild_events.member_update(changed, user)
                await self._store.commit(rows.member_update_ops(changed), [told])
