"""Routes of /guilds/{id}/bans (protocol.md §8.7)."""

from __future__ import annotations

from litestar import Response, delete, get, post, put

from tocsin.service.bans import MAX_PURGE_SECONDS
from tocsin_api.request import (
    ApiRequest,
    answer_json,
    audit_reason,
    no_content,
    path_id,
    query_id,
    query_int,
    read_body,
    services,
)
from tocsin_api.schemas.bans import BanIn, BulkBanIn

BANS = "/guilds/{guild_id:str}/bans"
BAN = BANS + "/{user_id:str}"


@get(BANS, summary="List a guild's bans")
async def list_bans(request: ApiRequest) -> Response[bytes]:
    """By rising user id, with `before`, `after` and `limit` 1 to 1000 (1000). Needs BAN_MEMBERS."""
    page = await services(request).bans.list_of(
        request.user,
        path_id(request, "guild_id"),
        after=query_id(request, "after"),
        before=query_id(request, "before"),
        limit=query_int(request, "limit", 1000, 1, 1000),
    )
    return answer_json(page)


@get(BAN, summary="Get a ban")
async def get_ban(request: ApiRequest) -> Response[bytes]:
    """Needs BAN_MEMBERS."""
    guild_id, user_id = path_id(request, "guild_id"), path_id(request, "user_id")
    return answer_json(await services(request).bans.get(request.user, guild_id, user_id))


@put(BAN, status_code=204, opt={"body": BanIn}, summary="Ban a user")
async def put_ban(request: ApiRequest) -> Response[None]:
    """Needs BAN_MEMBERS and a higher role. `delete_message_seconds` in the body or, as discord.py has it, the query."""
    reason = audit_reason(request)
    guild_id, user_id = path_id(request, "guild_id"), path_id(request, "user_id")
    body = await read_body(request, BanIn)
    seconds = query_int(request, "delete_message_seconds", body.purge_seconds(), 0, MAX_PURGE_SECONDS)
    await services(request).bans.ban(request.user, guild_id, user_id, purge_seconds=seconds, reason=reason)
    return no_content()


@delete(BAN, status_code=204, summary="Lift a ban")
async def delete_ban(request: ApiRequest) -> Response[None]:
    """Needs BAN_MEMBERS."""
    audit_reason(request)
    await services(request).bans.unban(request.user, path_id(request, "guild_id"), path_id(request, "user_id"))
    return no_content()


@post("/guilds/{guild_id:str}/bulk-ban", status_code=200, opt={"body": BulkBanIn}, summary="Ban many users")
async def bulk_ban(request: ApiRequest) -> Response[bytes]:
    """Needs BAN_MEMBERS and MANAGE_GUILD. 1 to 200 users; 500000 when none of them could be banned."""
    reason = audit_reason(request)
    body = await read_body(request, BulkBanIn)
    banned = await services(request).bans.ban_many(
        request.user,
        path_id(request, "guild_id"),
        body.users(),
        purge_seconds=body.delete_message_seconds or 0,
        reason=reason,
    )
    return answer_json(banned)


HANDLERS: list[object] = [list_bans, get_ban, put_ban, delete_ban, bulk_ban]
