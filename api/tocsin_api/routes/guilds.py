"""Routes of /guilds (protocol.md §8.7)."""

from __future__ import annotations

from litestar import Response, delete, get, patch, post

from tocsin_api.request import (
    ApiRequest,
    answer_json,
    audit_reason,
    no_content,
    path_id,
    query_bool,
    read_body,
    services,
)
from tocsin_api.schemas.guilds import GuildIn

GUILD = "/guilds/{guild_id:str}"


@post("/guilds", status_code=201, opt={"body": GuildIn}, summary="Make a guild")
async def create_guild(request: ApiRequest) -> Response[bytes]:
    """The caller owns it. It has @everyone and one text channel."""
    body = await read_body(request, GuildIn)
    return answer_json(await services(request).guilds.create(request.user, body.changes(making=True)), 201)


@get(GUILD, summary="Get a guild")
async def get_guild(request: ApiRequest) -> Response[bytes]:
    """With `with_counts`, also how many members there are and how many are online."""
    guild_id, with_counts = path_id(request, "guild_id"), query_bool(request, "with_counts")
    return answer_json(await services(request).guilds.get(request.user, guild_id, with_counts=with_counts))


@patch(GUILD, opt={"body": GuildIn}, summary="Change a guild")
async def edit_guild(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_GUILD; `owner_id` is the owner's to change."""
    audit_reason(request)
    body = await read_body(request, GuildIn)
    changed = await services(request).guilds.update(request.user, path_id(request, "guild_id"), body.changes())
    return answer_json(changed)


@delete(GUILD, status_code=204, summary="Delete a guild")
async def delete_guild(request: ApiRequest) -> Response[None]:
    """The owner's alone."""
    await services(request).guilds.delete(request.user, path_id(request, "guild_id"))
    return no_content()


HANDLERS: list[object] = [create_guild, get_guild, edit_guild, delete_guild]
