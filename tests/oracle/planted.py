"""Planted: `tocsin` with the bug that the oracle exists for: later events fan out before the cohorts are changed.

`python -m tests.oracle.planted serve …`. Nothing but the oracle's own test starts it.
"""

from __future__ import annotations

import asyncio
import sys

from tocsin.cli import main
from tocsin.gateway.policy import Policy
from tocsin.model.event import Event, Scope, ScopeKind


def apply_late(self: Policy, ticket: int, scope_kind: int, scope_id: int, seq: int, name: str, body: bytes) -> None:
    """Release the scope at once; change the cohorts a moment later."""
    if scope_kind != ScopeKind.GUILD or self._guilds.get(scope_id) is None:
        rightly(self, ticket, scope_kind, scope_id, seq, name, body)
        return
    scope = Scope(ScopeKind.GUILD, scope_id)
    event = Event(name=name, scope=scope, body=body, guild_id=scope_id, state=True, seq=seq)
    self._orders().resolve(ticket)
    asyncio.get_running_loop().call_later(DELAY_S, self._guild_event, event)


DELAY_S = 0.01
"""Long enough for the events that waited to go out, short enough for a window nobody would see by eye."""

rightly = Policy.apply

if __name__ == "__main__":
    Policy.apply = apply_late  # type: ignore[method-assign]
    sys.exit(main())
