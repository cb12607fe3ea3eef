"""Routes of /interactions: what people do with applications, and bots' first answers (protocol.md §8.9)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, post

from tocsin.service.drafts import MessageDraft, MessagePatch
from tocsin_api.auth import NO_AUTH, people_only
from tocsin_api.request import (
    ApiRequest,
    answer_json,
    decode,
    no_content,
    path_id,
    query_bool,
    read_body,
    read_body_and_files,
    services,
)
from tocsin_api.schemas.interactions import CallbackIn, InteractionIn
from tocsin_api.schemas.messages import MessageCreate, MessageEdit

CALLBACK = "/interactions/{interaction_id:str}/{interaction_token:str}/callback"
OPEN: dict[str, Any] = {**NO_AUTH, "bucket": "interactions.callback", "body": CallbackIn}
_WITH_MESSAGE = (4, 5, 7)


@post("/interactions", status_code=204, guards=[people_only], opt={"body": InteractionIn}, summary="Use a command")
async def interact(request: ApiRequest) -> Response[None]:
    """A command (2), a component (3), an autocompletion (4) or a modal (5), as people's clients send them."""
    body = await read_body(request, InteractionIn)
    await services(request).interactions.invoke(
        request.user,
        body.type,
        body.application_id,
        body.channel_id,
        body.data,
        message_id=body.message_id or 0,
        nonce=str(body.nonce or ""),
    )
    return no_content()


@post(CALLBACK, status_code=200, opt=OPEN, summary="Answer an interaction")
async def answer_interaction(request: Request[Any, Any, Any]) -> Response[bytes] | Response[None]:
    """204, or with `with_response` what came of it. The token is all it needs."""
    with_response = query_bool(request, "with_response")
    body, files = await read_body_and_files(request, CallbackIn)
    data = body.data or {}
    draft, patch = MessageDraft(), MessagePatch()
    if body.type in _WITH_MESSAGE:
        raw = msgspec.json.encode(data)
        made = decode(raw, MessageCreate)
        draft, patch = made.draft(files), decode(raw, MessageEdit).patch(files)
        draft = msgspec.structs.replace(draft, flags=made.flags or 0)
    answered = await services(request).interactions.answer(
        path_id(request, "interaction_id"),
        str(request.path_params["interaction_token"]),
        body.type,
        data,
        draft,
        patch,
    )
    return answer_json(answered) if with_response else no_content()


HANDLERS: list[object] = [interact, answer_interaction]
