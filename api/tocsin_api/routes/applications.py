"""Routes of the caller's application."""

from __future__ import annotations

from litestar import Response, get

from tocsin_api.request import ApiRequest, answer_json, services


@get(["/oauth2/applications/@me", "/applications/@me"], summary="Get the bot's application")
async def get_application(request: ApiRequest) -> Response[bytes]:
    """403/20002 for people."""
    return answer_json(await services(request).users.application_of(request.user))


HANDLERS = [get_application]
