"""Intents: the bits of protocol.md §2, and which of them a bot may ask for."""

from __future__ import annotations

from tocsin.model import intents
from tocsin.model.intents import Intents


def test_privileged_are_members_presences_and_content() -> None:
    assert int(intents.PRIVILEGED) == 1 << 1 | 1 << 8 | 1 << 15


def test_a_bot_may_ask_for_the_documented_bits_only() -> None:
    documented = [*range(17), 20, 21, 24, 25]
    assert int(intents.BOT_LEGAL) == sum(1 << bit for bit in documented)
    assert Intents.LOBBIES not in intents.BOT_LEGAL
    assert intents.PRIVILEGED in intents.BOT_LEGAL


def test_granted_intents_show_as_application_flags() -> None:
    assert intents.application_flags(0) == 0
    assert intents.application_flags(Intents.GUILD_PRESENCES) == 1 << 12
    assert intents.application_flags(Intents.GUILD_MEMBERS) == 1 << 14
    assert intents.application_flags(Intents.MESSAGE_CONTENT | Intents.GUILDS) == 1 << 18
