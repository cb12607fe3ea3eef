"""Express: the one hot route, POST /channels/{id}/messages with a JSON body, served without Litestar's machinery.

The route in `routes/messages.py` is the same in everything a client can tell, and takes all other content types.
What this saves is in docs/adr/0005-cost-of-a-message-post.md.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING

from litestar.types import HTTPScope, Receive, Send

from tocsin.service.tracing import STEPS, Tracing, mark
from tocsin_api.errors import refusal_of, too_large
from tocsin_api.figures import HttpFigures
from tocsin_api.gate import Gatekeeper, refuse, reply
from tocsin_api.ratelimit import CREATE_MESSAGE
from tocsin_api.request import decode, parse_id
from tocsin_api.schemas.messages import MessageCreate

if TYPE_CHECKING:
    from tocsin.service.services import Services

_PATH = re.compile(r"/api/v10/channels/([^/]+)/messages")
_JSON = b"application/json"


class Express:
    """Serves what `takes` lets in."""

    def __init__(
        self, services: Services, keeper: Gatekeeper, figures: HttpFigures, tracing: Tracing | None = None
    ) -> None:
        self._tracing = tracing
        self._figures = figures
        self._services = services
        self._keeper = keeper
        self._body_max_bytes = services.context.settings.body_max_bytes

    @staticmethod
    def takes(scope: HTTPScope) -> str | None:
        """Return the raw channel id when the request is to create a message from JSON, else None."""
        if scope["method"] != "POST":
            return None
        found = _PATH.fullmatch(scope["path"])
        if found is None:
            return None
        for name, value in scope["headers"]:
            if name == b"content-type":
                return found[1] if value.partition(b";")[0].strip().lower() == _JSON else None
        return None

    async def serve(self, scope: HTTPScope, receive: Receive, send: Send, channel: str) -> None:
        """Answer 200 once the message is on disk; errors and headers as every route has them."""
        began, tracing = perf_counter(), self._tracing
        steps = None if tracing is None else tracing.begin()
        if tracing is None or steps is None:
            status = await self._serve(scope, receive, send, channel)
        else:
            token = STEPS.set(steps)
            try:
                status = await self._serve(scope, receive, send, channel)
            finally:
                STEPS.reset(token)
            tracing.end(steps, status)
        self._figures.posted(status, perf_counter() - began)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send, channel: str) -> int:
        """Answer, and return the status; 0 when the client went away."""
        try:
            principal = await self._keeper.principal(scope)
        except Exception as error:
            return await refuse(send, refusal_of(error, f"POST {scope['path']}"))
        headers, refusal = self._keeper.count(CREATE_MESSAGE, principal.id, {"channel_id": channel})
        if refusal is not None:
            return await refuse(send, refusal, headers)
        try:
            channel_id = parse_id(channel, "channel_id")
            raw = await _read(scope, receive, self._body_max_bytes)
            if raw is None:
                return 0
            draft = decode(raw, MessageCreate).draft()
            mark("http")
            body = await self._services.messages.create(principal, channel_id, draft)
        except Exception as error:
            return await refuse(send, refusal_of(error, f"POST {scope['path']}"), headers)
        await reply(send, 200, body, headers)
        return 200


async def _read(scope: HTTPScope, receive: Receive, limit: int) -> bytes | None:
    """Return the request's body; None when the client went away before it was whole.

    Raises:
        errors.ApiError: 40005, it is, or says it is, longer than `limit` bytes.
    """
    announced = next((int(value) for name, value in scope["headers"] if name == b"content-length"), None)
    if announced is not None and announced > limit:
        raise too_large()
    raw = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        raw += message.get("body", b"")
        if len(raw) > limit:
            raise too_large()
        # Granian says only in a second message that the first was the last; that message costs a turn of the loop.
        if len(raw) == announced or not message.get("more_body", False):
            return bytes(raw)
