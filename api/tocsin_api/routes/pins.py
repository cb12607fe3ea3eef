"""Routes of /channels/{id}/messages/pins, and of the older /channels/{id}/pins (protocol.md §8.5)."""

from __future__ import annotations

from litestar import Response, delete, get, put

from tocsin_api.request import (
    ApiRequest,
    answer_json,
    audit_reason,
    no_content,
    path_id,
    query_int,
    query_time,
    services,
)
from tocsin_api.routes.messages import MESSAGES

PINS = MESSAGES + "/pins"
OLD_PINS = "/channels/{channel_id:str}/pins"
ONE = "/{message_id:str}"
MAX_PAGE = 50


@get(PINS, summary="List a channel's pins")
async def list_pins(request: ApiRequest) -> Response[bytes]:
    """The latest first, with `before` (a time) and `limit` 1 to 50 (50)."""
    page = await services(request).pins.page(
        request.user,
        path_id(request, "channel_id"),
        before_ms=query_time(request, "before"),
        limit=query_int(request, "limit", MAX_PAGE, 1, MAX_PAGE),
    )
    return answer_json(page)


@get(OLD_PINS, summary="List a channel's pinned messages (deprecated)")
async def list_pinned(request: ApiRequest) -> Response[bytes]:
    """The latest 50."""
    return answer_json(await services(request).pins.list_of(request.user, path_id(request, "channel_id")))


@put([PINS + ONE, OLD_PINS + ONE], status_code=204, opt={"bucket": "pins"}, summary="Pin a message")
async def pin(request: ApiRequest) -> Response[None]:
    """Needs PIN_MESSAGES or MANAGE_MESSAGES. The channel is told by a message of type 6."""
    audit_reason(request)
    await services(request).pins.pin(request.user, path_id(request, "channel_id"), path_id(request, "message_id"))
    return no_content()


@delete([PINS + ONE, OLD_PINS + ONE], status_code=204, opt={"bucket": "pins"}, summary="Lift a pin")
async def unpin(request: ApiRequest) -> Response[None]:
    """Needs PIN_MESSAGES or MANAGE_MESSAGES."""
    audit_reason(request)
    await services(request).pins.unpin(request.user, path_id(request, "channel_id"), path_id(request, "message_id"))
    return no_content()


HANDLERS: list[object] = [list_pins, list_pinned, pin, unpin]
