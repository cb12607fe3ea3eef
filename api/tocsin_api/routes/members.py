"""Routes of /guilds/{id}/members, and of the caller's own memberships (protocol.md §8.7, §8.8)."""

from __future__ import annotations

from litestar import Response, delete, get, patch, put

from tocsin.errors import InvalidForm
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
from tocsin_api.schemas.members import MemberIn, OwnMemberIn

MEMBERS = "/guilds/{guild_id:str}/members"
MEMBER = MEMBERS + "/{user_id:str}"
MEMBER_ROLE = MEMBER + "/roles/{role_id:str}"
MAX_PAGE = 1000


@get(MEMBERS, summary="List a guild's members")
async def list_members(request: ApiRequest) -> Response[bytes]:
    """By rising user id, with `after` and `limit` 1 to 1000 (1). Bots need the GUILD_MEMBERS intent."""
    page = await services(request).members.list_of(
        request.user,
        path_id(request, "guild_id"),
        after=query_id(request, "after"),
        limit=query_int(request, "limit", 1, 1, MAX_PAGE),
    )
    return answer_json(page)


@get(MEMBERS + "/search", summary="Search a guild's members")
async def search_members(request: ApiRequest) -> Response[bytes]:
    """Those whose username or nick begins with `query`; `limit` 1 to 1000 (1)."""
    guild_id = path_id(request, "guild_id")
    query = request.query_params.get("query")
    if not query:
        raise InvalidForm.field("query", "BASE_TYPE_REQUIRED", "This field is required")
    limit = query_int(request, "limit", 1, 1, MAX_PAGE)
    return answer_json(await services(request).members.search(request.user, guild_id, query, limit))


@get(MEMBER, summary="Get a member")
async def get_member(request: ApiRequest) -> Response[bytes]:
    """Get one member."""
    guild_id, user_id = path_id(request, "guild_id"), path_id(request, "user_id")
    return answer_json(await services(request).members.get(request.user, guild_id, user_id))


@put(MEMBER, status_code=201, opt={"body": MemberIn}, summary="Add a member")
async def add_member(request: ApiRequest) -> Response[bytes] | Response[None]:
    """Needs CREATE_INSTANT_INVITE. 201 with the member, or 204 when the user is one already."""
    guild_id, user_id = path_id(request, "guild_id"), path_id(request, "user_id")
    body = await read_body(request, MemberIn)
    added = await services(request).members.add(request.user, guild_id, user_id, body.changes())
    return no_content() if added is None else answer_json(added, 201)


@patch(MEMBER, opt={"body": MemberIn}, summary="Change a member")
async def edit_member(request: ApiRequest) -> Response[bytes]:
    """Each field needs its own permission."""
    audit_reason(request)
    guild_id, user_id = path_id(request, "guild_id"), path_id(request, "user_id")
    body = await read_body(request, MemberIn)
    changed = await services(request).members.update(
        request.user, guild_id, user_id, body.changes(), moves=body.moves(), channel_id=body.voice_channel()
    )
    return answer_json(changed)


@patch(MEMBERS + "/@me", opt={"body": OwnMemberIn}, summary="Change the caller's membership")
async def edit_own_member(request: ApiRequest) -> Response[bytes]:
    """Needs CHANGE_NICKNAME."""
    audit_reason(request)
    body = await read_body(request, OwnMemberIn)
    changed = await services(request).members.update_me(request.user, path_id(request, "guild_id"), body.changes())
    return answer_json(changed)


@patch(MEMBERS + "/@me/nick", opt={"body": OwnMemberIn}, summary="Change the caller's nick (deprecated)")
async def edit_own_nick(request: ApiRequest) -> Response[bytes]:
    """Needs CHANGE_NICKNAME."""
    audit_reason(request)
    body = await read_body(request, OwnMemberIn)
    changed = await services(request).members.update_me(request.user, path_id(request, "guild_id"), body.changes())
    return answer_json({"nick": changed["nick"]})


@put(MEMBER_ROLE, status_code=204, summary="Give a role")
async def add_role(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_ROLES and a higher role."""
    audit_reason(request)
    guild_id, user_id = path_id(request, "guild_id"), path_id(request, "user_id")
    await services(request).members.add_role(request.user, guild_id, user_id, path_id(request, "role_id"))
    return no_content()


@delete(MEMBER_ROLE, status_code=204, summary="Take a role away")
async def remove_role(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_ROLES and a higher role."""
    audit_reason(request)
    guild_id, user_id = path_id(request, "guild_id"), path_id(request, "user_id")
    await services(request).members.remove_role(request.user, guild_id, user_id, path_id(request, "role_id"))
    return no_content()


@delete(MEMBER, status_code=204, summary="Kick a member")
async def kick_member(request: ApiRequest) -> Response[None]:
    """Needs KICK_MEMBERS and a higher role."""
    audit_reason(request)
    await services(request).members.kick(request.user, path_id(request, "guild_id"), path_id(request, "user_id"))
    return no_content()


@get("/users/@me/guilds/{guild_id:str}/member", summary="Get the caller's membership")
async def get_own_member(request: ApiRequest) -> Response[bytes]:
    """Get the caller as a member of a guild."""
    guild_id = path_id(request, "guild_id")
    return answer_json(await services(request).members.get(request.user, guild_id, request.user.id))


@delete("/users/@me/guilds/{guild_id:str}", status_code=204, summary="Leave a guild")
async def leave_guild(request: ApiRequest) -> Response[None]:
    """Anyone's but the owner's."""
    await services(request).members.leave(request.user, path_id(request, "guild_id"))
    return no_content()


HANDLERS: list[object] = [
    list_members,
    search_members,
    get_member,
    add_member,
    edit_member,
    edit_own_member,
    edit_own_nick,
    add_role,
    remove_role,
    kick_member,
    get_own_member,
    leave_guild,
]
