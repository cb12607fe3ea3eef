"""Intents: the bits by which a session asks for kinds of events (protocol.md §2)."""

from __future__ import annotations

from enum import IntFlag


class Intents(IntFlag):
    """Gateway intents by their names on the wire."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_MODERATION = 1 << 2
    GUILD_EXPRESSIONS = 1 << 3
    GUILD_INTEGRATIONS = 1 << 4
    GUILD_WEBHOOKS = 1 << 5
    GUILD_INVITES = 1 << 6
    GUILD_VOICE_STATES = 1 << 7
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15
    GUILD_SCHEDULED_EVENTS = 1 << 16
    GUILD_EMBEDDED_ACTIVITIES = 1 << 17
    PRIVATE_CHANNELS = 1 << 18
    CALLS = 1 << 19
    AUTO_MODERATION_CONFIGURATION = 1 << 20
    AUTO_MODERATION_EXECUTION = 1 << 21
    USER_RELATIONSHIPS = 1 << 22
    USER_PRESENCE = 1 << 23
    GUILD_MESSAGE_POLLS = 1 << 24
    DIRECT_MESSAGE_POLLS = 1 << 25
    DIRECT_EMBEDDED_ACTIVITIES = 1 << 26
    LOBBIES = 1 << 27
    LOBBY_DELETE = 1 << 28


ALL = Intents((1 << 29) - 1)
"""What a person's session has when it names no intents."""

BOT_LEGAL = Intents(0x331FFFF)
"""Bits 0-16, 20, 21, 24 and 25: all that a bot may ask for."""

PRIVILEGED = Intents.GUILD_MEMBERS | Intents.GUILD_PRESENCES | Intents.MESSAGE_CONTENT
"""Bits that need leave of the application; without it close 4014."""


def application_flags(granted: int) -> int:
    """Return the application flags that show which privileged intents are granted (the unlimited form of each)."""
    flags = 0
    if granted & Intents.GUILD_PRESENCES:
        flags |= 1 << 12
    if granted & Intents.GUILD_MEMBERS:
        flags |= 1 << 14
    if granted & Intents.MESSAGE_CONTENT:
        flags |= 1 << 18
    return flags
