"""LocalBus: puts events into a batch in the order they are given: the node's own inbox, or what leaves for Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tocsin.model.event import Event, Scope


class Inbox(Protocol):
    """Where events go: `_core.Batch` has this method."""

    def publish(
        self,
        name: str,
        body: bytes,
        *,
        scope_kind: int,
        scope_id: int,
        seq: int = 0,
        guild: int = 0,
        channel: int = 0,
        users: Sequence[int] = (),
        exclude_user: int = 0,
        author: int = 0,
        mentions: Sequence[int] = (),
        gated: bool = False,
        state: bool = False,
        traced: bool = False,
    ) -> None:
        """Append one event."""
        ...


class LocalBus:
    """Implements `bus.base.Bus`. `inbox` returns the batch of the current loop turn."""

    def __init__(self, inbox: Callable[[], Inbox]) -> None:
        self._inbox = inbox
        self.sampled: Callable[[Event], bool] | None = None
        """Tells of a committed event whether its way is traced."""

    def publish(self, events: Sequence[Event]) -> None:
        """Take committed events in commit order."""
        inbox, sampled = self._inbox(), self.sampled
        for event in events:
            _put(inbox, event, traced=sampled is not None and sampled(event))

    def publish_ephemeral(self, event: Event) -> None:
        """Take an event that is not stored."""
        _put(self._inbox(), event)


class Everything:
    """Implements `bus.base.Interest` where the only node commits all there is."""

    async def follow(self, *scopes: Scope) -> None:
        """Return at once."""


def _put(inbox: Inbox, event: Event, *, traced: bool = False) -> None:
    inbox.publish(
        event.name,
        event.body,
        scope_kind=int(event.scope.kind),
        scope_id=event.scope.id,
        seq=event.seq,
        guild=event.guild_id,
        # A DM is addressed by its users; a state event's sight is decided by the policy.
        channel=event.channel_id if event.guild_id else 0,
        users=event.users,
        exclude_user=event.exclude_user,
        author=event.author_id,
        mentions=event.mentions,
        gated=event.gated,
        state=event.state,
        traced=traced,
    )
