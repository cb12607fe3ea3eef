"""READY: the first dispatch of a session (protocol.md §3.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tocsin.model import wire
from tocsin.service.auth import Principal
from tocsin.service.guild_settings import body_of
from tocsin.service.own import Own

_encode = msgspec.json.Encoder().encode


def ready(
    principal: Principal,
    *,
    version: int,
    session_id: str,
    shard: tuple[int, int] | None,
    guild_ids: Iterable[int],
    sessions: list[dict[str, Any]],
    own: Own,
    resume_gateway_url: str,
    node_id: str,
) -> bytes:
    """Return READY's `d`. Guilds are named only; each follows as GUILD_CREATE. Bots get no `private_channels`."""
    application = principal.application
    body: dict[str, Any] = {
        "v": version,
        "user": wire.own_user(principal.user),
        "guilds": [wire.unavailable_guild(each) for each in guild_ids],
        "session_id": session_id,
        "resume_gateway_url": resume_gateway_url,
        "session_type": "normal",
        "private_channels": own.dms,
        "relationships": [],
        "presences": [],
        "user_settings": own.settings,
        "geo_ordered_rtc_regions": [],
        "guild_join_requests": [],
        "auth": {},
        "_trace": [_encode([node_id, {}]).decode()],
        # People have no application, but libraries fail without the field.
        "application": {
            "id": str(principal.id if application is None else application.id),
            "flags": 0 if application is None else application.flags,
        },
    }
    if shard is not None:
        body["shard"] = list(shard)
    if not principal.is_bot:
        body |= {
            "users": [],
            "read_state": [wire.read_state(each) for each in own.read_states],
            "user_guild_settings": [body_of(each) for each in own.guild_settings],
            "notes": own.notes,
            "user_settings_proto": own.settings_proto,
            "connected_accounts": [],
            "sessions": sessions,
            "merged_members": [],
            "country_code": "US",
            "consents": {"personalization": {"consented": False}},
            "tutorial": None,
            "friend_suggestion_count": 0,
            "experiments": [],
            "guild_experiments": [],
        }
    return _encode(body)
