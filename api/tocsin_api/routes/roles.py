"""Routes of /guilds/{id}/roles (protocol.md §8.7)."""

from __future__ import annotations

from litestar import Response, delete, get, patch, post

from tocsin_api.request import ApiRequest, answer_json, audit_reason, no_content, path_id, read_body, services
from tocsin_api.schemas.fields import Fields
from tocsin_api.schemas.roles import RoleIn, RolePosition

ROLES = "/guilds/{guild_id:str}/roles"
ROLE = ROLES + "/{role_id:str}"


@get(ROLES, summary="List a guild's roles")
async def list_roles(request: ApiRequest) -> Response[bytes]:
    """By (position, id)."""
    return answer_json(await services(request).roles.list_of(request.user, path_id(request, "guild_id")))


@get(ROLE, summary="Get a role")
async def get_role(request: ApiRequest) -> Response[bytes]:
    """Get one role."""
    guild_id, role_id = path_id(request, "guild_id"), path_id(request, "role_id")
    return answer_json(await services(request).roles.get(request.user, guild_id, role_id))


@post(ROLES, status_code=200, opt={"body": RoleIn}, summary="Make a role")
async def create_role(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_ROLES; grants only what the caller has."""
    audit_reason(request)
    body = await read_body(request, RoleIn)
    made = await services(request).roles.create(request.user, path_id(request, "guild_id"), body.changes())
    return answer_json(made)


@patch(ROLES, opt={"body": list[RolePosition]}, summary="Move roles")
async def move_roles(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_ROLES; roles below the caller's highest, before and after."""
    audit_reason(request)
    body = await read_body(request, list[RolePosition])
    fields = Fields()
    for each in body:
        each.check(fields)
    fields.done()
    positions = [(int(each.id), each.position) for each in body if each.position is not None]
    return answer_json(await services(request).roles.move(request.user, path_id(request, "guild_id"), positions))


@patch(ROLE, opt={"body": RoleIn}, summary="Change a role")
async def edit_role(request: ApiRequest) -> Response[bytes]:
    """Needs MANAGE_ROLES and a higher role."""
    audit_reason(request)
    guild_id, role_id = path_id(request, "guild_id"), path_id(request, "role_id")
    body = await read_body(request, RoleIn)
    return answer_json(await services(request).roles.update(request.user, guild_id, role_id, body.changes()))


@delete(ROLE, status_code=204, summary="Delete a role")
async def delete_role(request: ApiRequest) -> Response[None]:
    """Needs MANAGE_ROLES and a higher role; members and overwrites lose it."""
    audit_reason(request)
    await services(request).roles.delete(request.user, path_id(request, "guild_id"), path_id(request, "role_id"))
    return no_content()


HANDLERS: list[object] = [list_roles, get_role, create_role, move_roles, edit_role, delete_role]
