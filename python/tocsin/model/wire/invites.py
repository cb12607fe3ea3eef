"""Invites on the wire (protocol.md §4.7)."""

from __future__ import annotations

from tocsin.model.entities import Channel, Guild, Invite, User
from tocsin.model.wire.times import Body, optional_timestamp, timestamp
from tocsin.model.wire.users import user


def invite(i: Invite, guild: Guild, channel: Channel, inviter: User | None) -> Body:
    """Render an invite as anybody who has its code may see it."""
    body: Body = {
        "type": 0,
        "code": i.code,
        "guild_id": str(guild.id),
        "guild": {
            "id": str(guild.id),
            "name": guild.name,
            "icon": guild.icon,
            "splash": guild.splash,
            "banner": guild.banner,
            "description": guild.description,
            "features": list(guild.features),
            "verification_level": guild.verification_level,
            "vanity_url_code": guild.vanity_url_code,
            "nsfw_level": guild.nsfw_level,
            "premium_subscription_count": 0,
        },
        "channel": {"id": str(channel.id), "name": channel.name, "type": channel.type},
        "expires_at": optional_timestamp(i.expires_at),
        "flags": 0,
    }
    if inviter is not None:
        body["inviter"] = user(inviter)
    return body


def invite_metadata(i: Invite) -> Body:
    """Render what only those who manage invites see."""
    return {
        "uses": i.uses,
        "max_uses": i.max_uses,
        "max_age": i.max_age,
        "temporary": i.temporary,
        "created_at": timestamp(i.created_at),
    }
