"""Unread: what READY tells a person of how far they have read, mentions of their roles counted (ADR 0022)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tocsin.gateway.guilds import GuildRegistry, LiveGuild
from tocsin.model.entities import ReadState, RoleMention, UserGuildSettings
from tocsin.model.snowflake import snowflake_at


def roles_of(guilds: GuildRegistry, guild_ids: Iterable[int], user_id: int) -> list[int]:
    """Return the roles of a person in guilds, with @everyone's."""
    roles: list[int] = []
    for guild_id in guild_ids:
        guild = guilds.get(guild_id)
        member = None if guild is None else guild.state.members.get(user_id)
        if member is not None:
            roles += (guild_id, *member.roles)
    return roles


def counted(
    states: Iterable[ReadState],
    mentions: Sequence[RoleMention],
    settings: Iterable[UserGuildSettings],
    guilds: GuildRegistry,
    user_id: int,
) -> list[ReadState]:
    """Return read states with the mentions of the person's roles added, of channels that they may view only."""
    wishes = {each.guild_id: each.settings for each in settings} if mentions else {}
    found: dict[int, set[int]] = {}
    for mention in mentions:
        guild = guilds.get(mention.guild_id)
        if guild is not None and _is_meant(guild, mention, user_id):
            everyone = mention.role_id == mention.guild_id
            if not wishes.get(guild.id, {}).get("suppress_everyone" if everyone else "suppress_roles"):
                found.setdefault(mention.channel_id, set()).add(mention.message_id)
    all_states = [
        msgspec.structs.replace(each, mention_count=each.mention_count + len(found.pop(each.channel_id, ())))
        for each in states
    ]
    never = [
        ReadState(user_id=user_id, channel_id=channel, mention_count=len(messages))
        for channel, messages in found.items()
    ]
    return all_states + never


def _is_meant(guild: LiveGuild, mention: RoleMention, user_id: int) -> bool:
    """Whether a mention is of a role that the person has, in a place that they see, since they are in the guild."""
    member, view = guild.state.members.get(user_id), guild.view_of(user_id)
    if member is None or view is None or mention.channel_id not in view or user_id in mention.passes_by:
        return False
    if mention.role_id != guild.id and mention.role_id not in member.roles:
        return False
    if mention.channel_id in guild.state.threads and user_id not in guild.state.thread_members[mention.channel_id]:
        return False
    return mention.message_id >= snowflake_at(member.joined_at)
