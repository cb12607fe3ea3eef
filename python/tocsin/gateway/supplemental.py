"""READY_SUPPLEMENTAL: what people's clients wait for after READY and the guilds (protocol.md §3.1).

For sessions with PRIORITIZED_READY_PAYLOAD only. What it shows of a guild is in GUILD_CREATE too, or nobody's secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tocsin.gateway.cohorts import Cohort
from tocsin.gateway.guilds import LiveGuild
from tocsin.gateway.session import Session
from tocsin.model import wire
from tocsin.model.intents import Intents

PRIORITIZED_READY_PAYLOAD = 1 << 5
"""The capability (protocol.md §1.12)."""
NAME = "READY_SUPPLEMENTAL"

_SEES_GUILDS = int(Intents.GUILDS)
_SEES_PRESENCES = int(Intents.GUILD_PRESENCES)
_SEES_VOICE = int(Intents.GUILD_VOICE_STATES)
_encode = msgspec.json.Encoder().encode


def supplemental(session: Session, guilds: Iterable[tuple[LiveGuild, Cohort]], partners: Iterable[int]) -> bytes:
    """Return the event's `d`.

    Of each guild, in READY's order: who is in the voice channels that the session may view, and of those and of
    `partners`, the people of its DMs, the members and presences.
    """
    listed, members, presences = [], [], []
    known = set(partners)
    for guild, cohort in guilds:
        voiced = bool(session.intents & _SEES_GUILDS and session.intents & _SEES_VOICE)
        listed.append(
            {
                "id": str(guild.id),
                "voice_states": msgspec.Raw(guild.voice.listed(cohort.view) if voiced else b"[]"),
                "activity_instances": [],
                "embedded_activities": [],
            }
        )
        meant = {*(guild.voice.users(cohort.view) if voiced else ()), *known} - {session.user_id}
        there = sorted(meant & guild.state.members.keys()) if session.intents & _SEES_GUILDS else []
        members.append([_member(guild, user_id) for user_id in there])
        seen = there if session.intents & _SEES_PRESENCES else []
        presences.append([_presence(guild, user_id) for user_id in seen if user_id in guild.bodies.shown])
    return _encode(
        {
            "guilds": listed,
            "merged_members": members,
            "merged_presences": {"friends": [], "guilds": presences},
            "lazy_private_channels": [],
            "disclose": [],
            "game_invites": [],
        }
    )


def _member(guild: LiveGuild, user_id: int) -> dict[str, Any]:
    # With the user too: READY has hoisted none.
    return {"user_id": str(user_id), **wire.member(guild.state.members[user_id], guild.state.users[user_id])}


def _presence(guild: LiveGuild, user_id: int) -> dict[str, Any]:
    return {"user_id": str(user_id), **msgspec.json.decode(guild.bodies.shown[user_id])}
