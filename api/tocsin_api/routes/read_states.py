"""Routes of read states, for people (protocol.md §8.5)."""

from __future__ import annotations

from litestar import Response, delete, post

from tocsin.service.read_states import Ack
from tocsin_api.auth import people_only
from tocsin_api.request import ApiRequest, answer_json, no_content, path_id, read_body, services
from tocsin_api.routes.messages import MESSAGE, MESSAGES
from tocsin_api.schemas.read_states import BulkAck, MessageAck


@post(
    MESSAGE + "/ack",
    status_code=200,
    guards=[people_only],
    opt={"bucket": "read_states", "body": MessageAck},
    summary="Mark a channel as read up to a message",
)
async def ack(request: ApiRequest) -> Response[bytes]:
    """`manual` may also move back, and set `mention_count`."""
    body = await read_body(request, MessageAck)
    where = Ack(path_id(request, "channel_id"), path_id(request, "message_id"))
    count = body.count()
    await services(request).read_states.ack(request.user, where, manual=bool(body.manual), mention_count=count)
    return answer_json({"token": None})


@delete(
    MESSAGES + "/ack",
    status_code=204,
    guards=[people_only],
    opt={"bucket": "read_states"},
    summary="Forget how far a channel was read",
)
async def forget(request: ApiRequest) -> Response[None]:
    """Tells nobody."""
    await services(request).read_states.forget(request.user, path_id(request, "channel_id"))
    return no_content()


@post(
    "/read-states/ack-bulk",
    status_code=204,
    guards=[people_only],
    opt={"bucket": "read_states.bulk", "body": BulkAck},
    summary="Mark up to 100 channels as read",
)
async def ack_bulk(request: ApiRequest) -> Response[None]:
    """Channels that the caller does not see are passed over."""
    await services(request).read_states.ack_many(request.user, (await read_body(request, BulkAck)).acks())
    return no_content()


@post(
    "/channels/{channel_id:str}/pins/ack",
    status_code=204,
    guards=[people_only],
    opt={"bucket": "read_states"},
    summary="Mark a channel's pins as seen",
)
async def ack_pins(request: ApiRequest) -> Response[None]:
    """Up to the latest."""
    await services(request).read_states.ack_pins(request.user, path_id(request, "channel_id"))
    return no_content()


HANDLERS: list[object] = [ack, forget, ack_bulk, ack_pins]
