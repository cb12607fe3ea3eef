"""Guild: a guild that one test has for itself, with an owner, a bot and whoever is called in."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tocsin.testing.actor import Actor, SyncActor
from tocsin.testing.person import API, Person

if TYPE_CHECKING:
    from tocsin.testing.server import TestServer

CHANNELS = ("general", "random")
ROLES = {"moderator": str(1 << 13 | 1 << 1 | 1 << 2)}
"""May manage messages, kick and ban."""

_numbers = itertools.count(1)
P = TypeVar("P", bound=Person)


@dataclass(frozen=True)
class BotAccount:
    """A bot's account, with all privileged intents. `token` is bare; libraries put `Bot ` before it."""

    id: str
    name: str
    username: str
    token: str

    @property
    def entry(self) -> dict[str, Any]:
        """The account as a world file says it."""
        return {
            "id": self.id,
            "username": self.username,
            "global_name": self.name,
            "token": self.token,
            "bot": True,
            "intents": "all",
        }


def make_bot(server: TestServer, name: str = "bot") -> BotAccount:
    """Make a bot's account."""
    user_id = server.new_id()
    first = base64.b64encode(user_id.encode()).decode().rstrip("=")  # hikari reads the id out of the token
    bot = BotAccount(user_id, name, f"{name.lower()}_{next(_numbers)}", f"{first}.tocsin.testing")
    server.control("world", {"users": [bot.entry]})
    return bot


class Guild:
    """A guild made for one test.

    Attributes:
        id: the guild's id.
        channels, roles: ids by name.
        channel: the first channel's id.
        owner: who may do everything there; has no session until `connect`.
        bot: the bot that is a member from the beginning.
    """

    def __init__(
        self,
        server: TestServer,
        bot: BotAccount,
        *,
        name: str = "Guild",
        channels: Sequence[str] = CHANNELS,
        roles: Mapping[str, str] = ROLES,
    ) -> None:
        self._server = server
        self._people: list[Person] = []
        self.bot = bot
        self.name = name
        self.id = server.new_id()
        self.channels = {each: server.new_id() for each in channels}
        self.roles = {each: server.new_id() for each in roles}
        self.owner: SyncActor = self._person("owner", SyncActor)
        guild = {
            "id": self.id,
            "name": name,
            "owner": self.owner.username,
            "channels": [{"id": found, "name": each, "type": 0} for each, found in self.channels.items()],
            "roles": [
                {"id": self.roles[each], "name": each, "permissions": bits, "position": at}
                for at, (each, bits) in enumerate(roles.items(), 1)
            ],
            "members": [{"user": bot.username}],
        }
        server.control("world", {"users": [self._entry(self.owner), bot.entry], "guilds": [guild]})

    @property
    def channel(self) -> str:
        """The first channel's id."""
        return next(iter(self.channels.values()))

    def _person(self, name: str, face: type[P]) -> P:
        server = self._server
        username = f"{name.lower()}_{next(_numbers)}"
        person = face(server.portal, server.gateway, self, id=server.new_id(), name=name, username=username)
        self._people.append(person)
        return person

    @staticmethod
    def _entry(person: Person) -> dict[str, Any]:
        return {
            "id": person.id,
            "username": person.username,
            "global_name": person.name,
            "token": person.token,
        }

    async def _invite(self, person: Person, roles: Sequence[str], member: bool, connect: bool) -> None:
        """Make an account, let it join with roles, and connect it. Runs on the portal's loop."""
        server = self._server
        await server.control_later("world", {"users": [self._entry(person)]})
        if member:
            path = f"{API}/guilds/{self.id}/members/{person.id}"
            body = {"roles": [self.roles.get(each, each) for each in roles]} if roles else {}
            await server.portal.request("PUT", path, self.owner.token, body)
        if connect:
            await person._open()

    async def person(
        self, name: str = "ada", *, roles: Sequence[str] = (), member: bool = True, connect: bool = True
    ) -> Actor:
        """Call a person in: a new account, a member with these roles, listening. The fixture `actor` is this."""
        person = self._person(name, Actor)
        await asyncio.wrap_future(self._server.portal.run(self._invite(person, roles, member, connect)))
        return person

    def sync_person(
        self, name: str = "ada", *, roles: Sequence[str] = (), member: bool = True, connect: bool = True
    ) -> SyncActor:
        """As `person`, for tests without asyncio. The fixture `sync_actor` is this."""
        person = self._person(name, SyncActor)
        self._server.portal.run(self._invite(person, roles, member, connect)).result()
        return person

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make a request as the owner, who may do everything; for tests without asyncio, `owner.call`."""
        return await asyncio.wrap_future(self.owner._call(method, path, body))

    def close(self) -> None:
        """End the sessions of its people and delete the guild, whose bot is told so."""
        self._server.end_rate_limits()
        for closing in [person._disconnect() for person in self._people]:
            closing.result()
        self._server.portal.request_now("DELETE", f"{API}/guilds/{self.id}", self.owner.token)
