"""Events of interactions (protocol.md §3.6). All are ephemeral, and each names the one user it is for.

The invoker's body of INTERACTION_CREATE is another than the bot's: only which interaction it was.
"""

from __future__ import annotations

from typing import Any

from tocsin.model.event import Event
from tocsin.model.interactions import Interaction
from tocsin.service.events import to_user

Body = dict[str, Any]


def to_bot(interaction: Interaction, body: Body) -> Event:
    """INTERACTION_CREATE, whole, to the shard of the bot that has the guild."""
    return to_user(interaction.bot_id, "INTERACTION_CREATE", body, guild_id=interaction.guild_id)


def to_invoker(interaction: Interaction, name: str, **more: Any) -> Event:
    """INTERACTION_CREATE, _SUCCESS, _FAILURE, _MODAL_CREATE, or the choices of an autocompletion."""
    body: Body = {"id": str(interaction.id), **more}
    if interaction.nonce:
        body["nonce"] = interaction.nonce
    return to_user(interaction.user_id, name, body)
