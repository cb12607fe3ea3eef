"""Gate: in front of every API route: who asks, and whether they ask too often."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from tocsin.errors import ApiError, RateLimited
from tocsin.service import audit
from tocsin.service.auth import Principal
from tocsin_api.auth import principal_of
from tocsin_api.clients import Clients
from tocsin_api.errors import render
from tocsin_api.ratelimit import RateLimits, headers_of

if TYPE_CHECKING:
    from tocsin.service.services import Services

Header = tuple[bytes, bytes]


class Admission(NamedTuple):
    """What the limits say of a request: the X-RateLimit headers of its answer, and why it is refused."""

    headers: list[Header]
    refusal: RateLimited | None = None


UNLIMITED = Admission([])


class PlannedLimit:
    """A fault: the next `requests` are refused, whatever the limits say."""

    def __init__(self, requests: int, retry_after_ms: int, scope: str) -> None:
        self.requests = requests
        self.retry_after_ms = retry_after_ms
        self.scope = scope


class Gatekeeper:
    """Knows the callers and counts their requests."""

    def __init__(self, services: Services) -> None:
        self._auth = services.auth
        self._clock = services.context.clock
        self._limits = RateLimits(services.context.settings, services.context.windows)
        self._planned: dict[tuple[str | None, Hashable], PlannedLimit] = {}
        self.address_of = Clients(services.context.settings).address_of

    def plan(self, group: str | None, identity: Hashable, limit: PlannedLimit) -> None:
        """Refuse the next requests; none any more when `limit.requests` is 0.

        Args:
            group: of this route group, None for any.
            identity: of whom, None for anyone.
            limit: how many, and what they are told.
        """
        if limit.requests:
            self._planned[(group, identity)] = limit
        else:
            self._planned.pop((group, identity), None)

    def plan_nothing(self) -> None:
        """Forget all that was planned."""
        self._planned.clear()

    def _planned_refusal(self, group: str, identity: Hashable) -> RateLimited | None:
        if not self._planned:
            return None
        for key in ((group, identity), (group, None), (None, identity), (None, None)):
            limit = self._planned.get(key)
            if limit is not None:
                limit.requests -= 1
                if limit.requests <= 0:
                    del self._planned[key]
                return RateLimited(limit.retry_after_ms / 1000, scope=limit.scope)
        return None

    async def principal(self, scope: Scope) -> Principal:
        """Return who asks, and note it in the scope. Raises `errors.Unauthorized`."""
        principal = await principal_of(scope, self._auth)
        scope["user"] = principal
        return principal

    def count(self, group: str, identity: Hashable, params: dict[str, Any]) -> Admission:
        """Count a request of `identity` against its global limit and that of its route group."""
        if self._planned:
            planned = self._planned_refusal(group, identity)
            if planned is not None:
                return Admission([], planned)
        now = self._clock()
        verdict = self._limits.hit_global(identity, now)
        if verdict is not None and verdict.retry_after_ms:
            return Admission([], RateLimited(verdict.retry_after_ms / 1000, scope="global"))
        verdict = self._limits.hit_group(group, identity, params, now)
        if verdict is None:
            return UNLIMITED
        headers = headers_of(verdict, self._limits.bucket(group), now)
        return Admission(headers, RateLimited(verdict.retry_after_ms / 1000) if verdict.retry_after_ms else None)


class Gate:
    """The ASGI middleware: authenticates, counts, and adds the X-RateLimit headers to whatever answers.

    Reads the route's `opt`: `auth` False opens it to everyone, `rate_limit` False exempts it, `bucket` names its group.
    """

    def __init__(self, app: ASGIApp, keeper: Gatekeeper) -> None:
        self.app = app
        self._keeper = keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401 or 429."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        with audit.request():
            await self._pass(scope, receive, send)

    async def _pass(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        opt = scope["route_handler"].opt
        identity: Hashable
        if opt.get("auth", True):
            try:
                identity = (await self._keeper.principal(scope)).id
            except ApiError as error:
                await refuse(send, error)
                return
        else:
            identity = self._keeper.address_of(scope)
        if not opt.get("rate_limit", True):
            await self.app(scope, receive, send)
            return
        group = opt.get("bucket") or f"{scope['method']} {scope['path_template']}"
        headers, refusal = self._keeper.count(group, identity, scope["path_params"])
        if refusal is not None:
            await refuse(send, refusal, headers)
            return
        if not headers:
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given} if message["status"] == 429 else ()
                message["headers"] = given + [header for header in headers if header[0] not in names]
            await send(message)

        await self.app(scope, receive, send_with_headers)


async def refuse(send: Send, error: ApiError, bucket: list[Header] | None = None) -> int:
    """Answer with an error, without a route; return its status. Its own headers come before those of its `bucket`."""
    status, given, body = render(error)
    mine = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    names = {name for name, _ in mine}
    await reply(send, status, body, mine + [header for header in bucket or () if header[0] not in names])
    return status


async def reply(send: Send, status: int, body: bytes, headers: list[Header]) -> None:
    """Answer with a JSON text."""
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body, "more_body": False})
