"""Guilds and roles on the wire (protocol.md §4.3)."""

from __future__ import annotations

from collections.abc import Iterable

from tocsin.model.entities import Emoji, Guild, Role
from tocsin.model.wire.emojis import emoji
from tocsin.model.wire.times import Body, optional_id, parse_optional_id


def role(r: Role) -> Body:
    """Render a role."""
    body: Body = {
        "id": str(r.id),
        "name": r.name,
        "description": None,
        "color": r.color,
        "colors": {"primary_color": r.color, "secondary_color": None, "tertiary_color": None},
        "hoist": r.hoist,
        "icon": r.icon,
        "unicode_emoji": r.unicode_emoji,
        "position": r.position,
        "permissions": str(r.permissions),
        "managed": r.managed,
        "mentionable": r.mentionable,
        "flags": r.flags,
    }
    if r.bot_id is not None:
        body["tags"] = {"bot_id": str(r.bot_id)}
    return body


def parse_role(body: Body, guild_id: int) -> Role:
    """Read a role back."""
    tags = body.get("tags") or {}
    return Role(
        id=int(body["id"]),
        guild_id=guild_id,
        name=body["name"],
        permissions=int(body["permissions"]),
        position=body["position"],
        color=body.get("color", 0),
        hoist=body.get("hoist", False),
        mentionable=body.get("mentionable", False),
        managed=body.get("managed", False),
        icon=body.get("icon"),
        unicode_emoji=body.get("unicode_emoji"),
        flags=body.get("flags", 0),
        bot_id=parse_optional_id(tags.get("bot_id")),
    )


def unavailable_guild(guild_id: int) -> Body:
    """Render a guild of which only the id is known yet, as in READY."""
    return {"id": str(guild_id), "unavailable": True}


def guild(g: Guild, roles: Iterable[Role], emojis: Iterable[Emoji] = ()) -> Body:
    """Render a guild without what only GUILD_CREATE carries (channels, members, presences)."""
    return {
        "id": str(g.id),
        "name": g.name,
        "icon": g.icon,
        "icon_hash": None,
        "splash": g.splash,
        "discovery_splash": g.discovery_splash,
        "owner_id": str(g.owner_id),
        "region": None,
        "afk_channel_id": optional_id(g.afk_channel_id),
        "afk_timeout": g.afk_timeout,
        "widget_enabled": g.widget_enabled,
        "widget_channel_id": optional_id(g.widget_channel_id),
        "verification_level": g.verification_level,
        "default_message_notifications": g.default_message_notifications,
        "explicit_content_filter": g.explicit_content_filter,
        "roles": [role(r) for r in roles],
        "emojis": [emoji(e) for e in emojis],
        "features": list(g.features),
        "mfa_level": g.mfa_level,
        "application_id": None,
        "system_channel_id": optional_id(g.system_channel_id),
        "system_channel_flags": g.system_channel_flags,
        "rules_channel_id": optional_id(g.rules_channel_id),
        "max_presences": None,
        "max_members": 500000,
        "vanity_url_code": g.vanity_url_code,
        "description": g.description,
        "banner": g.banner,
        "premium_tier": g.premium_tier,
        "premium_subscription_count": 0,
        "preferred_locale": g.preferred_locale,
        "public_updates_channel_id": optional_id(g.public_updates_channel_id),
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "nsfw_level": g.nsfw_level,
        "nsfw": g.nsfw_level in (1, 3),
        "stickers": [],
        "premium_progress_bar_enabled": g.premium_progress_bar_enabled,
        "safety_alerts_channel_id": optional_id(g.safety_alerts_channel_id),
        "hub_type": None,
        "latest_onboarding_question_id": None,
        "incidents_data": None,
        "inventory_settings": None,
        "home_header": None,
    }


def parse_guild(body: Body) -> Guild:
    """Read a guild back."""
    return Guild(
        id=int(body["id"]),
        name=body["name"],
        owner_id=int(body["owner_id"]),
        icon=body.get("icon"),
        splash=body.get("splash"),
        discovery_splash=body.get("discovery_splash"),
        banner=body.get("banner"),
        description=body.get("description"),
        afk_channel_id=parse_optional_id(body.get("afk_channel_id")),
        afk_timeout=body.get("afk_timeout", 300),
        verification_level=body.get("verification_level", 0),
        default_message_notifications=body.get("default_message_notifications", 0),
        explicit_content_filter=body.get("explicit_content_filter", 0),
        features=tuple(body.get("features", ())),
        mfa_level=body.get("mfa_level", 0),
        system_channel_id=parse_optional_id(body.get("system_channel_id")),
        system_channel_flags=body.get("system_channel_flags", 0),
        rules_channel_id=parse_optional_id(body.get("rules_channel_id")),
        public_updates_channel_id=parse_optional_id(body.get("public_updates_channel_id")),
        safety_alerts_channel_id=parse_optional_id(body.get("safety_alerts_channel_id")),
        vanity_url_code=body.get("vanity_url_code"),
        premium_tier=body.get("premium_tier", 0),
        preferred_locale=body.get("preferred_locale", "en-US"),
        nsfw_level=body.get("nsfw_level", 0),
        premium_progress_bar_enabled=body.get("premium_progress_bar_enabled", False),
        widget_enabled=body.get("widget_enabled", False),
        widget_channel_id=parse_optional_id(body.get("widget_channel_id")),
    )
