"""Routes of /users (protocol.md §8.8)."""

from __future__ import annotations

from litestar import Response, get, patch

from tocsin_api.request import (
    ApiRequest,
    answer_json,
    path_id,
    query_bool,
    query_id,
    query_int,
    read_body,
    services,
)
from tocsin_api.schemas.users import UserEdit


@get("/users/@me", summary="Get the caller's user")
async def get_me(request: ApiRequest) -> Response[bytes]:
    """With what only the user may see."""
    return answer_json(services(request).users.me(request.user))


@patch("/users/@me", opt={"body": UserEdit}, summary="Change the caller's user")
async def edit_me(request: ApiRequest) -> Response[bytes]:
    """Change what the body names."""
    body = await read_body(request, UserEdit)
    return answer_json(await services(request).users.update(request.user, body.patch()))


@get("/users/@me/guilds", summary="List the caller's guilds")
async def list_my_guilds(request: ApiRequest) -> Response[bytes]:
    """By rising id, with `before`, `after`, `limit` 1 to 200 and `with_counts`."""
    page = await services(request).users.guilds_of(
        request.user,
        before=query_id(request, "before"),
        after=query_id(request, "after"),
        limit=query_int(request, "limit", 200, 1, 200),
        with_counts=query_bool(request, "with_counts"),
    )
    return answer_json(page)


@get("/users/{user_id:str}", summary="Get a user")
async def get_user(request: ApiRequest) -> Response[bytes]:
    """Get any user by id."""
    return answer_json(await services(request).users.get(path_id(request, "user_id")))


HANDLERS = [get_me, edit_me, list_my_guilds, get_user]
