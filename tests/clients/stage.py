"""Stage: a `tocsin serve` process behind a relay that can be cut, with people who speak over HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.support.cut_proxy import CutProxy
from tests.support.server import UNLIMITED, Server, start_server


def token_of(user_id: str, name: str) -> str:
    """A token of the shape that hikari insists on: base64 of the user's id, and two more parts."""
    return f"{base64.b64encode(user_id.encode()).decode().rstrip('=')}.{name}.secret"


ADA, BELL, CLERK, DORA, ECHO = "1001", "1002", "1003", "1004", "1005"
LAB, GENERAL, STAFF_ONLY = "2001", "3001", "3002"
TOKENS = {
    ADA: "ada-token",
    BELL: token_of(BELL, "bell"),
    CLERK: token_of(CLERK, "clerk"),
    DORA: "dora-token",
    ECHO: token_of(ECHO, "echo"),
}
VIEW, MANAGE_MESSAGES = "1024", "8192"

WORLD: dict[str, Any] = {
    "users": [
        {"id": ADA, "username": "ada", "token": TOKENS[ADA]},
        {"id": BELL, "username": "bell", "token": TOKENS[BELL], "bot": True, "intents": "all"},
        {"id": CLERK, "username": "clerk", "token": TOKENS[CLERK], "bot": True},
        {"id": DORA, "username": "dora", "token": TOKENS[DORA]},
        {"id": ECHO, "username": "echo", "token": TOKENS[ECHO], "bot": True, "intents": "all"},
    ],
    "guilds": [
        {
            "id": LAB,
            "name": "Lab",
            "owner": "ada",
            "roles": [{"id": "2101", "name": "staff", "permissions": MANAGE_MESSAGES, "position": 1}],
            "channels": [
                {"id": GENERAL, "name": "general"},
                {
                    "id": STAFF_ONLY,
                    "name": "staff-only",
                    "overwrites": [{"role": "@everyone", "deny": VIEW}, {"role": "staff", "allow": VIEW}],
                },
                {"id": "3003", "name": "vault", "overwrites": [{"role": "@everyone", "deny": VIEW}]},
            ],
            "members": [{"user": "bell", "roles": ["staff"]}, {"user": "clerk"}, {"user": "dora"}, {"user": "echo"}],
        }
    ],
}
"""ada owns Lab; the bot bell is staff; the bot echo is not; the bot clerk may have no privileged intent."""


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
        """Do one API request as a person; return the decoded answer.

        Raises:
            AssertionError: the answer is not 2xx.
        """
        headers = {"Authorization": TOKENS[who]}
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

    async def control(self, path: str, body: Mapping[str, Any]) -> Any:
        """Do one request of the node's own tools."""
        headers = {"Authorization": f"Tocsin {self.server.control_token}"}
        response = await self.http.post(f"/_tocsin/{path}", headers=headers, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def fault(self, fault: str, user_id: str, **more: Any) -> None:
        """Let a fault befall the one session of a user."""
        assert await self.control("faults", {"fault": fault, "user_id": user_id, **more}) == {"sessions": 1}

    async def revoke(self, user_id: str) -> None:
        """Revoke a user's token."""
        assert await self.control("revoke", {"token": TOKENS[user_id]}) == {"known": True}


def own_address() -> tuple[str, int]:
    """A loopback address of this process alone, and a port that is free on it."""
    host = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[:2]  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def open_stage(data: Path, *limits: str, world: Mapping[str, Any] = WORLD) -> AsyncIterator[Stage]:
    """A stage for an `async with` block. At its end the server must drain and exit 0.

    Args:
        data: the server's folder.
        limits: flags that replace those for no limits.
        world: what is seeded.
    """
    async with CutProxy() as proxy:
        proxy.target = host, port = own_address()
        flags = ("--host", host, "--gateway-port", str(port), "--public-gateway-url", proxy.url, *(limits or UNLIMITED))
        server = await asyncio.to_thread(start_server, data, *flags, world=world)
        try:
            async with httpx.AsyncClient(base_url=server.http) as http:
                yield Stage(server, proxy, http)
        except BaseException:
            server.kill()
            raise
        code = await asyncio.to_thread(server.stop)
        assert code == 0, (data / "server.log").read_text()[-4000:]


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
