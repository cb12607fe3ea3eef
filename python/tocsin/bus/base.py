"""Bus: the protocol by which events reach every node that has an interest in their scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.model.event import Event, Scope


class Bus(Protocol):
    """The publish side. `publish` takes committed events in commit order; neither call blocks or raises."""

    def publish(self, events: Sequence[Event]) -> None: ...
    def publish_ephemeral(self, event: Event) -> None:
        """Send an event that is not stored and may be dropped (typing, presence)."""
        ...


class Interest(Protocol):
    """The receiving side: which scopes' events come here. Register first, then read: nothing falls between."""

    async def follow(self, *scopes: Scope) -> None:
        """Return when all later events of these guilds, and of what names these users, come to this node."""
        ...
