"""Application commands and interactions: what a bot offers, and what a person does with it (protocol.md §3.6, §8.9)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

Body = dict[str, Any]


class CommandType(IntEnum):
    """Where a command is found."""

    CHAT_INPUT = 1
    USER = 2
    MESSAGE = 3


class InteractionType(IntEnum):
    """What a person did. A ping, 1, comes only over HTTP, which tocsin does not call."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class CallbackType(IntEnum):
    """How a bot answers."""

    PONG = 1
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    AUTOCOMPLETE = 8
    MODAL = 9


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command. `guild_id` is 0 for one of all guilds; `more` are the keys that are kept as wire objects."""

    id: int
    application_id: int
    guild_id: int
    type: int
    name: str
    description: str
    version: int
    more: Body = {}


class Waiting(IntEnum):
    """What an interaction waits for."""

    ANSWER = 0
    MESSAGE = 1  # deferred: the message that is shown as loading
    NOTHING = 2
    LATE = 3  # nobody answered in time, and nobody may any more


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a person did with an application. `message_id` is the original response, or the component's message.

    `message_type` is that of the messages that answer it, and `origin` what they say of it.
    """

    id: int
    token: str
    application_id: int
    bot_id: int
    user_id: int
    guild_id: int
    channel_id: int
    type: int
    created_at: int
    waiting: int = 0
    message_id: int = 0
    message_type: int = 0
    nonce: str = ""
    origin: Body = {}


class HiddenMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that only one person and the bot see. `message` is its entity as an object."""

    id: int
    interaction_id: int
    channel_id: int
    user_id: int
    message: Body


class InteractionMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Which interaction a stored message came from."""

    message_id: int
    channel_id: int
    origin: Body


def command_body(command: Command) -> Body:
    """Render a command."""
    body: Body = {
        "id": str(command.id),
        "application_id": str(command.application_id),
        "version": str(command.version),
        "type": command.type,
        "name": command.name,
        "name_localizations": None,
        "description": command.description,
        "description_localizations": None,
        "default_member_permissions": None,
        "dm_permission": True,
        "nsfw": False,
        "options": [],
        "contexts": None,
        "integration_types": [0],
        **command.more,
    }
    if command.guild_id:
        body["guild_id"] = str(command.guild_id)
        del body["dm_permission"]
    return body
