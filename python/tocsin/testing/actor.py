"""Actor, SyncActor: a person of a test, for tests with asyncio and for tests without. Both do the same."""

# ruff: noqa: ASYNC109 - a timeout that tells what came instead

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tocsin.testing.person import Person
from tocsin.testing.seen import TIMEOUT_S, Payload


class Actor(Person):
    """A person whose acts are awaited, from any loop."""

    async def say(self, content: str, channel: str | None = None, **fields: Any) -> Payload:
        """Post a message and return it. `channel`: name or id, by default the first; `fields`: of the body."""
        answer: Payload = await asyncio.wrap_future(self._say(content, channel, fields))
        return answer

    async def edit(self, message: Mapping[str, Any], content: str) -> Payload:
        """Edit an own message and return it."""
        answer: Payload = await asyncio.wrap_future(self._edit(message, content))
        return answer

    async def delete(self, message: Mapping[str, Any]) -> None:
        """Delete a message."""
        await asyncio.wrap_future(self._delete(message))

    async def react(self, message: Mapping[str, Any], emoji: str) -> None:
        """React with an emoji: a character, or `name:id`."""
        await asyncio.wrap_future(self._reaction("PUT", message, emoji))

    async def unreact(self, message: Mapping[str, Any], emoji: str) -> None:
        """Take a reaction away."""
        await asyncio.wrap_future(self._reaction("DELETE", message, emoji))

    async def invoke(self, command: str, channel: str | None = None, **options: Any) -> None:
        """Use a bot's slash command: `invoke("ban", who=bob)`, `invoke("config set", key="a")` with a subcommand.

        Raises:
            LookupError: no bot of the guild has it, or it has no such option.
        """
        await asyncio.wrap_future(self._invoke(command, channel, options))

    async def click(
        self, message: Mapping[str, Any], custom_id: str | None = None, values: list[str] | None = None
    ) -> None:
        """Use a component of a message, by default the first; `values` are those chosen in a menu."""
        await asyncio.wrap_future(self._click(message, custom_id, values))

    async def type(self, channel: str | None = None) -> None:
        """Start typing."""
        await asyncio.wrap_future(self._type(channel))

    async def presence(self, status: str, activities: list[Payload] | None = None) -> None:
        """Change the presence: online, idle, dnd or invisible."""
        await asyncio.wrap_future(self._presence(status, activities, False))

    async def go_idle(self) -> None:
        """Go idle."""
        await asyncio.wrap_future(self._presence("idle", None, True))

    async def join(self) -> None:
        """Join the guild."""
        await asyncio.wrap_future(self._join())

    async def leave(self) -> None:
        """Leave the guild."""
        await asyncio.wrap_future(self._leave())

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make any request of the API as this person, and return the decoded body. Raises `portal.Refused`."""
        return await asyncio.wrap_future(self._call(method, path, body))

    async def connect(self) -> None:
        """Begin a new session; what happens from now on is seen."""
        await asyncio.wrap_future(self._connect())

    async def disconnect(self) -> None:
        """End the session. What was seen stays."""
        await asyncio.wrap_future(self._disconnect())

    async def sees(self, name: str, *, timeout: float = TIMEOUT_S, **fields: Any) -> Payload:
        """Return the `d` of an event, once it is there. Each event answers one `sees`.

        Args:
            name: the event's.
            timeout: in seconds.
            fields: of `d`: a value, a part of an object, or a function of the value.

        Raises:
            NotSeen: it did not come; the message says what came instead.
        """
        answer: Payload = await asyncio.wrap_future(self._sees(name, timeout, fields))
        return answer

    async def does_not_see(self, name: str, **fields: Any) -> None:
        """Fail if such an event came before what the server decides from now on. No time is waited.

        A bot that has not yet acted is not waited for: let it first be seen to do something later.
        """
        await asyncio.wrap_future(self._does_not_see(name, fields))


class SyncActor(Person):
    """A person whose acts return when they are done."""

    def say(self, content: str, channel: str | None = None, **fields: Any) -> Payload:
        """Post a message and return it. `channel`: name or id, by default the first; `fields`: of the body."""
        answer: Payload = self._say(content, channel, fields).result()
        return answer

    def edit(self, message: Mapping[str, Any], content: str) -> Payload:
        """Edit an own message and return it."""
        answer: Payload = self._edit(message, content).result()
        return answer

    def delete(self, message: Mapping[str, Any]) -> None:
        """Delete a message."""
        self._delete(message).result()

    def react(self, message: Mapping[str, Any], emoji: str) -> None:
        """React with an emoji: a character, or `name:id`."""
        self._reaction("PUT", message, emoji).result()

    def unreact(self, message: Mapping[str, Any], emoji: str) -> None:
        """Take a reaction away."""
        self._reaction("DELETE", message, emoji).result()

    def invoke(self, command: str, channel: str | None = None, **options: Any) -> None:
        """Use a bot's slash command: `invoke("ban", who=bob)`, `invoke("config set", key="a")` with a subcommand.

        Raises:
            LookupError: no bot of the guild has it, or it has no such option.
        """
        self._invoke(command, channel, options).result()

    def click(self, message: Mapping[str, Any], custom_id: str | None = None, values: list[str] | None = None) -> None:
        """Use a component of a message, by default the first; `values` are those chosen in a menu."""
        self._click(message, custom_id, values).result()

    def type(self, channel: str | None = None) -> None:
        """Start typing."""
        self._type(channel).result()

    def presence(self, status: str, activities: list[Payload] | None = None) -> None:
        """Change the presence: online, idle, dnd or invisible."""
        self._presence(status, activities, False).result()

    def go_idle(self) -> None:
        """Go idle."""
        self._presence("idle", None, True).result()

    def join(self) -> None:
        """Join the guild."""
        self._join().result()

    def leave(self) -> None:
        """Leave the guild."""
        self._leave().result()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make any request of the API as this person, and return the decoded body. Raises `portal.Refused`."""
        return self._call(method, path, body).result()

    def connect(self) -> None:
        """Begin a new session; what happens from now on is seen."""
        self._connect().result()

    def disconnect(self) -> None:
        """End the session. What was seen stays."""
        self._disconnect().result()

    def sees(self, name: str, *, timeout: float = TIMEOUT_S, **fields: Any) -> Payload:
        """Return the `d` of an event, once it is there. Each event answers one `sees`.

        Args:
            name: the event's.
            timeout: in seconds.
            fields: of `d`: a value, a part of an object, or a function of the value.

        Raises:
            NotSeen: it did not come; the message says what came instead.
        """
        answer: Payload = self._sees(name, timeout, fields).result()
        return answer

    def does_not_see(self, name: str, **fields: Any) -> None:
        """Fail if such an event came before what the server decides from now on. No time is waited.

        A bot that has not yet acted is not waited for: let it first be seen to do something later.
        """
        self._does_not_see(name, fields).result()
