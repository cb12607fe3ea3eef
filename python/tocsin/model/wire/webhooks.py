"""Webhooks on the wire (protocol.md §8.8)."""

from __future__ import annotations

from tocsin.model.entities import User, Webhook
from tocsin.model.wire.times import Body
from tocsin.model.wire.users import user


def webhook(w: Webhook, base_url: str, maker: User | None = None) -> Body:
    """Render a webhook with its token. Who made it is shown to those who manage it, not to those with the token."""
    body: Body = {
        "id": str(w.id),
        "type": 1,
        "guild_id": str(w.guild_id),
        "channel_id": str(w.channel_id),
        "name": w.name,
        "avatar": w.avatar,
        "token": w.token,
        "application_id": None,
        "url": f"{base_url}/api/webhooks/{w.id}/{w.token}",
    }
    if maker is not None:
        body["user"] = user(maker)
    return body


def webhook_user(webhook_id: int, name: str, avatar: str | None = None) -> User:
    """Return a webhook as the author of a message."""
    return User(id=webhook_id, username=name, avatar=avatar, discriminator="0000", bot=True)
