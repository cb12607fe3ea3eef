"""expect: an event that must come of what a block does, and of nothing before it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from tocsin.testing.person import Person
from tocsin.testing.seen import TIMEOUT_S, Payload


class expect:  # noqa: N801 - reads as a verb
    """`async with expect(ada, "MESSAGE_CREATE", content="pong"): ...`, or `with` in a test without asyncio.

    At the end of the block the event is waited for; `event` is its `d`. Raises `NotSeen` as `sees` does.

    Args:
        actor: who must see it.
        name: the event's.
        timeout: in seconds, from the end of the block.
        fields: as of `sees`.
    """

    event: Payload

    def __init__(self, actor: Person, name: str, *, timeout: float = TIMEOUT_S, **fields: Any) -> None:
        self._actor = actor
        self._name = name
        self._timeout_s = timeout
        self._fields = fields
        self._since = 0

    def __enter__(self) -> Self:
        self._since = len(self._actor.seen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.event = self._actor._sees(self._name, self._timeout_s, self._fields, self._since).result()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            future = self._actor._sees(self._name, self._timeout_s, self._fields, self._since)
            self.event = await asyncio.wrap_future(future)
