"""Gate: the ASGI middleware in front of every API route: who asks, and whether they ask too often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.errors import ApiError, RateLimited
from tocsin_api.auth import principal_of
from tocsin_api.errors import rate_limit_body, rate_limit_headers, render
from tocsin_api.ratelimit import RateLimits, headers_of

if TYPE_CHECKING:
    from tocsin.service.services import Services


class Gate:
    """Authenticates, counts, and adds the X-RateLimit headers to whatever answers.

    Reads the route's `opt`: `auth` False opens it to everyone, `rate_limit` False exempts it, `bucket` names its group.
    """

    def __init__(self, app: ASGIApp, services: Services, limits: RateLimits) -> None:
        self.app = app
        self._auth = services.auth
        self._clock = services.context.clock
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401 or 429."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        opt = scope["route_handler"].opt
        try:
            if opt.get("auth", True):
                principal = await principal_of(scope, self._auth)
                scope["user"] = principal
                identity: object = principal.user.id
            else:
                client = scope.get("client")
                identity = client[0] if client else ""
        except ApiError as error:
            await refuse(send, error)
            return
        if not opt.get("rate_limit", True):
            await self.app(scope, receive, send)
            return
        now = self._clock()
        verdict = self._limits.hit_global(identity, now)
        if verdict is not None and verdict.retry_after_ms:
            await _refuse_busy(send, RateLimited(verdict.retry_after_ms / 1000, scope="global"), [])
            return
        group = opt.get("bucket") or f"{scope['method']} {scope['path_template']}"
        verdict = self._limits.hit_group(group, identity, scope["path_params"], now)
        if verdict is None:
            await self.app(scope, receive, send)
            return
        headers = headers_of(verdict, self._limits.bucket(group), now)
        if verdict.retry_after_ms:
            await _refuse_busy(send, RateLimited(verdict.retry_after_ms / 1000), headers)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given} if message["status"] == 429 else ()
                message["headers"] = given + [header for header in headers if header[0] not in names]
            await send(message)

        await self.app(scope, receive, send_with_headers)


async def refuse(send: Send, error: ApiError) -> None:
    """Answer with an error, without a route."""
    status, headers, body = render(error)
    await _send(send, status, [(name.lower().encode(), value.encode()) for name, value in headers.items()], body)


async def _refuse_busy(send: Send, error: RateLimited, bucket: list[tuple[bytes, bytes]]) -> None:
    mine = [(name.lower().encode(), value.encode()) for name, value in rate_limit_headers(error).items()]
    names = {name for name, _ in mine}
    headers = mine + [(name, value) for name, value in bucket if name not in names]
    await _send(send, 429, headers, rate_limit_body(error))


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body, "more_body": False})
