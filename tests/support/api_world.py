"""The API over a real store, with a small world: guild Lab (2001) of ada, bell and carl; dora is a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import msgspec

from tocsin.config import Settings
from tocsin.model.entities import Application, Channel, ChannelType, Guild, Member, Overwrite, Role, User
from tocsin.model.event import Event
from tocsin.model.intents import PRIVILEGED
from tocsin.model.permissions import Permission
from tocsin.service.auth import digest_of
from tocsin.service.services import Services
from tocsin.store import rows
from tocsin.store.base import Op
from tocsin_api.app import create_app

LAB, STAFF_ROLE, MENTIONABLE_ROLE = 2001, 2101, 2102
GENERAL, STAFF_ONLY, VOICE, CATEGORY, READ_ONLY = 3001, 3002, 3003, 3004, 3005
ADA, BELL, CARL, DORA, EDDY = 1001, 1002, 1003, 1004, 1005
START_MS = 1_795_000_000_000
EVERYONE = int(
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.CONNECT
    | Permission.CHANGE_NICKNAME
    | Permission.ADD_REACTIONS
    | Permission.USE_APPLICATION_COMMANDS
)


class Clock:
    """Unix milliseconds that move only when told."""

    def __init__(self) -> None:
        self.now = START_MS

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> None:
        self.now += ms


class RecordingBus:
    """A bus whose far end is a list. Entries of the audit log go to one of their own, which `test_audit_log` reads."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.audit: list[Event] = []
        self.ephemeral: list[Event] = []
        self.heard = asyncio.Event()

    def publish(self, events: Sequence[Event]) -> None:
        for event in events:
            (self.audit if event.name == "GUILD_AUDIT_LOG_ENTRY_CREATE" else self.events).append(event)

    def publish_ephemeral(self, event: Event) -> None:
        self.ephemeral.append(event)
        self.heard.set()

    def take(self, name: str | None = None) -> list[tuple[Event, Any]]:
        """Return and forget the events so far, with their decoded bodies."""
        taken = [(event, msgspec.json.decode(event.body)) for event in self.events if name in (None, event.name)]
        self.events.clear()
        return taken


class Api:
    """The app under test and its parts. Requests go as `who`, a name of the world, or as nobody."""

    def __init__(self, services: Services, bus: RecordingBus, clock: Clock) -> None:
        self.services = services
        self.store = services.context.store
        self.bus = bus
        self.clock = clock
        self.ready = True
        self.app = create_app(
            services, gateway_url=lambda: "ws://127.0.0.1:8081", metrics=lambda: "up 1\n", ready=lambda: self.ready
        )
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=True)  # type: ignore[arg-type]
        self.client = httpx.AsyncClient(transport=transport, base_url="http://tocsin")

    async def call(self, method: str, path: str, who: str | None = None, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if who is not None:
            headers.setdefault("Authorization", f"Bot {who}-token" if who == "bell" else f"{who}-token")
        url = path if path.startswith("/api") or path in ("/healthz", "/readyz", "/metrics") else f"/api/v10{path}"
        return await self.client.request(method, url, headers=headers, **options)

    async def get(self, path: str, who: str | None = None, **options: Any) -> httpx.Response:
        return await self.call("GET", path, who, **options)

    async def post(self, path: str, who: str | None = None, body: Any = None, **options: Any) -> httpx.Response:
        return await self.call("POST", path, who, **_json(body, options))

    async def put(self, path: str, who: str | None = None, body: Any = None, **options: Any) -> httpx.Response:
        return await self.call("PUT", path, who, **_json(body, options))

    async def patch(self, path: str, who: str | None = None, body: Any = None, **options: Any) -> httpx.Response:
        return await self.call("PATCH", path, who, **_json(body, options))

    async def delete(self, path: str, who: str | None = None, **options: Any) -> httpx.Response:
        return await self.call("DELETE", path, who, **options)

    async def say(self, content: str, who: str = "ada", channel: int = GENERAL, **more: Any) -> Any:
        """Send a message and return its decoded body."""
        response = await self.post(f"/channels/{channel}/messages", who, {"content": content, **more})
        assert response.status_code == 200, response.text
        return response.json()


def _json(body: Any, options: dict[str, Any]) -> dict[str, Any]:
    return options if body is None else {"json": body, **options}


def error_of(response: httpx.Response) -> tuple[int, int]:
    """Return status and numeric code of an error reply."""
    return response.status_code, response.json()["code"]


def world_ops(now: int) -> list[Op]:
    """The rows of the small world."""
    people = [
        User(id=ADA, username="ada"),
        User(id=BELL, username="bell", bot=True),
        User(id=CARL, username="carl", global_name="Carl"),
        User(id=DORA, username="dora"),
        User(id=EDDY, username="eddy", bot=True),
    ]
    ops: list[Op] = []
    for user in people:
        ops += rows.user_ops(user)
        ops += rows.token_ops(digest_of(f"{user.username}-token"), user.id, now)
    ops += rows.application_ops(
        Application(id=1002, bot_user_id=BELL, name="bell", owner_id=ADA, intents=int(PRIVILEGED))
    )
    ops += rows.application_ops(Application(id=1005, bot_user_id=EDDY, name="eddy", owner_id=ADA, intents=0))
    ops += rows.guild_ops(Guild(id=LAB, name="Lab", owner_id=ADA))
    ops += rows.role_ops(Role(id=LAB, guild_id=LAB, name="@everyone", permissions=EVERYONE))
    staff = int(Permission.MANAGE_MESSAGES | Permission.MENTION_EVERYONE)
    ops += rows.role_ops(Role(id=STAFF_ROLE, guild_id=LAB, name="staff", permissions=staff, position=1))
    ops += rows.role_ops(Role(id=MENTIONABLE_ROLE, guild_id=LAB, name="pingable", position=2, mentionable=True))
    view, send = int(Permission.VIEW_CHANNEL), int(Permission.SEND_MESSAGES)
    secret = (Overwrite(id=LAB, type=0, deny=view), Overwrite(id=STAFF_ROLE, type=0, allow=view))
    channels = [
        Channel(id=GENERAL, guild_id=LAB, type=ChannelType.GUILD_TEXT, name="general"),
        Channel(
            id=STAFF_ONLY, guild_id=LAB, type=ChannelType.GUILD_TEXT, name="staff-only", position=1, overwrites=secret
        ),
        Channel(id=VOICE, guild_id=LAB, type=ChannelType.GUILD_VOICE, name="voice", position=2),
        Channel(id=CATEGORY, guild_id=LAB, type=ChannelType.GUILD_CATEGORY, name="things", position=3),
        Channel(
            id=READ_ONLY,
            guild_id=LAB,
            type=ChannelType.GUILD_TEXT,
            name="news",
            position=4,
            overwrites=(Overwrite(id=LAB, type=0, deny=send),),
        ),
    ]
    for channel in channels:
        ops += rows.channel_ops(channel)
    for user_id, roles in ((ADA, ()), (BELL, (STAFF_ROLE,)), (CARL, ()), (EDDY, ())):
        ops += rows.member_ops(Member(guild_id=LAB, user_id=user_id, joined_at=now, roles=roles))
    return ops


MakeApi = Callable[[Settings], Awaitable[Api]]
