"""Events of interactions (protocol.md §3.6). All are ephemeral, and each names the one user it is for.

The invoker's body of INTERACTION_CREATE is another than the bot's: only which interaction it was.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.model.interactions import Interaction

_encode = msgspec.json.Encoder().encode
Body = dict[str, Any]


def _for(user_id: int, name: str, body: Body, guild_id: int = 0) -> Event:
    return Event(
        name=name, scope=Scope(ScopeKind.USER, user_id), body=_encode(body), users=(user_id,), guild_id=guild_id
    )


def to_bot(interaction: Interaction, body: Body) -> Event:
    """INTERACTION_CREATE, whole, to the shard of the bot that has the guild."""
    return _for(interaction.bot_id, "INTERACTION_CREATE", body, interaction.guild_id)


def to_invoker(interaction: Interaction, name: str, **more: Any) -> Event:
    """INTERACTION_CREATE, _SUCCESS, _FAILURE, _MODAL_CREATE, or the choices of an autocompletion."""
    body: Body = {"id": str(interaction.id), **more}
    if interaction.nonce:
        body["nonce"] = interaction.nonce
    return _for(interaction.user_id, name, body)
