"""Routes of /auth: people's accounts. Bots get their tokens from the operator."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post

from tocsin.service.passwords import Login
from tocsin_api.auth import NO_AUTH
from tocsin_api.request import ApiRequest, answer_json, no_content, read_body, services
from tocsin_api.schemas.auth import LoginIn, RegisterIn

_OPEN: dict[str, Any] = {**NO_AUTH, "bucket": "auth"}


@post("/auth/register", status_code=201, opt={**_OPEN, "body": RegisterIn}, summary="Register a person")
async def register(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answers with `user_id` and `token`. Closed when the setting `registration` is off."""
    body = await read_body(request, RegisterIn)
    made = await services(request).passwords.register(body.username, body.password, body.global_name)
    return answer_json(_render(made), 201)


@post("/auth/login", status_code=200, opt={**_OPEN, "body": LoginIn}, summary="Log in")
async def log_in(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answers with `user_id` and a new `token`."""
    body = await read_body(request, LoginIn)
    return answer_json(_render(await services(request).passwords.login(body.name(), body.password)))


@post("/auth/logout", status_code=204, summary="Log out")
async def log_out(request: ApiRequest) -> Response[None]:
    """Revokes the token that the request came with; its sessions are closed with 4004."""
    await services(request).auth.revoke_digest(request.user.token_digest)
    return no_content()


def _render(login: Login) -> dict[str, str]:
    return {"user_id": str(login.user_id), "token": login.token}


HANDLERS: list[object] = [register, log_in, log_out]
