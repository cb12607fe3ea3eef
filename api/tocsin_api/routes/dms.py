"""Routes of /users/@me/channels (protocol.md §8.8)."""

from __future__ import annotations

from litestar import Response, get, post

from tocsin.errors import BadRequest, InvalidForm
from tocsin_api.auth import people_only
from tocsin_api.request import ApiRequest, answer_json, read_body, services
from tocsin_api.schemas.dms import DmOpen


@post("/users/@me/channels", status_code=200, opt={"bucket": "dms.open", "body": DmOpen}, summary="Open a DM")
async def open_dm(request: ApiRequest) -> Response[bytes]:
    """Answer with the DM there is, or with a new one."""
    body = await read_body(request, DmOpen)
    recipients = [body.recipient_id] if body.recipient_id is not None else body.recipients
    if recipients is None:
        raise InvalidForm.field("recipient_id", "BASE_TYPE_REQUIRED", "This field is required")
    if len(recipients) != 1:
        raise BadRequest(50033, "Invalid Recipient(s)")
    return answer_json(await services(request).dms.open(request.user, recipients[0]))


@get("/users/@me/channels", guards=[people_only], summary="List the caller's DMs")
async def list_dms(request: ApiRequest) -> Response[bytes]:
    """The latest message first."""
    return answer_json(await services(request).dms.list_of(request.user))


HANDLERS = [open_dm, list_dms]
