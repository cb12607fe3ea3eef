"""Person: an account that acts over HTTP and listens over the gateway. `actor` gives it its two faces."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tocsin.testing.seen import TIMEOUT_S, NotSeen, Payload, Seen

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from tocsin.testing.guild import Guild
    from tocsin.testing.portal import Portal

API = "/api/v10"
DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RECONNECT, INVALID, HELLO = 0, 1, 2, 3, 7, 9, 10
SOUNDS = 31
"""A request that the server answers at once and after all it had decided before: the fence of `does_not_see`."""


class Person:
    """One account. Everything here runs on the portal's loop; `_run` brings it there.

    Attributes:
        id: the user id.
        name: what the test calls the person; also the display name.
        username: unique on the server.
        token: as it is sent, without a scheme.
    """

    def __init__(self, portal: Portal, gateway: str, guild: Guild, *, id: str, name: str, username: str) -> None:
        self._portal = portal
        self._gateway = gateway
        self.guild = guild
        self.id = id
        self.name = name
        self.username = username
        self.token = f"{username}-token"
        self.seen = Seen(name)
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._fences = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.id}>"

    @property
    def mention(self) -> str:
        """What mentions the person in a message."""
        return f"<@{self.id}>"

    # -- HTTP

    def _call(self, method: str, path: str, body: Any = None) -> Future[Any]:
        return self._portal.run(self._request(method, path, body))

    async def _request(self, method: str, path: str, body: Any = None) -> Any:
        return await self._portal.request(method, API + path, self.token, body)

    def _channel(self, channel: str | None) -> str:
        """Return a channel's id by its name in the guild, by its id, or the first channel's."""
        if channel is None:
            return self.guild.channel
        return str(self.guild.channels.get(channel, channel))

    def _say(self, content: str, channel: str | None, fields: Mapping[str, Any]) -> Future[Any]:
        return self._call("POST", f"/channels/{self._channel(channel)}/messages", {"content": content, **fields})

    def _message(self, message: Mapping[str, Any]) -> str:
        return f"/channels/{message['channel_id']}/messages/{message['id']}"

    def _edit(self, message: Mapping[str, Any], content: str) -> Future[Any]:
        return self._call("PATCH", self._message(message), {"content": content})

    def _delete(self, message: Mapping[str, Any]) -> Future[Any]:
        return self._call("DELETE", self._message(message))

    def _reaction(self, method: str, message: Mapping[str, Any], emoji: str) -> Future[Any]:
        return self._call(method, f"{self._message(message)}/reactions/{quote(emoji)}/@me")

    def _invoke(self, command: str, channel: str | None, options: Mapping[str, Any]) -> Future[Any]:
        return self._portal.run(self._use_command(command, self._channel(channel), options))

    async def _use_command(self, name: str, channel: str, values: Mapping[str, Any]) -> None:
        index = await self._request("GET", f"/guilds/{self.guild.id}/application-command-index")
        path = name.split()
        found = next((each for each in index["application_commands"] if each["name"] == path[0]), None)
        if found is None:
            names = ", ".join(each["name"] for each in index["application_commands"]) or "none"
            raise LookupError(f"no bot of the guild has a command {path[0]!r}; there are: {names}")
        data = {key: found[key] for key in ("id", "name", "type")}
        data["options"] = _options(found["options"], path[1:], values)
        await self._interact(2, found["application_id"], channel, data)

    def _click(self, message: Mapping[str, Any], custom_id: str | None, values: list[str] | None) -> Future[Any]:
        found = next((each for each in _components(message) if custom_id in (None, each["custom_id"])), None)
        if found is None:
            raise LookupError(f"the message has no component {custom_id!r}")
        data = {"custom_id": found["custom_id"], "component_type": found["type"]}
        if values is not None:
            data["values"] = values
        application, channel = message["application_id"], str(message["channel_id"])
        return self._portal.run(self._interact(3, application, channel, data, message_id=message["id"]))

    async def _interact(self, kind: int, application: str, channel: str, data: Payload, **more: Any) -> None:
        body = {"type": kind, "application_id": application, "channel_id": channel, "data": data, **more}
        await self._request("POST", "/interactions", body)

    def _type(self, channel: str | None) -> Future[Any]:
        return self._call("POST", f"/channels/{self._channel(channel)}/typing")

    def _join(self) -> Future[Any]:
        return self.guild.owner._call("PUT", f"/guilds/{self.guild.id}/members/{self.id}", {})

    def _leave(self) -> Future[Any]:
        return self._call("DELETE", f"/users/@me/guilds/{self.guild.id}")

    # -- gateway

    def _presence(self, status: str, activities: list[Payload] | None, afk: bool) -> Future[None]:
        d = {"status": status, "activities": activities or [], "afk": afk, "since": 0}
        return self._portal.run(self._send(PRESENCE, d))

    def _sees(self, name: str, timeout_s: float, fields: Mapping[str, Any], since: int = 0) -> Future[Payload]:
        return self._portal.run(self._wait(name, fields, timeout_s, since))

    async def _wait(self, name: str, fields: Mapping[str, Any], timeout_s: float, since: int) -> Payload:
        if self._socket is None and not len(self.seen):
            raise NotSeen(f"{self.name} does not listen: call connect() first")
        return await self.seen.wait(name, fields, timeout_s, since)

    def _does_not_see(self, name: str, fields: Mapping[str, Any], since: int = 0) -> Future[None]:
        return self._portal.run(self._fence(name, fields, since))

    async def _fence(self, name: str, fields: Mapping[str, Any], since: int) -> None:
        mark = len(self.seen)
        await self._send(SOUNDS, {"guild_ids": [self.guild.id]})
        await self.seen.wait("SOUNDBOARD_SOUNDS", {"guild_id": self.guild.id}, TIMEOUT_S, mark)
        d = self.seen.find(name, fields, since)
        if d is not None:
            raise AssertionError(f"{self.name} saw {name} {d}")

    def _connect(self) -> Future[None]:
        return self._portal.run(self._open())

    async def _open(self) -> None:
        from websockets.asyncio.client import connect

        await self._close()
        self.seen.begin()
        self._socket = await connect(f"{self._gateway}/?v=10&encoding=json", max_size=None, ping_interval=None)
        hello = json.loads(await self._socket.recv())
        mark = len(self.seen)
        self._reader = asyncio.create_task(self._read(self._socket, hello["d"]["heartbeat_interval"] / 1000))
        properties = {"os": "linux", "browser": "tocsin.testing", "device": "tocsin.testing"}
        await self._send(IDENTIFY, {"token": self.token, "properties": properties})
        ready = await self.seen.wait("READY", {}, TIMEOUT_S, mark)
        for guild in ready["guilds"]:
            await self.seen.wait("GUILD_CREATE", {"id": guild["id"]}, TIMEOUT_S, mark)

    async def _send(self, op: int, d: Any) -> None:
        if self._socket is None:
            raise NotSeen(f"{self.name} has no session: call connect() first")
        await self._socket.send(json.dumps({"op": op, "d": d}))

    async def _read(self, socket: ClientConnection, interval_s: float) -> None:
        from websockets.exceptions import ConnectionClosed

        beating = asyncio.create_task(self._beat(socket, interval_s))
        why = "closed"
        try:
            async for text in socket:
                payload = json.loads(text)
                match payload["op"]:
                    case op if op == DISPATCH:
                        self.seen.add(payload["t"], payload["d"])
                    case op if op == HEARTBEAT:
                        await socket.send('{"op":1,"d":null}')
                    case op if op in (RECONNECT, INVALID):
                        why = f"op {op}"
                        await socket.close(4000)
        except ConnectionClosed as error:
            if why == "closed":
                why = f"cut, or closed with {error.rcvd.code}" if error.rcvd else "cut"
        finally:
            beating.cancel()
            if self._socket is socket:
                self._socket = None
                if socket.close_code not in (None, 1006) and why == "closed":
                    why = f"closed with {socket.close_code}"
                self.seen.end(why)

    @staticmethod
    async def _beat(socket: ClientConnection, interval_s: float) -> None:
        with contextlib.suppress(Exception):
            while True:
                await asyncio.sleep(interval_s * 0.75)
                await socket.send('{"op":1,"d":null}')

    def _disconnect(self) -> Future[None]:
        return self._portal.run(self._close())

    async def _close(self) -> None:
        if self._socket is not None:
            await self._socket.close(1000)
        if self._reader is not None:
            await asyncio.wait([self._reader])
            self._reader = None


def _options(wanted: list[Payload], path: list[str], values: Mapping[str, Any]) -> list[Payload]:
    """Return a command's options as a client sends them; `path` names a subcommand, `values` are by name.

    Raises:
        LookupError: the command has no such option.
    """
    by_name = {each["name"]: each for each in wanted}
    for name in path[:1] or values:
        if name not in by_name:
            raise LookupError(f"the command has no option {name!r}; there are: {', '.join(by_name) or 'none'}")
    if path:
        inner = by_name[path[0]]
        options = _options(inner.get("options") or [], path[1:], values)
        return [{"name": path[0], "type": inner["type"], "options": options}]
    return [{"name": name, "type": by_name[name]["type"], "value": _value(value)} for name, value in values.items()]


def _value(value: Any) -> Any:
    """Return an option's value: of a person, a channel or a role its id."""
    found = getattr(value, "id", value)
    return str(found) if found is not value else value


def _components(message: Mapping[str, Any]) -> list[Payload]:
    """Return the components of a message that can be used, rows opened."""
    found: list[Payload] = []
    waiting = list(message.get("components", []))
    while waiting:
        each = waiting.pop(0)
        waiting = [*(each.get("components") or []), *waiting]
        if each.get("custom_id"):
            found.append(each)
    return found
