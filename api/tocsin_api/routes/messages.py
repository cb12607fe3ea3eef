"""Routes of /channels/{id}/messages (protocol.md §8.3)."""

from __future__ import annotations

from litestar import Response, delete, get, patch, post

from tocsin_api.auth import bots_only
from tocsin_api.ratelimit import CREATE_MESSAGE
from tocsin_api.request import (
    ApiRequest,
    Snowflake,
    answer,
    audit_reason,
    no_content,
    path_id,
    query_id,
    query_int,
    read_body,
    read_body_and_files,
    services,
)
from tocsin_api.schemas.messages import BulkDelete, MessageCreate, MessageEdit

MESSAGES = "/channels/{channel_id:str}/messages"
MESSAGE = MESSAGES + "/{message_id:str}"


@get(MESSAGES, opt={"bucket": "messages.list"}, summary="List a channel's messages")
async def list_messages(request: ApiRequest) -> Response[bytes]:
    """Newest first; one of `before`, `after`, `around`; `limit` 1 to 100."""
    page = await services(request).messages.list_of(
        request.user,
        path_id(request, "channel_id"),
        before=query_id(request, "before"),
        after=query_id(request, "after"),
        around=query_id(request, "around"),
        limit=query_int(request, "limit", 50, 1, 100),
    )
    return answer(page)


@get(MESSAGE, opt={"bucket": "messages.get"}, summary="Get a message")
async def get_message(request: ApiRequest) -> Response[bytes]:
    """Needs READ_MESSAGE_HISTORY."""
    messages = services(request).messages
    return answer(await messages.get(request.user, path_id(request, "channel_id"), path_id(request, "message_id")))


@post(MESSAGES, status_code=200, opt={"bucket": CREATE_MESSAGE, "body": MessageCreate}, summary="Send a message")
async def create_message(request: ApiRequest) -> Response[bytes]:
    """Answer 200 once the message is on disk."""
    channel_id = path_id(request, "channel_id")
    body, files = await read_body_and_files(request, MessageCreate)
    return answer(await services(request).messages.create(request.user, channel_id, body.draft(files)))


@patch(MESSAGE, opt={"bucket": "messages.edit", "body": MessageEdit}, summary="Edit a message")
async def edit_message(request: ApiRequest) -> Response[bytes]:
    """Change what the body names."""
    channel_id, message_id = path_id(request, "channel_id"), path_id(request, "message_id")
    body, files = await read_body_and_files(request, MessageEdit)
    return answer(await services(request).messages.edit(request.user, channel_id, message_id, body.patch(files)))


@delete(MESSAGE, status_code=204, opt={"bucket": "messages.delete"}, summary="Delete a message")
async def delete_message(request: ApiRequest) -> Response[None]:
    """Others' messages need MANAGE_MESSAGES."""
    audit_reason(request)
    channel_id, message_id = path_id(request, "channel_id"), path_id(request, "message_id")
    await services(request).messages.delete(request.user, channel_id, message_id)
    return no_content()


@post(
    MESSAGES + "/bulk-delete",
    status_code=204,
    guards=[bots_only],
    opt={"bucket": "messages.bulk_delete", "body": BulkDelete},
    summary="Delete 2 to 100 messages",
)
async def bulk_delete(request: ApiRequest) -> Response[None]:
    """None may be older than 14 days."""
    audit_reason(request)
    channel_id = path_id(request, "channel_id")
    ids: list[Snowflake] = (await read_body(request, BulkDelete)).messages
    await services(request).messages.bulk_delete(request.user, channel_id, ids)
    return no_content()


HANDLERS = [list_messages, get_message, create_message, edit_message, delete_message, bulk_delete]
