"""Routes of /users/@me/channels and /channels/{id}/recipients (protocol.md §8.6, §8.8)."""

from __future__ import annotations

from litestar import Response, delete, get, post, put

from tocsin.errors import BadRequest, InvalidForm
from tocsin_api.auth import people_only
from tocsin_api.request import ApiRequest, answer_json, no_content, path_id, read_body, services
from tocsin_api.schemas.dms import DmOpen

RECIPIENT = "/channels/{channel_id:str}/recipients/{user_id:str}"


@post("/users/@me/channels", status_code=200, opt={"bucket": "dms.open", "body": DmOpen}, summary="Open a DM")
async def open_dm(request: ApiRequest) -> Response[bytes]:
    """Answer with the DM there is, or with a new one; with several recipients, with a new group."""
    body = await read_body(request, DmOpen)
    if body.access_tokens:
        text = "There are no access tokens on this server: name the people in recipients."
        raise InvalidForm.field("access_tokens", "ACCESS_TOKENS_UNSUPPORTED", text)
    recipients = [body.recipient_id] if body.recipient_id is not None else body.recipients
    if recipients is None:
        raise InvalidForm.field("recipient_id", "BASE_TYPE_REQUIRED", "This field is required")
    if not recipients:
        raise BadRequest(50033, "Invalid Recipient(s)")
    if len(recipients) > 1:
        return answer_json(await services(request).group_dms.create(request.user, recipients))
    return answer_json(await services(request).dms.open(request.user, recipients[0]))


@get("/users/@me/channels", guards=[people_only], summary="List the caller's DMs")
async def list_dms(request: ApiRequest) -> Response[bytes]:
    """The latest message first."""
    return answer_json(await services(request).dms.list_of(request.user))


@put(RECIPIENT, status_code=201, guards=[people_only], summary="Add somebody to a group DM, or to a DM by a new group")
async def add_recipient(request: ApiRequest) -> Response[bytes] | Response[None]:
    """Whoever is in it may. A DM stays as it is: 201, with the group; else 204."""
    channel_id, user_id = path_id(request, "channel_id"), path_id(request, "user_id")
    made = await services(request).group_dms.bring(request.user, channel_id, user_id)
    return no_content() if made is None else answer_json(made, 201)


@delete(RECIPIENT, status_code=204, guards=[people_only], summary="Remove somebody from a group DM")
async def remove_recipient(request: ApiRequest) -> Response[None]:
    """The owner may; others may remove themselves."""
    channel_id, user_id = path_id(request, "channel_id"), path_id(request, "user_id")
    await services(request).group_dms.remove(request.user, channel_id, user_id)
    return no_content()


HANDLERS = [open_dm, list_dms, add_recipient, remove_recipient]
