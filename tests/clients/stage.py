"""Stage: a `tocsin serve` process behind a relay that can be cut, with people who speak over HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.support.cut_proxy import CutProxy
from tests.support.server import UNLIMITED, Server, running_server


def token_of(user_id: str, name: str) -> str:
    """A token of the shape that hikari insists on: base64 of the user's id, and two more parts."""
    return f"{base64.b64encode(user_id.encode()).decode().rstrip('=')}.{name}.secret"


ADA, BELL, CLERK, DORA, ECHO, FINN = "1001", "1002", "1003", "1004", "1005", "1006"
LAB, GENERAL, STAFF_ONLY = "2001", "3001", "3002"
STAFF, GUEST = "2101", "2102"
PEOPLE = (ADA, DORA, FINN)
TOKENS = {
    ADA: "ada-token",
    BELL: token_of(BELL, "bell"),
    CLERK: token_of(CLERK, "clerk"),
    DORA: "dora-token",
    ECHO: token_of(ECHO, "echo"),
    FINN: "finn-token",
}
VIEW, SEND = 1 << 10, 1 << 11
KICK, MANAGE_MESSAGES, MANAGE_NICKNAMES, MANAGE_ROLES = 1 << 1, 1 << 13, 1 << 27, 1 << 28

WORLD: dict[str, Any] = {
    "users": [
        {"id": ADA, "username": "ada", "token": TOKENS[ADA]},
        {"id": BELL, "username": "bell", "token": TOKENS[BELL], "bot": True, "intents": "all"},
        {"id": CLERK, "username": "clerk", "token": TOKENS[CLERK], "bot": True},
        {"id": DORA, "username": "dora", "token": TOKENS[DORA]},
        {"id": ECHO, "username": "echo", "token": TOKENS[ECHO], "bot": True, "intents": "all"},
        {"id": FINN, "username": "finn", "token": TOKENS[FINN]},
    ],
    "guilds": [
        {
            "id": LAB,
            "name": "Lab",
            "owner": "ada",
            "roles": [
                {"id": GUEST, "name": "guest", "permissions": "0", "position": 1},
                {
                    "id": STAFF,
                    "name": "staff",
                    "permissions": str(KICK | MANAGE_MESSAGES | MANAGE_NICKNAMES | MANAGE_ROLES),
                    "position": 2,
                },
            ],
            "channels": [
                {"id": GENERAL, "name": "general"},
                {
                    "id": STAFF_ONLY,
                    "name": "staff-only",
                    "overwrites": [
                        {"role": "@everyone", "deny": str(VIEW)},
                        {"role": "staff", "allow": str(VIEW)},
                    ],
                },
                {"id": "3003", "name": "vault", "overwrites": [{"role": "@everyone", "deny": str(VIEW)}]},
            ],
            "members": [{"user": "bell", "roles": ["staff"]}, {"user": "clerk"}, {"user": "dora"}, {"user": "echo"}],
        }
    ],
}
"""ada owns Lab; the bot bell is staff; the bot echo is not; the bot clerk may have no privileged intent.

dora is a member, and finn is none yet.
"""


@dataclass(frozen=True)
class Stage:
    """The server, the relay in front of its gateway, and the people's HTTP client."""

    server: Server
    proxy: CutProxy
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        """The server's `http://host:port`."""
        return self.server.http

    async def call(self, method: str, path: str, who: str, body: Any = None) -> Any:
        """Do one API request as a person or a bot; return the decoded answer.

        Raises:
            AssertionError: the answer is not 2xx.
        """
        headers = {"Authorization": TOKENS[who] if who in PEOPLE else f"Bot {TOKENS[who]}"}
        response = await self.http.request(method, f"/api/v10{path}", headers=headers, json=body)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def say(self, content: str, *, who: str = ADA, channel: str = GENERAL) -> str:
        """Post a message as a person; return its id."""
        message_id: str = (await self.call("POST", f"/channels/{channel}/messages", who, {"content": content}))["id"]
        return message_id

    async def contents(self, channel: str = GENERAL, *, who: str = ADA) -> list[str]:
        """Return the contents of the newest messages of a channel, the oldest first."""
        page = await self.call("GET", f"/channels/{channel}/messages?limit=100", who)
        return [message["content"] for message in reversed(page)]

    async def wipe(self, channel: str) -> None:
        """Delete all messages of a channel, as bell, since people may not in bulk."""
        path = f"/channels/{channel}/messages"
        while page := [message["id"] for message in await self.call("GET", f"{path}?limit=100", BELL)]:
            if len(page) == 1:
                await self.call("DELETE", f"{path}/{page[0]}", BELL)
            else:
                await self.call("POST", f"{path}/bulk-delete", BELL, {"messages": page})

    async def join(self, who: str) -> None:
        """Let a person into Lab, by an invite of ada's."""
        invite = await self.call("POST", f"/channels/{GENERAL}/invites", ADA, {"unique": True})
        await self.call("POST", f"/invites/{invite['code']}", who)

    async def deny(self, who: str, permissions: int, *, channel: str = GENERAL) -> None:
        """Deny a member these permissions in a channel, and nothing else."""
        overwrite = {"type": 1, "allow": "0", "deny": str(permissions)}
        await self.call("PUT", f"/channels/{channel}/permissions/{who}", ADA, overwrite)

    async def restore(self) -> None:
        """Undo what the scenarios do to the guild: finn is out, bell has no overwrites, and there are no messages."""
        members = await self.call("GET", f"/guilds/{LAB}/members?limit=1000", BELL)
        if any(member["user"]["id"] == FINN for member in members):
            await self.call("DELETE", f"/guilds/{LAB}/members/{FINN}", ADA)
        for channel in (GENERAL, STAFF_ONLY):
            await self.deny(BELL, 0, channel=channel)
            await self.call("DELETE", f"/channels/{channel}/permissions/{BELL}", ADA)
            await self.wipe(channel)

    async def control(self, path: str, body: Mapping[str, Any]) -> Any:
        """Do one request of the node's own tools."""
        headers = {"Authorization": f"Tocsin {self.server.control_token}"}
        response = await self.http.post(f"/_tocsin/{path}", headers=headers, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def fault(self, fault: str, session_id: str, **more: Any) -> None:
        """Let a fault befall a session."""
        assert await self.control("faults", {"fault": fault, "session_id": session_id, **more}) == {"sessions": 1}

    async def revoke(self, user_id: str) -> None:
        """Revoke a user's token."""
        assert await self.control("revoke", {"token": TOKENS[user_id]}) == {"known": True}


@dataclass(frozen=True)
class Node:
    """A server, where its gateway listens, and where it says it does: there a relay must stand."""

    server: Server
    gateway: tuple[str, int]
    relay: tuple[str, int]


def own_addresses() -> list[tuple[str, int]]:
    """Two ports that are free, on a loopback address of this process alone."""
    host = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind((host, 0))
        return [one.getsockname(), other.getsockname()]


@contextlib.contextmanager
def running_node(data: Path, *limits: str, world: Mapping[str, Any] = WORLD) -> Iterator[Node]:
    """A node for a `with` block. At its end it must drain and exit 0.

    Args:
        data: the server's folder.
        limits: flags that replace those for no limits.
        world: what is seeded.
    """
    gateway, relay = own_addresses()
    host, port = gateway
    flags = ("--host", host, "--gateway-port", str(port), "--public-gateway-url", f"ws://{relay[0]}:{relay[1]}")
    with running_server(data, *flags, *(limits or UNLIMITED), world=world) as server:
        yield Node(server, gateway, relay)


@contextlib.asynccontextmanager
async def stage_on(node: Node) -> AsyncIterator[Stage]:
    """A stage on a running node, with the guild as WORLD has it and no messages in it."""
    async with CutProxy(node.relay) as proxy, httpx.AsyncClient(base_url=node.server.http) as http:
        proxy.target = node.gateway
        stage = Stage(node.server, proxy, http)
        await stage.restore()
        yield stage


@contextlib.asynccontextmanager
async def open_stage(data: Path, *limits: str, world: Mapping[str, Any] = WORLD) -> AsyncIterator[Stage]:
    """A stage on a node of its own, which it may change for good."""
    with running_node(data, *limits, world=world) as node:
        async with stage_on(node) as stage:
            yield stage


class Listener:
    """A person's bare gateway connection, to see what other people see."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, stage: Stage, who: str) -> AsyncIterator[Listener]:
        """Connect as `who` and wait for READY."""
        async with connect(f"{stage.proxy.url}/?v=10&encoding=json") as socket:
            identify = {"token": TOKENS[who], "properties": {}}
            await socket.send(json.dumps({"op": 2, "d": identify}))
            listener = cls(socket)
            await listener.wait_for("READY")
            yield listener

    async def wait_for(self, name: str, **fields: Any) -> Any:
        """Return the `d` of the next dispatch called `name` with these fields."""
        async with asyncio.timeout(30):
            while True:
                payload = json.loads(await self._socket.recv())
                d = payload["d"]
                if payload.get("t") == name and all(d.get(key) == fields[key] for key in fields):
                    return d
