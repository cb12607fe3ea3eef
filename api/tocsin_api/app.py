"""App: the message API as one Litestar application.

Routes live under /api/v10. /api/v9 and /api name the same routes; another version is refused (protocol.md §8.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from tocsin.errors import BadRequest
from tocsin.service.tracing import Tracing
from tocsin_api import errors, health, openapi
from tocsin_api.express import Express
from tocsin_api.figures import HttpFigures
from tocsin_api.gate import Gate, Gatekeeper, refuse
from tocsin_api.routes import (
    applications,
    audit_log,
    auth,
    auto_moderation,
    bans,
    channels,
    commands,
    content,
    control,
    dms,
    emojis,
    gateway,
    guild_settings,
    guilds,
    interactions,
    invites,
    members,
    messages,
    pins,
    prune,
    reactions,
    read_states,
    roles,
    threads,
    typing,
    user_settings,
    users,
    voice,
    webhooks,
)

if TYPE_CHECKING:
    from tocsin.service.services import Services

ROOT = "/api/v10"
MODULES = (
    applications,
    audit_log,
    auth,
    auto_moderation,
    bans,
    channels,
    commands,
    dms,
    emojis,
    gateway,
    guild_settings,
    guilds,
    interactions,
    invites,
    members,
    messages,
    pins,
    prune,
    reactions,
    read_states,
    roles,
    threads,
    typing,
    user_settings,
    users,
    voice,
    webhooks,
)
_VERSION = re.compile(r"/api/v(\d+)(?=/|$)")
_SERVED = {"9", "10"}


class Api(Litestar):
    """Litestar with one name per route: other spellings of the version are rewritten before routing.

    `express` is asked before Litestar is; None where there is no message API.
    """

    express: Express | None
    figures: HttpFigures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        """Serve one ASGI connection."""
        if scope["type"] == ScopeType.HTTP:
            path = scope["path"]
            if not path.startswith("/api/v10/") and path.startswith("/api/"):
                found = _VERSION.match(path)
                if found is not None and found[1] not in _SERVED:
                    await refuse(send, BadRequest(50041, "Invalid API version"))
                    return
                rest = path[found.end() :] if found is not None else path[len("/api") :]
                scope["path"] = ROOT + rest
                scope["raw_path"] = scope["path"].encode()
            express = self.express
            channel = None if express is None else express.takes(scope)
            if express is not None and channel is not None:
                await express.serve(scope, receive, send, channel)
                return
            await self._counted(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    async def _counted(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began, status = perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await super().__call__(scope, receive, noting)
        finally:
            self.figures.answered(scope["method"], status, perf_counter() - began)


def create_app(
    services: Services,
    *,
    gateway_url: Callable[[], str],
    metrics: Callable[[], str],
    ready: Callable[[], bool],
    message_api: bool = True,
    tracing: Tracing | None = None,
) -> Litestar:
    """Build the API over the node's services.

    Args:
        services: the use-cases.
        gateway_url: returns the gateway's `ws://host:port`, without path and query.
        metrics: returns the node's metrics in Prometheus' text format.
        ready: whether the node takes work.
        tracing: makes traces of messages, if there are to be any.
        message_api: without it there are only the gateway's URL, health, metrics and the node's own tools.
    """
    settings = services.context.settings
    handlers: list[Any] = [
        handler for module in (MODULES if message_api else (gateway,)) for handler in module.HANDLERS
    ]
    keeper = Gatekeeper(services)
    figures = HttpFigures()

    def gate(app: ASGIApp) -> ASGIApp:
        # A function, because Litestar copies its routers deeply, and functions alone are not copied.
        return Gate(app, keeper)

    parts = {
        "keeper": keeper,
        "services": services,
        "gateway_url": gateway_url,
        "metrics": lambda: metrics() + figures.text(),
        "ready": ready,
    }
    app = Api(
        route_handlers=[
            Router(ROOT, route_handlers=handlers, middleware=[gate]),
            *health.HANDLERS,
            *control.HANDLERS,
            *(content.HANDLERS if message_api else ()),
        ],
        exception_handlers=errors.HANDLERS,
        state=State(parts, deep_copy=False),
        openapi_config=openapi.CONFIG,
        logging_config=None,
        request_max_body_size=settings.body_max_bytes,
    )
    app.figures = figures
    app.express = Express(services, keeper, figures, tracing) if message_api else None
    return app
