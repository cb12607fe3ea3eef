"""Users, members and applications on the wire (protocol.md §4.1, §4.2)."""

from __future__ import annotations

from tocsin.model.entities import Application, Member, User
from tocsin.model.wire.times import Body, optional_timestamp, parse_optional_timestamp, parse_timestamp, timestamp


def user(u: User) -> Body:
    """Render a user as others see them."""
    return {
        "id": str(u.id),
        "username": u.username,
        "discriminator": u.discriminator,
        "global_name": u.global_name,
        "avatar": u.avatar,
        "bot": u.bot,
        "system": u.system,
        "mfa_enabled": False,
        "banner": u.banner,
        "accent_color": u.accent_color,
        "public_flags": u.public_flags,
        "avatar_decoration_data": None,
        "primary_guild": None,
        "collectibles": None,
    }


def own_user(u: User) -> Body:
    """Render a user as they see themselves: with e-mail (null for bots), verified, flags and locale."""
    return {
        **user(u),
        "verified": u.verified,
        "email": None if u.bot else u.email,
        "flags": u.flags,
        "locale": u.locale,
    }


def parse_user(body: Body) -> User:
    """Read a user back. What only they themselves see comes out as its default."""
    return User(
        id=int(body["id"]),
        username=body["username"],
        discriminator=body.get("discriminator", "0"),
        global_name=body.get("global_name"),
        avatar=body.get("avatar"),
        banner=body.get("banner"),
        accent_color=body.get("accent_color"),
        bot=body.get("bot", False),
        system=body.get("system", False),
        email=body.get("email"),
        verified=body.get("verified", True),
        locale=body.get("locale", "en-US"),
        flags=body.get("flags", 0),
        public_flags=body.get("public_flags", 0),
    )


def member(m: Member, u: User | None = None) -> Body:
    """Render a member; with `user` inside when it is given."""
    body: Body = {
        "nick": m.nick,
        "avatar": m.avatar,
        "banner": m.banner,
        "roles": [str(role_id) for role_id in m.roles],
        "joined_at": timestamp(m.joined_at),
        "premium_since": None,
        "deaf": m.deaf,
        "mute": m.mute,
        "flags": m.flags,
        "pending": m.pending,
        "communication_disabled_until": optional_timestamp(m.timeout_until),
        "avatar_decoration_data": None,
        "collectibles": None,
    }
    if u is not None:
        body["user"] = user(u)
    return body


def parse_member(body: Body, guild_id: int, user_id: int) -> Member:
    """Read a member back."""
    return Member(
        guild_id=guild_id,
        user_id=user_id,
        joined_at=parse_timestamp(body["joined_at"]),
        roles=tuple(int(role_id) for role_id in body["roles"]),
        nick=body.get("nick"),
        avatar=body.get("avatar"),
        banner=body.get("banner"),
        deaf=body.get("deaf", False),
        mute=body.get("mute", False),
        pending=body.get("pending", False),
        flags=body.get("flags", 0),
        timeout_until=parse_optional_timestamp(body.get("communication_disabled_until")),
    )


def application(a: Application, owner: User, bot: User) -> Body:
    """Render an application as `GET /oauth2/applications/@me` gives it."""
    return {
        "id": str(a.id),
        "name": a.name,
        "icon": None,
        "description": a.description,
        "summary": "",
        "type": None,
        "rpc_origins": [],
        "bot_public": a.public,
        "bot_require_code_grant": False,
        "bot": own_user(bot),
        "terms_of_service_url": None,
        "privacy_policy_url": None,
        "owner": user(owner),
        "verify_key": "0" * 64,
        "team": None,
        "guild_id": None,
        "primary_sku_id": None,
        "slug": None,
        "cover_image": None,
        "flags": a.flags,
        "approximate_guild_count": 0,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "event_webhooks_url": None,
        "event_webhooks_status": 1,
        "event_webhooks_types": [],
        "tags": [],
        "install_params": None,
        "integration_types_config": {},
        "custom_install_url": None,
        "hook": True,
    }
