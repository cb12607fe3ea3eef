"""tocsin.testing: a server, a guild and people for the tests of a bot. `docs/testing.md` shows it in use.

Nothing is imported before it is asked for: pytest loads the plugin in every run, also where no test uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.testing.actor import Actor, SyncActor
    from tocsin.testing.expecting import expect
    from tocsin.testing.guild import BotAccount, Guild
    from tocsin.testing.server import TestServer, start

__all__ = ["Actor", "BotAccount", "Guild", "SyncActor", "TestServer", "expect", "start"]

_HOMES = {
    "Actor": "actor",
    "BotAccount": "guild",
    "Guild": "guild",
    "SyncActor": "actor",
    "TestServer": "server",
    "expect": "expecting",
    "start": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
