"""Routes of webhooks: /channels/{id}/webhooks, /guilds/{id}/webhooks, /webhooks/{id} and below (protocol.md §8.8)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, patch, post

from tocsin.model.interactions import Interaction
from tocsin_api.auth import NO_AUTH
from tocsin_api.request import (
    ApiRequest,
    answer,
    answer_json,
    audit_reason,
    no_content,
    path_id,
    query_bool,
    query_id,
    read_body,
    read_body_and_files,
    services,
)
from tocsin_api.schemas.messages import MessageEdit
from tocsin_api.schemas.webhooks import WebhookCreate, WebhookEdit, WebhookExecute

IN_CHANNEL = "/channels/{channel_id:str}/webhooks"
ONE = "/webhooks/{webhook_id:str}"
WITH_TOKEN = ONE + "/{webhook_token:str}"
MESSAGE = WITH_TOKEN + "/messages/{message_id:str}"
EXECUTE: dict[str, Any] = {**NO_AUTH, "bucket": "webhooks.execute", "body": WebhookExecute}
OfToken = Request[Any, Any, Any]
"""A request that needs no token but that of its path."""


ORIGINAL = "@original"


async def _interaction(request: OfToken) -> Interaction | None:
    """Return the interaction that a path names in a webhook's place, by its application and token."""
    return await services(request).interactions.of_token(*_key(request))


def _message_id(request: OfToken) -> int:
    """Return the message of a path, 0 for the original answer to an interaction."""
    return 0 if request.path_params["message_id"] == ORIGINAL else path_id(request, "message_id")


def _key(request: OfToken) -> tuple[int, str]:
    return path_id(request, "webhook_id"), str(request.path_params["webhook_token"])


@post(IN_CHANNEL, status_code=200, opt={"body": WebhookCreate}, summary="Make a webhook")
async def create_webhook(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_WEBHOOKS. 15 a channel."""
    audit_reason(request)
    channel_id = path_id(request, "channel_id")
    body = await read_body(request, WebhookCreate)
    return answer_json(await services(request).webhooks.create(request.user, channel_id, body.name, body.avatar))


@get(IN_CHANNEL, summary="List a channel's webhooks")
async def list_channel_webhooks(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_WEBHOOKS."""
    return answer_json(await services(request).webhooks.list_in_channel(request.user, path_id(request, "channel_id")))


@get("/guilds/{guild_id:str}/webhooks", summary="List a guild's webhooks")
async def list_guild_webhooks(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_WEBHOOKS; those of channels in sight."""
    return answer_json(await services(request).webhooks.list_in_guild(request.user, path_id(request, "guild_id")))


@get(ONE, summary="Get a webhook")
async def get_webhook(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_WEBHOOKS."""
    return answer_json(await services(request).webhooks.get(request.user, path_id(request, "webhook_id")))


@patch(ONE, opt={"body": WebhookEdit}, summary="Change a webhook")
async def edit_webhook(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_WEBHOOKS, in the new channel too."""
    audit_reason(request)
    webhook_id = path_id(request, "webhook_id")
    body = await read_body(request, WebhookEdit)
    webhooks = services(request).webhooks
    return answer_json(await webhooks.update(request.user, webhook_id, body.name, body.channel_id, body.avatar))


@delete(ONE, status_code=204, summary="Delete a webhook")
async def delete_webhook(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_WEBHOOKS."""
    audit_reason(request)
    await services(request).webhooks.delete(request.user, path_id(request, "webhook_id"))
    return no_content()


@get(WITH_TOKEN, opt=NO_AUTH, summary="Get a webhook by its token")
async def get_webhook_by_token(request: OfToken) -> Response[bytes]:
    """Without who made it."""
    return answer_json(await services(request).webhooks.get_by_token(*_key(request)))


@patch(WITH_TOKEN, opt={**NO_AUTH, "body": WebhookEdit}, summary="Change a webhook by its token")
async def edit_webhook_by_token(request: OfToken) -> Response[bytes]:
    """It cannot be moved."""
    body = await read_body(request, WebhookEdit)
    return answer_json(await services(request).webhooks.update_by_token(*_key(request), body.name, body.avatar))


@delete(WITH_TOKEN, status_code=204, opt=NO_AUTH, summary="Delete a webhook by its token")
async def delete_webhook_by_token(request: OfToken) -> Response[None]:
    """Its messages stay."""
    await services(request).webhooks.delete_by_token(*_key(request))
    return no_content()


@post(WITH_TOKEN, status_code=200, opt=EXECUTE, summary="Send a message as a webhook")
async def execute_webhook(request: OfToken) -> Response[bytes] | Response[None]:
    """With `wait`, 200 with the message; else 204. `thread_id` names a thread of its channel."""
    key, wait, thread_id = _key(request), query_bool(request, "wait"), query_id(request, "thread_id")
    body, files = await read_body_and_files(request, WebhookExecute)
    interaction = await _interaction(request)
    if interaction is not None:
        draft = msgspec.structs.replace(body.draft(files), flags=body.flags or 0)
        return answer_json(await services(request).interactions.follow_up(interaction, draft))
    sent = await services(request).webhooks.execute(
        *key, body.draft(files), username=body.username, thread_id=thread_id
    )
    return answer(sent) if wait else no_content()


@get(MESSAGE, opt=NO_AUTH, summary="Get a webhook's message")
async def get_webhook_message(request: OfToken) -> Response[bytes]:
    """Only its own; `@original` is the first answer to an interaction."""
    interaction = await _interaction(request)
    if interaction is not None:
        return answer_json(await services(request).interactions.get(interaction, _message_id(request)))
    found = await services(request).webhooks.get_message(
        *_key(request), path_id(request, "message_id"), thread_id=query_id(request, "thread_id")
    )
    return answer_json(found)


@patch(MESSAGE, opt={**NO_AUTH, "body": MessageEdit}, summary="Edit a webhook's message")
async def edit_webhook_message(request: OfToken) -> Response[bytes]:
    """Only its own; `@original` is the first answer to an interaction."""
    body, files = await read_body_and_files(request, MessageEdit)
    interaction = await _interaction(request)
    if interaction is not None:
        edited_body = await services(request).interactions.edit(interaction, _message_id(request), body.patch(files))
        return answer_json(edited_body)
    message_id, thread_id = path_id(request, "message_id"), query_id(request, "thread_id")
    edited = await services(request).webhooks.edit_message(
        *_key(request), message_id, body.patch(files), thread_id=thread_id
    )
    return answer(edited)


@delete(MESSAGE, status_code=204, opt=NO_AUTH, summary="Delete a webhook's message")
async def delete_webhook_message(request: OfToken) -> Response[None]:
    """Only its own; `@original` is the first answer to an interaction."""
    interaction = await _interaction(request)
    if interaction is not None:
        await services(request).interactions.delete(interaction, _message_id(request))
        return no_content()
    await services(request).webhooks.delete_message(
        *_key(request), path_id(request, "message_id"), thread_id=query_id(request, "thread_id")
    )
    return no_content()


HANDLERS: list[object] = [
    create_webhook,
    list_channel_webhooks,
    list_guild_webhooks,
    get_webhook,
    edit_webhook,
    delete_webhook,
    get_webhook_by_token,
    edit_webhook_by_token,
    delete_webhook_by_token,
    execute_webhook,
    get_webhook_message,
    edit_webhook_message,
    delete_webhook_message,
]
