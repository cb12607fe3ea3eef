"""Town: people, guilds and listening sessions on a running server, made afresh by each test."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any, NamedTuple

import httpx

from tests.support.raw_client import CLOSE, DroppedError, RawClient, frame, op
from tests.support.server import Server
from tocsin.model.intents import ALL, Intents

Payload = dict[str, Any]
_names = itertools.count(1)


class Person(NamedTuple):
    """An account and its token."""

    id: str
    token: str


class Place(NamedTuple):
    """A guild and its first channel."""

    id: str
    general: str
    owner: Person


BELL = Person("1002", "bell-token")
"""The bot that may have all intents."""

CLERK = Person("1003", "clerk-token")
"""The bot without privileged intents."""

NO_PRIVILEGED = int(Intents(0x331FFFF) & ~(Intents.GUILD_MEMBERS | Intents.GUILD_PRESENCES | Intents.MESSAGE_CONTENT))


class Listener:
    """A session that keeps what it was told. `events` holds (name, d) since READY, `last` the last event's number.

    What it is told of the same person's other sessions, which tests open as they like, is kept with `hears_own`; it is
    an array, and stands under `sessions` there.
    """

    hears_own = False

    def __init__(self, gateway: str, person: Person, **identify: Any) -> None:
        self.person = person
        self.client = RawClient(gateway)
        self.client.open()
        identify.setdefault("intents", int(ALL) if person not in (BELL, CLERK) else 0x331FFFF)
        try:
            self.ready: Payload = self.client.identify(person.token, **identify)
        except BaseException:
            self.client.socket.close()
            raise
        self.events: list[tuple[str, Payload]] = []
        self.last = 1

    def send(self, code: int, d: Any = None, **extra: Any) -> None:
        """Send a payload."""
        self.client.send(op(code, d, **extra))

    def next(self) -> tuple[str, Payload]:
        """Return the next event."""
        while True:
            payload = self.client.read_until(0)
            self.last = payload["s"]
            if payload["t"] != "SESSIONS_REPLACE":
                self.events.append((payload["t"], payload["d"]))
                return self.events[-1]
            if self.hears_own:
                self.events.append((payload["t"], {"sessions": payload["d"]}))
                return self.events[-1]

    def until(self, name: str, **fields: Any) -> Payload:
        """Read up to an event of this name whose `d` has these values."""
        while True:
            found, d = self.next()
            if found == name and all(d.get(key) == value for key, value in fields.items()):
                return d

    def flush(self) -> list[tuple[str, Payload]]:
        """Return all events so far: what Python ordered before comes before the answer to this request."""
        home = self.ready["guilds"][0]["id"]
        self.send(31, {"guild_ids": [home]})
        self.until("SOUNDBOARD_SOUNDS", guild_id=home)
        taken, self.events = self.events[:-1], []
        return taken

    def leave(self) -> None:
        """End the session, as a client that closes with 1000."""
        with contextlib.suppress(OSError, DroppedError):
            self.client.send(frame(CLOSE, b"\x03\xe8"))
            self.client.read_close()
        self.client.socket.close()


class Town:
    """One server and what a test makes on it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._http = httpx.Client(base_url=server.api, timeout=10)
        self._listeners: list[Listener] = []

    def close(self) -> None:
        """End every session of the test."""
        for listener in self._listeners:
            listener.leave()
        self._http.close()

    def call(self, who: Person, method: str, path: str, body: Any = None) -> Any:
        """Make a request that must succeed, and return its body."""
        prefix = "Bot " if who in (BELL, CLERK) else ""
        response = self._http.request(method, path, json=body, headers={"Authorization": prefix + who.token})
        assert response.is_success, (method, path, response.status_code, response.text)
        return response.json() if response.content else None

    def person(self) -> Person:
        """Register a person."""
        name = f"person{next(_names)}"
        response = self._http.post("/auth/register", json={"username": name, "password": "correct horse battery"})
        assert response.is_success, response.text
        made = response.json()
        return Person(made["user_id"], made["token"])

    def place(self, owner: Person, *members: Person) -> Place:
        """Make a guild with members."""
        guild = self.call(owner, "POST", "/guilds", {"name": "place"})
        channels = self.call(owner, "GET", f"/guilds/{guild['id']}/channels")
        place = Place(guild["id"], next(each["id"] for each in channels if each["type"] == 0), owner)
        for member in members:
            self.join(place, member)
        return place

    def join(self, place: Place, member: Person) -> None:
        """Bring somebody in."""
        self.call(place.owner, "PUT", f"/guilds/{place.id}/members/{member.id}", {})

    def listen(self, person: Person, **identify: Any) -> Listener:
        """Identify, and read every GUILD_CREATE that READY promises."""
        listener = Listener(self.server.gateway, person, **identify)
        self._listeners.append(listener)
        if int(identify.get("intents", 1)) & 1:
            for _ in listener.ready["guilds"]:
                listener.until("GUILD_CREATE")
        return listener

    def say(self, place: Place, content: str, channel: str | None = None) -> str:
        """Post as the owner; return the message's id."""
        path = f"/channels/{channel or place.general}/messages"
        message: Payload = self.call(place.owner, "POST", path, {"content": content})
        return str(message["id"])

    def told(self, place: Place, *listeners: Listener) -> list[list[tuple[str, Payload]]]:
        """Return what each listener was told until now, once the guild's log up to now has gone out."""
        watch = self.listen(place.owner)
        marker = self.say(place, "until here")
        watch.until("MESSAGE_CREATE", id=marker)
        return [[each for each in listener.flush() if each[1].get("id") != marker] for listener in listeners]


def names(events: list[tuple[str, Payload]], *apart_from: str) -> list[str]:
    """Return the events' names."""
    return [name for name, _ in events if name not in apart_from]
