"""AuditService: who did what in a guild, and why (protocol.md §8.7).

Every commit of a request that names its actor passes `amend`, which tells from the commit's events what was done and
adds the entries to the same transaction. What no event tells, the service that does it notes beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.model import automod, wire
from tocsin.model.audit import AuditAction, AuditEntry, entry_body
from tocsin.model.automod import AutoModRule
from tocsin.model.entities import Webhook
from tocsin.model.event import Event
from tocsin.model.permissions import Permission
from tocsin.model.snowflake import snowflake_at
from tocsin.service.audit_drafts import Before, Draft, drafts_of
from tocsin.service.auth import Principal
from tocsin.service.guild_events import state_event
from tocsin.store import rows
from tocsin.store.base import Delete, Op, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

_VIEW = int(Permission.VIEW_AUDIT_LOG)
Body = dict[str, Any]


class Acting(msgspec.Struct):
    """Who acts in this request, and why. Nobody, until the route says so."""

    user_id: int = 0
    reason: str | None = None
    drafts: list[Draft] = []


_acting: ContextVar[Acting | None] = ContextVar("acting", default=None)


@contextmanager
def request() -> Iterator[None]:
    """A request, whose commits are told apart from others'."""
    token = _acting.set(Acting())
    try:
        yield
    finally:
        _acting.reset(token)


def acts(user_id: int, reason: str | None) -> None:
    """From here on, what this request commits is the user's doing."""
    acting = _acting.get()
    if acting is not None:
        acting.user_id, acting.reason = user_id, reason


def note(action: AuditAction, target_id: int | None, changes: list[Body] | None = None, **options: str) -> None:
    """Have the next commit of this request tell what its events do not."""
    acting = _acting.get()
    if acting is not None:
        acting.drafts.append(Draft(action, target_id, changes or [], options))


def rule_options(rule: AutoModRule) -> dict[str, str]:
    """Return what entries about a rule say of it."""
    return {"auto_moderation_rule_name": rule.name, "auto_moderation_rule_trigger_type": str(rule.trigger_type)}


class AuditService:
    """Writes and lists entries."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world

    # -- write

    def amend(self, ops: Sequence[Op], events: Sequence[Event]) -> tuple[Sequence[Op], Sequence[Event]]:
        """Add the entries of what a commit does (`Store.amend`)."""
        acting = _acting.get()
        if acting is None or not acting.user_id:
            return ops, events
        noted, acting.drafts = acting.drafts, []
        guild_id = next((event.guild_id for event in events if event.guild_id), 0)
        if not guild_id or any(event.name == "GUILD_DELETE" for event in events):
            return ops, events
        before = Before(
            self._world.guild_at_hand(guild_id),
            lambda user_id: self._world.member_at_hand(guild_id, user_id),
            self._world.thread_at_hand,
        )
        found = list(drafts_of(events, before))
        if any(draft.action is AuditAction.MEMBER_PRUNE for draft in noted):
            # One entry tells of all who go.
            found = [draft for draft in found if draft.action is not AuditAction.MEMBER_KICK]
        added = [self._entry(guild_id, acting.user_id, draft, acting.reason) for draft in [*noted, *found]]
        return self.with_entries(ops, events, added)

    @staticmethod
    def with_entries(
        ops: Sequence[Op], events: Sequence[Event], entries: Sequence[AuditEntry]
    ) -> tuple[Sequence[Op], Sequence[Event]]:
        """Return a commit with entries, told after all else."""
        if not entries:
            return ops, events
        more = [op for entry in entries for op in rows.audit_entry_ops(entry)]
        return [*ops, *more], [*events, *(_told(entry) for entry in entries)]

    def of_rule(self, user_id: int, action: AuditAction, rule: AutoModRule, channel_id: int) -> AuditEntry:
        """Return the entry of what a rule did about a user's message, or without a channel about their name."""
        options = {**rule_options(rule), **({"channel_id": str(channel_id)} if channel_id else {})}
        return self._entry(rule.guild_id, user_id, Draft(action, user_id, options=options), None)

    async def write(
        self, guild_id: int, user_id: int, action: AuditAction, target_id: int | None, **options: str
    ) -> None:
        """Write an entry by itself, of what is kept in no table. `options` as on the wire."""
        acting = _acting.get()
        reason = None if acting is None else acting.reason
        entry = self._entry(guild_id, user_id, Draft(action, target_id, options=options), reason)
        await self._store.commit(rows.audit_entry_ops(entry), [_told(entry)])

    def _entry(self, guild_id: int, user_id: int, draft: Draft, reason: str | None) -> AuditEntry:
        return AuditEntry(
            id=self._context.snowflakes.next(),
            guild_id=guild_id,
            user_id=user_id,
            target_id=draft.target_id,
            action_type=int(draft.action),
            changes=draft.changes,
            options=draft.options,
            reason=reason,
        )

    async def prune(self, now_ms: int) -> None:
        """Forget what is older than `audit_window_ms`."""
        oldest = snowflake_at(now_ms - self._context.settings.audit_window_ms)
        old = Select(entity=AuditEntry, table="audit_log", where={}, below={"id": oldest}, limit=1)
        if await self._store.find(old):
            await self._store.commit([Delete("audit_log", {}, below={"id": oldest})])

    # -- read

    async def list_of(
        self,
        actor: Principal,
        guild_id: int,
        *,
        user_id: int = 0,
        action_type: int = 0,
        before: int = 0,
        after: int = 0,
        limit: int = 50,
    ) -> Body:
        """Return a page of entries, the newest first (with `after`, the oldest), and what they name.

        Raises:
            errors.ApiError: 10004, 50001, 50013 without VIEW_AUDIT_LOG.
        """
        await self._world.require_guild(guild_id, actor.id, _VIEW)
        where: Body = {"guild_id": guild_id}
        if user_id:
            where["user_id"] = user_id
        if action_type:
            where["action_type"] = action_type
        entries = await self._store.find(
            Select(
                entity=AuditEntry,
                table="audit_log",
                where=where,
                above={"id": after} if after else {},
                below={"id": before} if before else {},
                order="id" if after and not before else "-id",
                limit=limit,
            )
        )
        return await self._render(guild_id, entries)

    async def _render(self, guild_id: int, entries: list[AuditEntry]) -> Body:
        named: dict[int, list[int]] = {}
        for entry in entries:
            if entry.target_id is not None:
                named.setdefault(entry.action_type // 10, []).append(entry.target_id)
        # 20 to 27 are about members, 72 to 75 about messages' authors, 143 to 145 about who was stopped.
        people = [*(entry.user_id for entry in entries), *named.get(2, ()), *named.get(7, ()), *named.get(14, ())]
        users = await self._world.users(people)
        webhooks = await self._named(Webhook, "webhooks", guild_id, named.get(5, []))
        rules = await self._named(AutoModRule, "auto_moderation_rules", guild_id, named.get(14, []))
        return {
            "audit_log_entries": [entry_body(entry) for entry in entries],
            "users": [wire.user(user) for user in users.values()],
            "webhooks": [_shown(each) for each in webhooks],
            "auto_moderation_rules": [automod.rule_body(each) for each in rules],
            "application_commands": [],
            "guild_scheduled_events": [],
            "integrations": [],
            "threads": [],
        }

    async def _named(self, entity: type[Any], table: str, guild_id: int, ids: list[int]) -> list[Any]:
        if not ids:
            return []
        where = {"id": sorted(set(ids)), "guild_id": guild_id}
        return await self._store.find(Select(entity=entity, table=table, where=where))


def _shown(webhook: Webhook) -> Body:
    """Render a webhook without its token, by which anyone may write."""
    body = wire.webhook(webhook, "")
    return {key: value for key, value in body.items() if key not in ("token", "url")}


def _told(entry: AuditEntry) -> Event:
    body = {**entry_body(entry), "guild_id": str(entry.guild_id)}
    return state_event("GUILD_AUDIT_LOG_ENTRY_CREATE", entry.guild_id, body)
