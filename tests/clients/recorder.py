"""Recorder: what a bot saw, in the order it saw it, in one shape for all libraries; and what every bot here can do."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

Event = dict[str, Any]

WAIT_S = 30


class Refused(Exception):
    """The server refused what a bot asked of its library, and the library said so.

    Attributes:
        code: Discord's JSON code, as the library tells it; None where it is no refusal of the API.
    """

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code


class Bot(ABC):
    """A library's client under test. `events` holds what it dispatched; `raw` events are the gateway's own."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._arrived = asyncio.Event()

    def record(self, event: str, **fields: Any) -> None:
        """Keep an event, on the loop's thread."""
        self.events.append({"event": event, **fields})
        self._arrived.set()

    async def wait_for(self, name: str, *, since: int = 0, **fields: Any) -> Event:
        """Return the first event called `name` with these fields among `events[since:]`, waiting for it if need be.

        Raises:
            AssertionError: it did not come within WAIT_S; what came is in the message.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    for event in self.events[since:]:
                        if event["event"] == name and all(event.get(key) == fields[key] for key in fields):
                            return event
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            seen = "\n".join(str(event)[:300] for event in self.events[since:])
            raise AssertionError(f"no {name} with {fields}; there came:\n{seen}") from None

    def said(self, author: str, channel: str) -> list[str]:
        """Return the contents of the messages of one author in one channel, as the library dispatched them."""
        return [
            event["content"]
            for event in self.events
            if (event["event"], event.get("author"), event.get("channel")) == ("messageCreate", author, channel)
        ]

    def raw_ids(self, name: str) -> list[str]:
        """Return the `d.id` of every dispatch called `name`, as it came off the wire."""
        return [event["id"] for event in self.events if event["event"] == "raw" and event["t"] == name]

    @property
    def session_id(self) -> str:
        """The id of the newest session, as the last READY told it."""
        ids: list[str] = [
            event["session"] for event in self.events if event["event"] == "raw" and event["t"] == "READY"
        ]
        return ids[-1]

    @abstractmethod
    async def do(self, action: str, **arguments: Any) -> Any:
        """Run one action through the library and return its value.

        Raises:
            Refused: the library raised; the message is its own.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Say goodbye and end. Idempotent."""
