"""Who is told of automatic moderation: those with MANAGE_GUILD, and of its deeds those who view the channel.

A bot without MESSAGE_CONTENT gets no text (protocol.md §2).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tocsin.gateway.batch import Batch, Effect
from tocsin.gateway.guilds import LiveGuild
from tocsin.model.event import Event
from tocsin.model.intents import Intents
from tocsin.model.permissions import Permission

_MANAGE_GUILD = int(Permission.MANAGE_GUILD)
_CONTENT = int(Intents.MESSAGE_CONTENT)


def tell_rule(guild: LiveGuild, event: Event, batch: Batch) -> Effect:
    """AUTO_MODERATION_RULE_*."""
    guild.state.apply(event)
    cohorts = [each.id for each in guild.cohorts.with_any(_MANAGE_GUILD)]
    if cohorts:
        batch.dispatch(event.name, event.body, cohorts=cohorts, guild=guild.id)
    return Effect(by_cohort=True)


def tell_execution(guild: LiveGuild, event: Event, batch: Batch) -> None:
    """AUTO_MODERATION_ACTION_EXECUTION."""
    guild.state.apply(event)
    told = msgspec.json.decode(event.body)
    channel_id = int(told.get("channel_id", 0))  # of a profile there is none
    whole: list[int] = []
    blank: list[int] = []
    for cohort in guild.cohorts.with_any(_MANAGE_GUILD):
        if channel_id and channel_id not in cohort.view:
            continue
        for user_id in cohort.users:
            for session in guild.seats[user_id].sessions:
                reads = not session.bot or session.intents & _CONTENT
                (whole if reads else blank).append(session.key)
    if whole:
        batch.dispatch(event.name, event.body, sessions=whole, guild=guild.id)
    if blank:
        body = msgspec.json.encode({**told, "content": "", "matched_content": ""})
        batch.dispatch(event.name, body, sessions=blank, guild=guild.id)


HANDLERS: dict[str, Callable[[LiveGuild, Event, Batch], Effect | None]] = {
    "AUTO_MODERATION_RULE_CREATE": tell_rule,
    "AUTO_MODERATION_RULE_UPDATE": tell_rule,
    "AUTO_MODERATION_RULE_DELETE": tell_rule,
    "AUTO_MODERATION_ACTION_EXECUTION": tell_execution,
}
"""What the policy does with each event."""
