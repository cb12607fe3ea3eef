"""AutoModService: a guild's rules of automatic moderation, and what they do to messages.

Who has MANAGE_GUILD, and every bot, writes what they like. A guild without rules costs a message one look-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tocsin.errors import BadRequest, InvalidForm, MissingPermissions, NotFound
from tocsin.model.audit import AuditAction, AuditEntry
from tocsin.model.automod import Action, AutoModRule, Trigger, rule_body
from tocsin.model.entities import Member, Message, User
from tocsin.model.event import Event
from tocsin.model.permissions import Permission
from tocsin.service import events, guild_events
from tocsin.service.audit import AuditService, note, rule_options
from tocsin.service.audit_drafts import changes_between
from tocsin.service.auth import Principal
from tocsin.service.automod_form import check_rule, metadata_for, wrong_patterns
from tocsin.service.automod_match import Compile, Keywords, Match, Mentions, SpamWatch, no_patterns
from tocsin.service.automod_presets import Presets
from tocsin.service.cache import ReadThrough
from tocsin.service.guild_events import state_event
from tocsin.service.message_view import NOTHING_MORE, for_event
from tocsin.service.world import ChannelAccess, GuildAccess
from tocsin.store import rows
from tocsin.store.base import Delete, Op, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

GUILDS_KEPT = 4096
MAX_RULES = {
    Trigger.KEYWORD: 6,
    Trigger.SPAM: 1,
    Trigger.KEYWORD_PRESET: 1,
    Trigger.MENTION_SPAM: 1,
    Trigger.MEMBER_PROFILE: 1,
}
ALERT = 24
"""The type of the message that an alert is."""

AUDITED = {
    Action.BLOCK: AuditAction.AUTO_MODERATION_BLOCK_MESSAGE,
    Action.ALERT: AuditAction.AUTO_MODERATION_FLAG_TO_CHANNEL,
    Action.TIMEOUT: AuditAction.AUTO_MODERATION_USER_COMMUNICATION_DISABLED,
    Action.BLOCK_INTERACTION: AuditAction.AUTO_MODERATION_QUARANTINE_USER,
}
"""What the log says of each action."""

_MANAGE_GUILD = int(Permission.MANAGE_GUILD)
_MODERATE = int(Permission.MODERATE_MEMBERS)
_encode = msgspec.json.Encoder().encode
Body = dict[str, Any]


class Ready(NamedTuple):
    """An enabled rule and its matcher; None for spam, whose watch is the guilds' own."""

    rule: AutoModRule
    matcher: Keywords | Mentions | None


class ProfileRule(NamedTuple):
    """An enabled rule for members' names."""

    rule: AutoModRule
    matcher: Keywords


class Hit(NamedTuple):
    """A rule that a message set off."""

    rule: AutoModRule
    match: Match

    @property
    def blocks(self) -> bool:
        """Whether the message must not be sent."""
        return any(action["type"] == Action.BLOCK for action in self.rule.actions)


class RuleSet:
    """The enabled rules of a guild. Truthy even when empty, so that a cache tells it from none."""

    __slots__ = ("profiles", "rules")

    def __init__(self, rules: Sequence[AutoModRule], presets: Presets, compile_patterns: Compile) -> None:
        self.rules: list[Ready] = []
        self.profiles: list[ProfileRule] = []
        for rule in rules:
            matcher = _matcher(rule, presets, compile_patterns)
            if rule.trigger_type != Trigger.MEMBER_PROFILE:
                self.rules.append(Ready(rule, matcher))
            elif isinstance(matcher, Keywords):
                self.profiles.append(ProfileRule(rule, matcher))


NO_RULES = RuleSet((), Presets(), no_patterns)


def _matcher(rule: AutoModRule, presets: Presets, compile_patterns: Compile) -> Keywords | Mentions | None:
    given = rule.trigger_metadata
    if rule.trigger_type in (Trigger.KEYWORD, Trigger.MEMBER_PROFILE):
        words, allowed, patterns = given["keyword_filter"], given["allow_list"], given["regex_patterns"]
        return Keywords(words, allowed, patterns, compile_patterns=compile_patterns)
    if rule.trigger_type == Trigger.KEYWORD_PRESET:
        # A list that the operator has taken away matches nothing.
        lists = [presets.lists[each] for each in given["presets"] if each in presets.lists]
        return Keywords((), given["allow_list"], lists=lists)
    if rule.trigger_type == Trigger.MENTION_SPAM:
        return Mentions(given["mention_total_limit"])
    return None


class AutoModService:
    """Keeps rules, judges messages by them, and carries out what they say."""

    def __init__(self, context: Context, audit: AuditService) -> None:
        self._audit = audit
        self._context = context
        self._store = context.store
        self._world = context.world
        self._sets: ReadThrough[int, RuleSet] = ReadThrough(GUILDS_KEPT, self._load)
        self._spam = SpamWatch()
        self._presets = Presets(context.settings.automod_presets)
        self.on_profile_rule_change: Callable[[int], Awaitable[None]] = _nobody_held
        """Awaited when a rule for profiles was changed or deleted, with the guild's lock held."""
        context.world.on_rules_change.append(self._sets.drop)

    async def _load(self, guild_id: int) -> RuleSet:
        rules = [rule for rule in await self._rules(guild_id) if rule.enabled]
        return await asyncio.to_thread(RuleSet, rules, self._presets, self._context.patterns) if rules else NO_RULES

    async def _rules(self, guild_id: int) -> list[AutoModRule]:
        return await self._store.find(
            Select(entity=AutoModRule, table="auto_moderation_rules", where={"guild_id": guild_id}, order="id")
        )

    # -- rules

    async def list_of(self, actor: Principal, guild_id: int) -> list[Body]:
        """Return a guild's rules. Raises 10004, 50001 or 50013 (MANAGE_GUILD)."""
        await self._manager(actor, guild_id)
        return [rule_body(rule) for rule in await self._rules(guild_id)]

    async def get(self, actor: Principal, guild_id: int, rule_id: int) -> Body:
        """Return one rule. Raises as `list_of`, and 404 for none."""
        await self._manager(actor, guild_id)
        return rule_body(await self._rule(guild_id, rule_id))

    async def create(self, actor: Principal, guild_id: int, changes: Body) -> Body:
        """Make a rule.

        Raises:
            errors.ApiError: 10004, 50001, 50013 (MANAGE_GUILD; MODERATE_MEMBERS for a timeout) or 50035.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._manager(actor, guild_id)
            fields = dict(changes)
            fields["trigger_metadata"] = metadata_for(fields["trigger_type"], fields.get("trigger_metadata", {}))
            rule = AutoModRule(id=self._context.snowflakes.next(), guild_id=guild_id, creator_id=actor.id, **fields)
            await self._check(access, rule)
            same = [each for each in await self._rules(guild_id) if each.trigger_type == rule.trigger_type]
            if len(same) >= MAX_RULES[Trigger(rule.trigger_type)]:
                code = "AUTO_MODERATION_MAX_RULES_OF_TYPE_EXCEEDED"
                message = "This guild has as many rules of this trigger type as it may have."
                raise InvalidForm({"_errors": [{"code": code, "message": message}]})
            _note(AuditAction.AUTO_MODERATION_RULE_CREATE, rule, {}, rule_body(rule))
            await self._save(rule, "AUTO_MODERATION_RULE_CREATE")
            return rule_body(rule)

    async def update(self, actor: Principal, guild_id: int, rule_id: int, changes: Body) -> Body:
        """Change a rule; its trigger type stays. Raises as `create`, and 404 for none."""
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._manager(actor, guild_id)
            rule = await self._rule(guild_id, rule_id)
            fields = dict(changes)
            if "trigger_metadata" in fields:
                given = {**rule.trigger_metadata, **fields["trigger_metadata"]}
                fields["trigger_metadata"] = metadata_for(rule.trigger_type, given)
            changed = msgspec.structs.replace(rule, **fields)
            if changed != rule:
                await self._check(access, changed)
                _note(AuditAction.AUTO_MODERATION_RULE_UPDATE, changed, rule_body(rule), rule_body(changed))
                await self._save(changed, "AUTO_MODERATION_RULE_UPDATE")
                if rule.trigger_type == Trigger.MEMBER_PROFILE:
                    await self.on_profile_rule_change(guild_id)
            return rule_body(changed)

    async def delete(self, actor: Principal, guild_id: int, rule_id: int) -> None:
        """Delete a rule. Raises as `get`."""
        async with self._context.locks.hold(("guild", guild_id)):
            await self._manager(actor, guild_id)
            rule = await self._rule(guild_id, rule_id)
            _note(AuditAction.AUTO_MODERATION_RULE_DELETE, rule, rule_body(rule), {})
            event = state_event("AUTO_MODERATION_RULE_DELETE", guild_id, rule_body(rule))
            await self._store.commit([Delete("auto_moderation_rules", {"id": rule.id})], [event])
            if rule.trigger_type == Trigger.MEMBER_PROFILE:
                await self.on_profile_rule_change(guild_id)

    async def _check(self, access: GuildAccess, rule: AutoModRule) -> None:
        state = access.guild
        patterns = rule.trigger_metadata.get("regex_patterns", ())
        wrong = await asyncio.to_thread(wrong_patterns, patterns, self._context.patterns)
        sees = frozenset(each.id for each in state.channels.values() if state.can_view(access.member, each))
        check_rule(rule, state, sees, self._presets.lists, wrong)
        if any(action["type"] == Action.TIMEOUT for action in rule.actions):
            access.need(_MODERATE)

    async def _save(self, rule: AutoModRule, name: str) -> None:
        await self._store.commit(
            rows.auto_moderation_rule_ops(rule), [state_event(name, rule.guild_id, rule_body(rule))]
        )

    async def _manager(self, actor: Principal, guild_id: int) -> GuildAccess:
        return await self._world.require_guild(guild_id, actor.id, _MANAGE_GUILD)

    async def _rule(self, guild_id: int, rule_id: int) -> AutoModRule:
        where = {"guild_id": guild_id, "id": rule_id}
        rule = await self._store.find_one(Select(entity=AutoModRule, table="auto_moderation_rules", where=where))
        if rule is None:
            raise NotFound(0, "404: Not Found")  # Discord has no code of its own for it
        return rule

    # -- messages

    async def judge(self, actor: Principal, access: ChannelAccess, content: str) -> Sequence[Hit]:
        """Return the rules that a text sets off, if the actor sent it to this channel."""
        guild_id = access.channel.guild_id
        if not guild_id or not content:
            return ()
        found = self._sets.peek(guild_id) or await self._sets.get(guild_id)
        if found is None or found is NO_RULES:
            return ()
        return await self._hits(found, actor, access, content)

    async def profile_rules(self, guild_id: int) -> Sequence[ProfileRule]:
        """Return a guild's enabled rules for members' names."""
        found = self._sets.peek(guild_id) or await self._sets.get(guild_id)
        return () if found is None else found.profiles

    async def _hits(self, found: RuleSet, actor: Principal, access: ChannelAccess, content: str) -> list[Hit]:
        member, guild, channel = access.member, access.guild, access.channel
        if actor.is_bot or member is None or guild is None:
            return []
        now = self._context.clock()
        held = guild.permissions(msgspec.structs.replace(member, timeout_until=None), None, now)
        if held & _MANAGE_GUILD:
            return []
        hits = []
        for rule, matcher in found.rules:
            exempt = rule.exempt_channels
            # A thread is exempt with its parent.
            if not {channel.id, channel.parent_id}.isdisjoint(exempt) or not set(rule.exempt_roles).isdisjoint(
                member.roles
            ):
                continue
            if matcher is None:
                match = self._spam.match(channel.guild_id, actor.id, content, now)
            elif isinstance(matcher, Keywords) and matcher.slow:
                # One text of a guild at a time, so that no guild's patterns take more than one core.
                async with self._context.locks.hold(("patterns", channel.guild_id)):
                    match = await asyncio.to_thread(matcher.match, content)
            else:
                match = matcher.match(content)
            if match is not None:
                hits.append(Hit(rule, match))
        return hits

    async def act(
        self, actor: Principal, access: ChannelAccess, content: str, hits: Sequence[Hit], message_id: int = 0
    ) -> None:
        """Alert, time out, and tell of each action. `message_id`: the message, if it was sent."""
        for hit in hits:
            told: list[Event] = []
            ops: list[Op] = []
            entries: list[AuditEntry] = []
            alert = await self.alert(actor.user, access.member, access.channel.id, content, hit, message_id, ops, told)
            for action in hit.rule.actions:
                body = execution(hit, action, actor.id, access.channel.id, content, message_id, alert)
                told.append(state_event("AUTO_MODERATION_ACTION_EXECUTION", hit.rule.guild_id, body))
                action_type = AUDITED[Action(action["type"])]
                entries.append(self._audit.of_rule(actor.id, action_type, hit.rule, access.channel.id))
            await self._store.commit(*self._audit.with_entries(ops, told, entries))
            for action in hit.rule.actions:
                if action["type"] == Action.TIMEOUT:
                    await self._time_out(actor, hit.rule.guild_id, action["metadata"]["duration_seconds"])

    async def refuse(self, actor: Principal, access: ChannelAccess, content: str, hits: Sequence[Hit]) -> None:
        """Carry out what blocks a message, and raise.

        Raises:
            errors.BadRequest: 200000, if any rule blocks; else nothing happens.
        """
        if not any(hit.blocks for hit in hits):
            return
        await self.act(actor, access, content, hits)
        said = next(hit for hit in hits if hit.blocks)
        custom = next(
            (
                action["metadata"].get("custom_message")
                for action in said.rule.actions
                if action["type"] == Action.BLOCK
            ),
            None,
        )
        raise BadRequest(200000, custom or "Message was blocked by automatic moderation")

    async def alert(
        self,
        user: User,
        member: Member | None,
        channel_id: int,
        content: str,
        hit: Hit,
        message_id: int,
        ops: list[Op],
        told: list[Event],
    ) -> int:
        """Add an alert's message to `ops` and `told`; return its id, or 0 for a rule without one.

        `channel_id` and `message_id` are 0 where it is not about a message.
        """
        action = next((each for each in hit.rule.actions if each["type"] == Action.ALERT), None)
        channel = None if action is None else await self._world.channel(int(action["metadata"]["channel_id"]))
        if channel is None or channel.guild_id != hit.rule.guild_id:
            return 0
        fields = {
            "rule_name": hit.rule.name,
            "channel_id": str(channel_id) if channel_id else None,
            "keyword": hit.match.keyword,
            "keyword_matched_content": hit.match.content,
            "flagged_message_id": str(message_id) if message_id else None,
        }
        embed = {
            "type": "auto_moderation_message",
            "description": content,
            "fields": [
                {"name": name, "value": value, "inline": False} for name, value in fields.items() if value is not None
            ],
        }
        alert = Message(
            id=self._context.snowflakes.next(),
            channel_id=channel.id,
            guild_id=channel.guild_id,
            author_id=user.id,
            content="",
            type=ALERT,
            embeds=[embed],
        )
        ops += rows.message_ops(alert)
        body = for_event(alert, user, member, NOTHING_MORE)
        told.append(events.message_event("MESSAGE_CREATE", channel, alert, body))
        return alert.id

    async def _time_out(self, actor: Principal, guild_id: int, seconds: int) -> None:
        async with self._context.locks.hold(("guild", guild_id)):
            member = await self._world.member(guild_id, actor.id)
            until = self._context.clock() + seconds * 1000
            if member is None or (member.timeout_until or 0) >= until:
                return
            changed = msgspec.structs.replace(member, timeout_until=until)
            told = guild_events.member_update(changed, actor.user)
            await self._store.commit(rows.member_update_ops(changed), [told])


def need_to_delete(message_type: int, access: ChannelAccess) -> None:
    """Raise `MissingPermissions` for an alert's deletion without MANAGE_MESSAGES: its author is who it tells of."""
    if message_type == ALERT and not access.permissions & int(Permission.MANAGE_MESSAGES):
        raise MissingPermissions


def _note(action: AuditAction, rule: AutoModRule, old: Body, new: Body) -> None:
    note(action, rule.id, changes_between(old, new), **rule_options(rule))


async def _nobody_held(guild_id: int) -> None:
    """Nobody is held."""


def execution(
    hit: Hit, action: Body, user_id: int, channel_id: int, content: str, message_id: int, alert_id: int
) -> Body:
    """Return the body of AUTO_MODERATION_ACTION_EXECUTION; ids that are 0 are left out."""
    body: Body = {
        "guild_id": str(hit.rule.guild_id),
        "action": action,
        "rule_id": str(hit.rule.id),
        "rule_trigger_type": hit.rule.trigger_type,
        "user_id": str(user_id),
        "content": content,
        "matched_keyword": hit.match.keyword,
        "matched_content": hit.match.content,
    }
    if channel_id:
        body["channel_id"] = str(channel_id)
    if message_id:
        body["message_id"] = str(message_id)
    if alert_id:
        body["alert_system_message_id"] = str(alert_id)
    return body
